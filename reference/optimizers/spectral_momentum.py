"""Spectral momentum: its singular values are raised to a power, the heavy ball at 1, Muon at 0.

Qi et al., "Delving into Muon and Beyond: Deep Analysis and Extensions", 2026, mSGDS and its kin, as
in the authors' code. https://arxiv.org/abs/2602.04669 and github.com/Ocram7/BeyondMuon

The numbers in the right margin are the equations of spec/optimizers/spectral_momentum.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.spectral_power import spectral_power


class Hyper(NamedTuple):
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    power: float = 0.5


class State(NamedTuple):
    m: Array  # like theta: sum of the gradients, of which the past decays


def init(theta: Array, hyper: Hyper) -> State:
    return State(m=namespace(theta).zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    The singular values of the step, here of the gradient, are the roots of what they were:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([4.0, 1.0]), Hyper(lr=0.5)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> abs(theta).round(4)
    array([[1. , 0. ],
           [0. , 0.5]])
    """
    lr, mu, wd, power = hyper
    (m,) = state

    m = mu * m + g                                                      # (spectral_momentum.1)
    o = spectral_power(m, power)                                        # (spectral_momentum.2)
    theta = (1 - lr * wd) * theta - lr * o                              # (spectral_momentum.3)

    return theta, State(m)

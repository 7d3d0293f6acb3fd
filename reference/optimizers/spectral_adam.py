"""Spectral Adam: AdamW whose step has its singular values raised to a power.

Qi et al., "Delving into Muon and Beyond: Deep Analysis and Extensions", 2026, AdamS and its kin, as
in the authors' code. https://arxiv.org/abs/2602.04669 and github.com/Ocram7/BeyondMuon

The numbers in the right margin are the equations of spec/optimizers/spectral_adam.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.spectral_power import spectral_power


class Hyper(NamedTuple):
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01
    power: float = 0.5


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # like theta: average of their squares
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    Adam's first direction is the sign of `g`, here with singular values of 1, which no power moves:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=0.5)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> abs(theta).round(4)
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    xp = namespace(theta)
    lr, b1, b2, eps, wd, power = hyper
    m, v, t = state

    t = t + 1                                                           # (spectral_adam.1)
    m = b1 * m + (1 - b1) * g                                           # (spectral_adam.2)
    v = b2 * v + (1 - b2) * g * g                                       # (spectral_adam.3)
    m_hat = m / (1 - b1**t)                                             # (spectral_adam.4)
    v_hat = v / (1 - b2**t)                                             # (spectral_adam.5)
    u = m_hat / (xp.sqrt(v_hat) + eps)                                  # (spectral_adam.6)
    theta = (1 - lr * wd) * theta - lr * spectral_power(u, power)       # (spectral_adam.7)

    return theta, State(m, v, t)

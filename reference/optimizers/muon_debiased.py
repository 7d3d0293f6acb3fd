"""Muon, debiased: Muon whose two terms of Nesterov's are each corrected for the start at zero.

As optax has it, after Nadam (Dozat, "Incorporating Nesterov Momentum into Adam", 2016).
https://github.com/google-deepmind/optax/blob/main/optax/contrib/_muon.py

The numbers in the right margin are the equations of spec/optimizers/muon_debiased.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.newton_schulz import newton_schulz


class Hyper(NamedTuple):
    lr: float = 0.02
    momentum: float = 0.95
    weight_decay: float = 0.0
    steps: int = 5


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    However unequal the singular values of `g`, those of the step are close to `lr`:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=1.0)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> np.linalg.svd(-theta, compute_uv=False).round(2)
    array([1.13, 0.75])
    """
    lr, mu, wd, steps = hyper
    m, t = state
    rows, cols = theta.shape

    t = t + 1                                                           # (muon_debiased.1)
    m = mu * m + (1 - mu) * g                                           # (muon_debiased.2)
    m_hat = m / (1 - mu ** (t + 1))                                     # (muon_debiased.3)
    g_hat = g / (1 - mu**t)                                             # (muon_debiased.4)
    u = mu * m_hat + (1 - mu) * g_hat                                   # (muon_debiased.5)
    o = newton_schulz(u, steps, 1e-8)                                   # (muon_debiased.6)
    o = max(1, rows / cols) ** 0.5 * o                                  # (muon_debiased.7)
    theta = theta - lr * (o + wd * theta)                               # (muon_debiased.8)

    return theta, State(m, t)

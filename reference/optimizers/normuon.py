"""NorMuon: Muon whose rows are brought to one size, by an average of theirs.

Li et al., "NorMuon: Making Muon more efficient and scalable", 2025, as in the authors' code.
https://arxiv.org/abs/2510.05491 and github.com/zichongli5/NorMuon

The numbers in the right margin are the equations of spec/optimizers/normuon.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.newton_schulz import newton_schulz


class Hyper(NamedTuple):
    lr: float = 0.02
    momentum: float = 0.95
    beta2: float = 0.95
    weight_decay: float = 0.0
    steps: int = 5
    eps: float = 1e-10


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # rows x 1: average of the mean squares of the rows


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    m = xp.zeros_like(theta)
    return State(m=m, v=xp.zeros_like(theta[:, :1]))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    The rows of the first step have one length:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=1.0)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> abs(theta).round(2)
    array([[0.96, 0.  ],
           [0.  , 0.96]])
    """
    xp = namespace(theta)
    lr, mu, b2, wd, steps, eps = hyper
    m, v = state
    rows, cols = theta.shape

    m = mu * m + (1 - mu) * g                                           # (normuon.1)
    u = mu * m + (1 - mu) * g                                           # (normuon.2)
    o = newton_schulz(u, steps)                                         # (normuon.3)
    v = b2 * v + (1 - b2) * xp.mean(o * o, axis=1, keepdims=True)       # (normuon.4)
    n = o / (xp.sqrt(v) + eps)                                          # (normuon.5)
    c = xp.sqrt(xp.sum(o * o)) / (xp.sqrt(xp.sum(n * n)) + eps)         # (normuon.6)
    n = max(1, rows / cols) ** 0.5 * c * n                              # (normuon.7)
    theta = (1 - lr * wd) * theta - lr * n                              # (normuon.8)

    return theta, State(m, v)

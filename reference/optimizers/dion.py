"""Dion: momentum whose part of low rank is orthonormalised, and the rest of it kept for later.

Ahn et al., "Dion: Distributed Orthonormalized Updates", 2025, Algorithm 1, as in dion_simple.py.
https://arxiv.org/abs/2504.05295 and github.com/microsoft/dion

The numbers in the right margin are the equations of spec/optimizers/dion.toml.
"""

from typing import NamedTuple

from .._array import Array, eye, namespace
from ..iterations.low_rank import low_rank


class Hyper(NamedTuple):
    lr: float = 0.01
    momentum: float = 0.95
    weight_decay: float = 0.01
    rank: int = 64
    eps: float = 1e-8


class State(NamedTuple):
    m: Array  # like theta: the momentum, with what was not yet applied
    Q: Array  # cols x rank: the right factor, of columns of length 1


def init(theta: Array, hyper: Hyper) -> State:
    m = namespace(theta).zeros_like(theta)
    cols, r = theta.shape[1], min(hyper.rank, *theta.shape)
    return State(m=m, Q=eye(cols, theta)[:, :r])


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    Of rank one, the step has one singular value, `lr`; the rest of the gradient is kept for later:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=1.0, rank=1)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta.round(4)
    array([[-1.,  0.],
           [ 0.,  0.]])
    """
    xp = namespace(theta)
    lr, mu, wd, _, eps = hyper
    m, Q = state
    rows, cols = theta.shape

    m = m + g                                                           # (dion.1)
    P, R = low_rank(m, Q)                                               # (dion.2)
    m = m - (1 - mu) * P @ R.T                                          # (dion.3)
    Q = R / (xp.sqrt(xp.sum(R * R, axis=0, keepdims=True)) + eps)       # (dion.4)
    o = (rows / cols) ** 0.5 * P @ Q.T                                  # (dion.5)
    theta = (1 - lr * wd) * theta - lr * o                              # (dion.6)

    return theta, State(m, Q)

"""Adagrad, full matrix: divide by the square root of the sum of all outer products.

Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
Optimization", 2011, Figure 1, with the full matrix.
https://jmlr.org/papers/v12/duchi11a.html

The numbers in the right margin are the equations of spec/optimizers/full_adagrad.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.inverse_root import inverse_root
from ..iterations.spectral_power import spectral_power


class Hyper(NamedTuple):
    lr: float = 0.1
    eps: float = 1e-6


class State(NamedTuple):
    S: Array  # n x n for n elements: sum of the outer products of the gradients


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    v = xp.reshape(xp.zeros_like(theta), (-1, 1))
    return State(S=v @ v.T)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g` through one step, both as one long vector.

    The first step has length `lr`, whatever the size of the gradient:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=0.5, eps=1e-9)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> float(np.linalg.norm(theta).round(4))
    0.5
    """
    xp = namespace(theta)
    lr, eps = hyper
    (S,) = state

    v = xp.reshape(g, (-1, 1))                                          # (full_adagrad.1)
    S = S + v @ v.T                                                     # (full_adagrad.2)
    H = spectral_power(S, 0.5, 0.0)                                     # (full_adagrad.3)
    u = inverse_root(H, 1, eps) @ v                                     # (full_adagrad.4)
    theta = theta - lr * xp.reshape(u, theta.shape)                     # (full_adagrad.5)

    return theta, State(S)

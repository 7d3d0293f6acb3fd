"""Shampoo squared: the nearest Kronecker product to Adagrad's matrix, of which the root is taken.

Morwani et al., "A New Perspective on Shampoo's Preconditioner", 2024.
https://arxiv.org/abs/2406.17748

The numbers in the right margin are the equations of spec/optimizers/shampoo_squared.toml.
"""

from typing import NamedTuple

from .._array import Array, eye, namespace
from ..iterations.inverse_root import inverse_root
from ..iterations.kronecker_power import kronecker_power


class Hyper(NamedTuple):
    lr: float = 1e-3
    beta2: float = 0.95
    eps: float = 1e-6


class State(NamedTuple):
    L: Array  # rows x rows: average of G G^T
    R: Array  # cols x cols: average of G^T G


def init(theta: Array, hyper: Hyper) -> State:
    z = namespace(theta).zeros_like(theta)
    return State(L=z @ z.T, R=z.T @ z)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    The first step undoes the singular values, where Shampoo makes them equal:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=1.0, beta2=0.0, eps=1e-9)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> (-theta / theta[1, 1]).round(4)
    array([[-0.3333,  0.    ],
           [ 0.    , -1.    ]])
    """
    xp = namespace(theta)
    lr, b2, eps = hyper
    L, R = state
    rows, cols = theta.shape

    M, N = kronecker_power(g, eye(rows, g), eye(cols, g))               # (shampoo_squared.1)
    L = b2 * L + (1 - b2) * M                                           # (shampoo_squared.2)
    R = b2 * R + (1 - b2) * N                                           # (shampoo_squared.3)
    A = inverse_root(L, 2, eps)                                         # (shampoo_squared.4)
    B = inverse_root(R, 2, eps)                                         # (shampoo_squared.5)
    c = xp.sqrt(xp.sum(L * eye(rows, L)))                               # (shampoo_squared.6)
    theta = theta - lr * c * (A @ g @ B)                                # (shampoo_squared.7)

    return theta, State(L, R)

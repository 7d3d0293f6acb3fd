"""Shampoo: a preconditioner for each side of a matrix, from the sums of all gradients.

Gupta, Koren, Singer, "Shampoo: Preconditioned Stochastic Tensor Optimization", 2018, Algorithm 1.
https://arxiv.org/abs/1802.09568

The numbers in the right margin are the equations of spec/optimizers/shampoo.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.inverse_root import inverse_root


class Hyper(NamedTuple):
    lr: float = 1e-3
    eps: float = 1e-6


class State(NamedTuple):
    L: Array  # rows x rows: sum of G G^T
    R: Array  # cols x cols: sum of G^T G


def init(theta: Array, hyper: Hyper) -> State:
    z = namespace(theta).zeros_like(theta)
    return State(L=z @ z.T, R=z.T @ z)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    However unequal the singular values of `g`, those of the first step are equal:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=1.0, eps=1e-9)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> abs(theta).round(4)
    array([[1., 0.],
           [0., 1.]])
    """
    lr, eps = hyper
    L, R = state

    L = L + g @ g.T                                                     # (shampoo.1)
    R = R + g.T @ g                                                     # (shampoo.2)
    A = inverse_root(L, 4, eps)                                         # (shampoo.3)
    B = inverse_root(R, 4, eps)                                         # (shampoo.4)
    theta = theta - lr * (A @ g @ B)                                    # (shampoo.5)

    return theta, State(L, R)

"""Shampoo, averaged: its statistics forget what is long past.

Anil et al., "Scalable Second Order Optimization for Deep Learning", 2020, and Shi et al., "A
Distributed Data-Parallel PyTorch Implementation of the Distributed Shampoo Optimizer", 2023.
https://arxiv.org/abs/2002.09018 and 2309.06497

The numbers in the right margin are the equations of spec/optimizers/shampoo_averaged.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.inverse_root import inverse_root


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

    However unequal the singular values of `g`, those of the first step are equal:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=1.0, beta2=0.75, eps=1e-9)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> abs(theta).round(4)
    array([[2., 0.],
           [0., 2.]])
    """
    lr, b2, eps = hyper
    L, R = state

    L = b2 * L + (1 - b2) * g @ g.T                                     # (shampoo_averaged.1)
    R = b2 * R + (1 - b2) * g.T @ g                                     # (shampoo_averaged.2)
    A = inverse_root(L, 4, eps)                                         # (shampoo_averaged.3)
    B = inverse_root(R, 4, eps)                                         # (shampoo_averaged.4)
    theta = theta - lr * (A @ g @ B)                                    # (shampoo_averaged.5)

    return theta, State(L, R)

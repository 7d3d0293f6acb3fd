"""Adafactor: Adam's second moment of a matrix, kept as one number a row and one a column.

Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018,
Algorithms 4 and 5. https://arxiv.org/abs/1804.04235

The numbers in the right margin are the equations of spec/optimizers/adafactor.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-2
    beta2_decay: float = 0.8
    eps1: float = 1e-30
    eps2: float = 1e-3
    clip: float = 1.0


class State(NamedTuple):
    r: Array  # like theta, one column: average over rows; empty for a vector
    c: Array  # like theta, one row: average over columns; empty for a vector
    v: Array  # like theta: average of the squares of a vector; empty for all others
    t: int  # steps taken


def axes(theta: Array) -> tuple[int, int]:
    """Which axes count the rows and the columns."""
    return theta.ndim - 2, theta.ndim - 1                               # (adafactor.1)


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    zeros = xp.zeros_like(theta)
    empty = xp.reshape(zeros, (-1,))[:0]
    if theta.ndim < 2:
        return State(r=empty, c=empty, v=zeros, t=0)
    rows, cols = axes(theta)
    r, c = xp.mean(zeros, axis=cols, keepdims=True), xp.mean(zeros, axis=rows, keepdims=True)
    return State(r=r, c=c, v=empty, t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Where the squares of `g` are a column times a row, nothing is lost by keeping only those two:

    >>> import numpy as np
    >>> theta, g = np.ones((2, 2)), np.array([[1.0, -2.0], [4.0, 8.0]])
    >>> theta, state = update(theta, g, init(theta, Hyper()), Hyper())
    >>> theta, state.r.shape, state.c.shape
    (array([[0.99, 1.01],
           [0.99, 0.99]]), (2, 1), (1, 2))
    """
    xp = namespace(theta)
    lr, beta2_decay, eps1, eps2, d = hyper
    r, c, v, t = state

    t = t + 1                                                           # (adafactor.2)
    rho = min(lr, 1 / t**0.5)                                           # (adafactor.3)
    alpha = xp.maximum(xp.sqrt(xp.mean(theta * theta)), eps2) * rho     # (adafactor.4)
    b2 = 1 - t**-beta2_decay                                            # (adafactor.5)
    s = g * g + eps1                                                    # (adafactor.6)
    if theta.ndim < 2:
        v = b2 * v + (1 - b2) * s                                       # (adafactor.7)
        v_hat = v                                                       # (adafactor.8)
    else:
        rows, cols = axes(theta)
        r = b2 * r + (1 - b2) * xp.mean(s, axis=cols, keepdims=True)    # (adafactor.9)
        c = b2 * c + (1 - b2) * xp.mean(s, axis=rows, keepdims=True)    # (adafactor.10)
        v_hat = r / xp.mean(r, axis=rows, keepdims=True) * c            # (adafactor.11)
    u = g / xp.sqrt(v_hat)                                              # (adafactor.12)
    u_hat = u / xp.maximum(xp.sqrt(xp.mean(u * u)) / d, 1.0)            # (adafactor.13)
    theta = theta - alpha * u_hat                                       # (adafactor.14)

    return theta, State(r, c, v, t)

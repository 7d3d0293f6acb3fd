"""Adafactor with momentum: it takes an average of its steps.

Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018,
Algorithms 4 and 5, with the momentum of the first author's code. https://arxiv.org/abs/1804.04235

The numbers in the right margin are the equations of spec/optimizers/adafactor_momentum.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-2
    beta1: float = 0.9
    beta2_decay: float = 0.8
    eps1: float = 1e-30
    eps2: float = 1e-3
    clip: float = 1.0


class State(NamedTuple):
    m: Array  # like theta: average of the steps
    r: Array  # like theta, one column: average over rows; empty for a vector
    c: Array  # like theta, one row: average over columns; empty for a vector
    v: Array  # like theta: average of the squares of a vector; empty for all others
    t: int  # steps taken


def axes(theta: Array) -> tuple[int, int]:
    """Which axes count the rows and the columns."""
    return theta.ndim - 2, theta.ndim - 1                               # (adafactor_momentum.1)


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    zeros = xp.zeros_like(theta)
    empty = xp.reshape(zeros, (-1,))[:0]
    if theta.ndim < 2:
        return State(m=zeros, r=empty, c=empty, v=zeros, t=0)
    rows, cols = axes(theta)
    r, c = xp.mean(zeros, axis=cols, keepdims=True), xp.mean(zeros, axis=rows, keepdims=True)
    return State(m=zeros, r=r, c=c, v=empty, t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The first step is a tenth of Adafactor's, and under a constant gradient they grow to it:

    >>> import numpy as np
    >>> theta, g = np.ones((2, 2)), np.array([[1.0, -2.0], [4.0, 8.0]])
    >>> theta, state = update(theta, g, init(theta, Hyper()), Hyper())
    >>> theta
    array([[0.999, 1.001],
           [0.999, 0.999]])
    """
    xp = namespace(theta)
    lr, b1, beta2_decay, eps1, eps2, d = hyper
    m, r, c, v, t = state

    t = t + 1                                                           # (adafactor_momentum.2)
    rho = min(lr, 1 / t**0.5)                                           # (adafactor_momentum.3)
    alpha = xp.maximum(xp.sqrt(xp.mean(theta * theta)), eps2) * rho     # (adafactor_momentum.4)
    b2 = 1 - t**-beta2_decay                                            # (adafactor_momentum.5)
    s = g * g + eps1                                                    # (adafactor_momentum.6)
    if theta.ndim < 2:
        v = b2 * v + (1 - b2) * s                                       # (adafactor_momentum.7)
        v_hat = v                                                       # (adafactor_momentum.8)
    else:
        rows, cols = axes(theta)
        r = b2 * r + (1 - b2) * xp.mean(s, axis=cols, keepdims=True)    # (adafactor_momentum.9)
        c = b2 * c + (1 - b2) * xp.mean(s, axis=rows, keepdims=True)    # (adafactor_momentum.10)
        v_hat = r / xp.mean(r, axis=rows, keepdims=True) * c            # (adafactor_momentum.11)
    u = g / xp.sqrt(v_hat)                                              # (adafactor_momentum.12)
    u_hat = u / xp.maximum(xp.sqrt(xp.mean(u * u)) / d, 1.0)            # (adafactor_momentum.13)
    m = b1 * m + (1 - b1) * alpha * u_hat                               # (adafactor_momentum.14)
    theta = theta - m                                                   # (adafactor_momentum.15)

    return theta, State(m, r, c, v, t)

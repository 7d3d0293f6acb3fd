"""CAME: Adafactor, with momentum, and less trust where step and momentum disagree.

Luo et al., "CAME: Confidence-guided Adaptive Memory Efficient Optimization", 2023, Algorithm 2.
https://arxiv.org/abs/2307.02047 and github.com/yangluo7/CAME

The numbers in the right margin are the equations of spec/optimizers/came.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 2e-4
    beta1: float = 0.9
    beta2: float = 0.999
    beta3: float = 0.9999
    eps1: float = 1e-30
    eps2: float = 1e-16
    clip: float = 1.0


class State(NamedTuple):
    m: Array  # like theta: average of the steps
    r: Array  # like theta, one column: average of the squares; empty for a vector
    c: Array  # like theta, one row: the same; empty for a vector
    R: Array  # like theta, one column: average of the disagreement; empty for a vector
    C: Array  # like theta, one row: the same; empty for a vector
    v: Array  # like theta: average of the squares of a vector; empty for all others


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    zeros = xp.zeros_like(theta)
    empty = xp.reshape(zeros, (-1,))[:0]
    if theta.ndim < 2:
        return State(m=zeros, r=empty, c=empty, R=empty, C=empty, v=zeros)
    r, c = xp.mean(zeros, axis=-1, keepdims=True), xp.mean(zeros, axis=-2, keepdims=True)
    return State(m=zeros, r=r, c=c, R=r, C=c, v=empty)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Nothing is corrected for the start at zero, so that the first step has eleven times the rate:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.array([[1e-3, 1e3]] * 2), Hyper(lr=0.1)
    >>> update(theta, g, init(theta, hyper), hyper)[0].round(4)
    array([[-1.1111, -1.1111],
           [-1.1111, -1.1111]])
    """
    xp = namespace(theta)
    lr, b1, b2, b3, eps1, eps2, d = hyper
    m, r, c, R, C, v = state

    s = g * g + eps1                                                    # (came.1)
    if theta.ndim < 2:
        v = b2 * v + (1 - b2) * s                                       # (came.2)
        v_hat = v                                                       # (came.3)
    else:
        r = b2 * r + (1 - b2) * xp.mean(s, axis=-1, keepdims=True)      # (came.4)
        c = b2 * c + (1 - b2) * xp.mean(s, axis=-2, keepdims=True)      # (came.5)
        v_hat = r / xp.mean(r, axis=-2, keepdims=True) * c              # (came.6)
    u = g / xp.sqrt(v_hat)                                              # (came.7)
    u = u / xp.maximum(xp.sqrt(xp.mean(u * u)) / d, 1.0)                # (came.8)
    m = b1 * m + (1 - b1) * u                                           # (came.9)
    step = m                                                            # (came.10)
    if theta.ndim >= 2:
        s = (u - m) * (u - m) + eps2                                    # (came.11)
        R = b3 * R + (1 - b3) * xp.mean(s, axis=-1, keepdims=True)      # (came.12)
        C = b3 * C + (1 - b3) * xp.mean(s, axis=-2, keepdims=True)      # (came.13)
        s_hat = R / xp.mean(R, axis=-2, keepdims=True) * C              # (came.14)
        step = m / xp.sqrt(s_hat)                                       # (came.15)
    theta = theta - lr * step                                           # (came.16)

    return theta, State(m, r, c, R, C, v)

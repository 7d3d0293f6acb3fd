"""LAMB: AdamW, with each tensor's step made as long as the tensor, times the rate.

You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", 2020,
Algorithm 2. https://arxiv.org/abs/1904.00962

The numbers in the right margin are the equations of spec/optimizers/lamb.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-6
    weight_decay: float = 0.01


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # like theta: average of their squares
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The step is a tenth as long as the parameter, whose length is 5, whatever the gradient:

    >>> import numpy as np
    >>> theta, g = np.array([3.0, 4.0]), np.array([1e-3, 1e3])
    >>> hyper = Hyper(lr=0.1, weight_decay=0.0)
    >>> step = update(theta, g, init(theta, hyper), hyper)[0] - theta
    >>> step.round(3), np.linalg.norm(step).round(3)
    (array([-0.353, -0.354]), np.float64(0.5))
    """
    xp = namespace(theta)
    lr, b1, b2, eps, wd = hyper
    m, v, t = state

    t = t + 1                                                           # (lamb.1)
    m = b1 * m + (1 - b1) * g                                           # (lamb.2)
    v = b2 * v + (1 - b2) * g * g                                       # (lamb.3)
    m_hat = m / (1 - b1**t)                                             # (lamb.4)
    v_hat = v / (1 - b2**t)                                             # (lamb.5)
    u = m_hat / (xp.sqrt(v_hat) + eps) + wd * theta                     # (lamb.6)
    size = xp.sqrt(xp.sum(theta * theta))                               # (lamb.7)
    length = xp.sqrt(xp.sum(u * u))                                     # (lamb.8)
    moves = size * length > 0                                           # (lamb.9)
    ratio = xp.where(moves, size / xp.where(moves, length, 1.0), 1.0)   # (lamb.10)
    theta = theta - lr * ratio * u                                      # (lamb.11)

    return theta, State(m, v, t)

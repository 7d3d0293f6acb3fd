"""Adan: average gradients, and how they change, and divide by both together.

Xie et al., "Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models", 2022,
Algorithm 1, whose betas are 1 minus these.
https://arxiv.org/abs/2208.06677

The numbers in the right margin are the equations of spec/optimizers/adan.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.001
    beta1: float = 0.98
    beta2: float = 0.92
    beta3: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # like theta: average of the differences of gradients
    n: Array  # like theta: average of squares
    h: Array  # like theta: the gradient of the step before
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    zeros = xp.zeros_like(theta)
    return State(m=zeros, v=zeros, n=zeros, h=zeros, t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Under a constant gradient nothing changes, and every step has the length lr:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1e-3, 1e3]), Hyper(lr=0.1)
    >>> state = init(theta, hyper)
    >>> for _ in range(3):
    ...     theta, state = update(theta, g, state, hyper)
    >>> theta.round(4)
    array([-0.3, -0.3])
    """
    xp = namespace(theta)
    lr, b1, b2, b3, eps, wd = hyper
    m, v, n, h, t = state

    t = t + 1                                                           # (adan.1)
    d = g - (h if t > 1 else g)                                         # (adan.2)
    m = b1 * m + (1 - b1) * g                                           # (adan.3)
    v = b2 * v + (1 - b2) * d                                           # (adan.4)
    n = b3 * n + (1 - b3) * (g + b2 * d) ** 2                           # (adan.5)
    m_hat = m / (1 - b1**t)                                             # (adan.6)
    v_hat = v / (1 - b2**t)                                             # (adan.7)
    n_hat = n / (1 - b3**t)                                             # (adan.8)
    u = (m_hat + b2 * v_hat) / (xp.sqrt(n_hat) + eps)                   # (adan.9)
    theta = (theta - lr * u) / (1 + lr * wd)                            # (adan.10)
    h = g                                                               # (adan.11)

    return theta, State(m, v, n, h, t)

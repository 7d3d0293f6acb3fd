"""MARS: AdamW on gradients that are corrected by how they have changed.

Yuan et al., "MARS: Unleashing the Power of Variance Reduction for Training Large Models", 2024,
Algorithm 2, MARS-AdamW.
https://arxiv.org/abs/2411.10438

The numbers in the right margin are the equations of spec/optimizers/mars.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.003
    beta1: float = 0.95
    beta2: float = 0.99
    gamma: float = 0.025
    eps: float = 1e-8
    weight_decay: float = 0.0


class State(NamedTuple):
    m: Array  # like theta: average of the corrected gradients
    v: Array  # like theta: average of their squares
    h: Array  # like theta: the gradient of the step before
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), h=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    However large the gradient, it counts as one of length one:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([3e6, 4e6]), Hyper(beta1=0.0)
    >>> update(theta, g, init(theta, hyper), hyper)[1].m
    array([0.6, 0.8])
    """
    xp = namespace(theta)
    lr, b1, b2, gamma, eps, wd = hyper
    m, v, h, t = state

    t = t + 1                                                           # (mars.1)
    c = g + gamma * b1 / (1 - b1) * (g - h)                             # (mars.2)
    norm = xp.sqrt(xp.sum(c * c))                                       # (mars.3)
    c = c / xp.maximum(norm, 1.0)                                       # (mars.4)
    m = b1 * m + (1 - b1) * c                                           # (mars.5)
    v = b2 * v + (1 - b2) * c * c                                       # (mars.6)
    m_hat = m / (1 - b1**t)                                             # (mars.7)
    v_hat = v / (1 - b2**t)                                             # (mars.8)
    u = m_hat / (xp.sqrt(v_hat) + eps)                                  # (mars.9)
    theta = theta - lr * (u + wd * theta)                               # (mars.10)
    h = g                                                               # (mars.11)

    return theta, State(m, v, h, t)

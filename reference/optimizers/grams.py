"""Grams: Adam by its size, and the gradient by its sign.

Cao et al., "Grams: Gradient Descent with Adaptive Momentum Scaling", 2024, Algorithm 1.
https://arxiv.org/abs/2412.17107

The numbers in the right margin are the equations of spec/optimizers/grams.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-6
    weight_decay: float = 0.0


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # like theta: average of their squares
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The average of the gradients may still point the other way:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(1), Hyper(lr=0.1)
    >>> theta, state = update(theta, np.array([1.0]), init(theta, hyper), hyper)
    >>> theta, state = update(theta, np.array([-0.1]), state, hyper)
    >>> theta.round(3), state.m
    (array([-0.041]), array([0.08]))
    """
    xp = namespace(theta)
    lr, b1, b2, eps, wd = hyper
    m, v, t = state

    t = t + 1                                                           # (grams.1)
    m = b1 * m + (1 - b1) * g                                           # (grams.2)
    v = b2 * v + (1 - b2) * g * g                                       # (grams.3)
    m_hat = m / (1 - b1**t)                                             # (grams.4)
    v_hat = v / (1 - b2**t)                                             # (grams.5)
    u = xp.abs(m_hat / (xp.sqrt(v_hat) + eps))                          # (grams.6)
    theta = theta - lr * (u * xp.sign(g) + wd * theta)                  # (grams.7)

    return theta, State(m, v, t)

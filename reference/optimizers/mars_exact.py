"""MARS, exact: AdamW on gradients corrected by the same batch at the old point.

Yuan et al., "MARS: Unleashing the Power of Variance Reduction for Training Large Models", 2024,
Algorithm 1, and 2 for AdamW, MARS-AdamW.
https://arxiv.org/abs/2411.10438

The numbers in the right margin are the equations of spec/optimizers/mars_exact.toml.
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
    t: int  # steps taken


class Given(NamedTuple):
    h: Array  # like theta: the gradient of this step's batch at the parameters of the step before


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper, given: Given) -> tuple[Array, State]:
    """Take `theta` through one step, by `g` and the gradient of the same batch one step before.

    However large the gradient, it counts as one of length one:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([3e6, 4e6]), Hyper(beta1=0.0)
    >>> update(theta, g, init(theta, hyper), hyper, Given(g))[1].m
    array([0.6, 0.8])
    """
    xp = namespace(theta)
    lr, b1, b2, gamma, eps, wd = hyper
    m, v, t = state
    (h,) = given

    t = t + 1                                                           # (mars_exact.1)
    c = g + gamma * b1 / (1 - b1) * (g - h)                             # (mars_exact.2)
    norm = xp.sqrt(xp.sum(c * c))                                       # (mars_exact.3)
    c = c / xp.maximum(norm, 1.0)                                       # (mars_exact.4)
    m = b1 * m + (1 - b1) * c                                           # (mars_exact.5)
    v = b2 * v + (1 - b2) * c * c                                       # (mars_exact.6)
    m_hat = m / (1 - b1**t)                                             # (mars_exact.7)
    v_hat = v / (1 - b2**t)                                             # (mars_exact.8)
    u = m_hat / (xp.sqrt(v_hat) + eps)                                  # (mars_exact.9)
    theta = theta - lr * (u + wd * theta)                               # (mars_exact.10)

    return theta, State(m, v, t)

"""Sophia: divide an average of gradients by one of the curvature, and clip.

Liu et al., "Sophia: A Scalable Stochastic Second-order Optimizer for Language Model Pre-training",
2023, Algorithm 3.
https://arxiv.org/abs/2305.14342

The numbers in the right margin are the equations of spec/optimizers/sophia.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-4
    beta1: float = 0.96
    beta2: float = 0.99
    gamma: float = 0.01
    eps: float = 1e-12
    weight_decay: float = 0.2
    interval: int = 10


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    h: Array  # like theta: average of the diagonal of the Hessian
    t: int  # steps taken


class Given(NamedTuple):
    hessian: Array  # like theta: an estimate of the diagonal of the Hessian


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), h=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper, given: Given) -> tuple[Array, State]:
    """Take parameter `theta` through one step, by `g` and an estimate of the Hessian's diagonal.

    Where the curvature is negative it steps by the sign:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1.0, 1.0]), Hyper(lr=0.1, gamma=1.0)
    >>> hessian = Given(np.array([-100.0, 100.0]))
    >>> update(theta, g, init(theta, hyper), hyper, hessian)[0]
    array([-0.1  , -0.004])
    """
    xp = namespace(theta)
    lr, b1, b2, gamma, eps, wd, k = hyper
    m, h, t = state
    (d,) = given

    t = t + 1                                                           # (sophia.1)
    m = b1 * m + (1 - b1) * g                                           # (sophia.2)
    h = b2 * h + (1 - b2) * d if (t - 1) % k == 0 else h                # (sophia.3)
    u = m / xp.maximum(gamma * h, eps)                                  # (sophia.4)
    u = xp.clip(u, -1, 1)                                               # (sophia.5)
    theta = theta - lr * (u + wd * theta)                               # (sophia.6)

    return theta, State(m, h, t)

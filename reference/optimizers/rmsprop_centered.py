"""Centred RMSprop: divide each gradient by its running standard deviation, and gather momentum.

Graves, "Generating Sequences With Recurrent Neural Networks", 2013, equations 38 to 41.
https://arxiv.org/abs/1308.0850

The numbers in the right margin are the equations of spec/optimizers/rmsprop_centered.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-4
    rho: float = 0.95
    momentum: float = 0.9
    eps: float = 1e-4


class State(NamedTuple):
    v: Array  # like theta: average of the squares of the gradients
    m: Array  # like theta: average of the gradients
    b: Array  # like theta: velocity


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(v=xp.zeros_like(theta), m=xp.zeros_like(theta), b=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    A gradient that hardly varies is stepped far, one of the same size that changes sign is not:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(2), Hyper(lr=1.0, rho=0.5, momentum=0.0)
    >>> state = init(theta, hyper)
    >>> for _ in range(3):
    ...     old, (theta, state) = theta, update(theta, np.array([1.0, 1.0]), state, hyper)
    ...     old, (theta, state) = theta, update(theta, np.array([1.0, -1.0]), state, hyper)
    >>> (theta - old).round(1)
    array([-8. ,  1.1])
    """
    xp = namespace(theta)
    lr, rho, mu, eps = hyper
    v, m, b = state

    v = rho * v + (1 - rho) * g * g                                     # (rmsprop_centered.1)
    m = rho * m + (1 - rho) * g                                         # (rmsprop_centered.2)
    b = mu * b - lr * g / xp.sqrt(v - m * m + eps)                      # (rmsprop_centered.3)
    theta = theta + b                                                   # (rmsprop_centered.4)

    return theta, State(v, m, b)

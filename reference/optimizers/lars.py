"""LARS: momentum, with a rate for each tensor that keeps its step in proportion to its size.

You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks", 2017, Algorithm 1.
https://arxiv.org/abs/1708.03888

The numbers in the right margin are the equations of spec/optimizers/lars.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    trust: float = 0.001


class State(NamedTuple):
    v: Array  # like theta: the velocity


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(v=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    However long the gradient, here 5e6, the first step is one thousandth of the parameter's length:

    >>> import numpy as np
    >>> theta, g, hyper = np.array([0.0, 2.0]), np.array([3e6, 4e6]), Hyper(lr=1.0)
    >>> update(theta, g, init(theta, hyper), hyper)[0].round(4).tolist()
    [-0.0012, 1.9984]
    """
    xp = namespace(theta)
    lr, mu, wd, trust = hyper
    (v,) = state

    size = xp.sqrt(xp.sum(theta * theta))                               # (lars.1)
    slope = xp.sqrt(xp.sum(g * g))                                      # (lars.2)
    moves = size * slope > 0                                            # (lars.3)
    floor = xp.where(moves, slope + wd * size, 1.0)                     # (lars.4)
    ratio = xp.where(moves, trust * size / floor, 1.0)                  # (lars.5)
    v = mu * v + lr * ratio * (g + wd * theta)                          # (lars.6)
    theta = theta - v                                                   # (lars.7)

    return theta, State(v)

"""Weight decay in the direction: add the decay of the old parameter to the update.

The bracket of line 12 of Algorithm 2 of Loshchilov and Hutter, "Decoupled Weight Decay
Regularization", 2019. https://arxiv.org/abs/1711.05101

The numbers in the right margin are the equations of spec/wrappers/decay_in_direction.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner


class Hyper(NamedTuple):
    lr: float = 0.001
    weight_decay: float = 0.01


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, inner: Inner
) -> tuple[Array, State]:
    """Take parameter `theta`, of any shape like its gradient `g`, through one step of `inner`.

    The step of 1 and the decay of a quarter of 4 make 2:

    >>> import numpy as np
    >>> theta, g, descend = np.array([4.0]), np.array([2.0]), lambda theta, g: theta - 0.5 * g
    >>> update(theta, g, State(), Hyper(lr=0.5, weight_decay=0.5), descend)[0]
    array([2.])
    """
    lr, wd = hyper

    u = theta - inner(theta, g)                                         # (decay_in_direction.1)
    theta = theta - (u + lr * wd * theta)                               # (decay_in_direction.2)

    return theta, state

"""Cautious masking: leave out of an update what goes uphill, and make up for it.

Liang, Chen, Liu and Liu, "Cautious Optimizers: Improving Training with One Line of Code", 2024,
Algorithm 1. https://arxiv.org/abs/2411.16085

The numbers in the right margin are the equations of spec/wrappers/cautious.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner, namespace


class Hyper(NamedTuple):
    """There is nothing to choose."""


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, inner: Inner
) -> tuple[Array, State]:
    """Take parameter `theta`, of any shape like its gradient `g`, through one step of `inner`.

    Only the first coordinate goes downhill. It is stepped, 2 / (1 + 1) times as far:

    >>> import numpy as np
    >>> theta, g, u = np.zeros(2), np.array([1.0, 1.0]), np.array([0.5, -0.5])
    >>> update(theta, g, State(), Hyper(), lambda theta, g: theta - u)[0]
    array([-0.5,  0. ])
    """
    xp = namespace(theta)

    u = theta - inner(theta, g)                                         # (cautious.1)
    mask = xp.where(u * g > 0, xp.ones_like(u), 0.0)                    # (cautious.2)
    scale = u.size / (xp.sum(mask) + 1)                                 # (cautious.3)
    theta = theta - scale * (mask * u)                                  # (cautious.4)

    return theta, state

"""Cautious weight decay: let only those coordinates decay that the update shrinks anyway.

Chen et al., "Cautious Weight Decay", 2025, Algorithm 1. https://arxiv.org/abs/2510.12402

The numbers in the right margin are the equations of spec/wrappers/cautious_decay.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner, namespace


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

    Both coordinates are stepped by one. The second goes away from zero, and does not decay:

    >>> import numpy as np
    >>> theta, g, hyper = np.array([4.0, -4.0]), np.array([2.0, 2.0]), Hyper(0.5, 0.5)
    >>> update(theta, g, State(), hyper, lambda theta, g: theta - 0.5 * g)[0]
    array([ 2., -5.])
    """
    xp = namespace(theta)
    lr, wd = hyper

    u = theta - inner(theta, g)                                         # (cautious_decay.1)
    decay = xp.where(u * theta >= 0, theta, 0.0)                        # (cautious_decay.2)
    theta = theta - u - lr * wd * decay                                 # (cautious_decay.3)

    return theta, state

"""Proximal weight decay: divide the parameter after the step, by the proximal map of the penalty.

Zhuang, Liu, Cutkosky and Orabona, "Understanding AdamW through Proximal Methods and
Scale-Freeness", 2022. https://arxiv.org/abs/2202.00089

The numbers in the right margin are the equations of spec/wrappers/proximal_decay.toml.
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

    The step goes to 3, which is divided by 1 + 1/4:

    >>> import numpy as np
    >>> theta, g, descend = np.array([4.0]), np.array([2.0]), lambda theta, g: theta - 0.5 * g
    >>> update(theta, g, State(), Hyper(lr=0.5, weight_decay=0.5), descend)[0]
    array([2.4])
    """
    lr, wd = hyper

    theta = inner(theta, g)                                             # (proximal_decay.1)
    theta = theta / (1 + lr * wd)                                       # (proximal_decay.2)

    return theta, state

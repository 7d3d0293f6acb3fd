"""Clipping by value: hold every element of the gradient between two bounds.

Mikolov, "Statistical Language Models Based on Neural Networks", 2012, section 3.2.2.
https://www.fit.vut.cz/study/phd-thesis/283/

The numbers in the right margin are the equations of spec/transforms/clip_by_value.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    max_value: float = 1.0


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, Array, State]:
    """Change the gradient `g` of parameter `theta`, both of any one shape, before a rule sees it.

    The direction changes: all that is large becomes equal.

    >>> import numpy as np
    >>> theta, g = np.zeros(3), np.array([0.5, -3.0, 30.0])
    >>> update(theta, g, State(), Hyper())[1]
    array([ 0.5, -1. ,  1. ])
    """
    xp = namespace(theta)
    (most,) = hyper

    g = xp.clip(g, -most, most)                                         # (clip_by_value.1)

    return theta, g, state

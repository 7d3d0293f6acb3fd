"""Clipping by norm: scale down each gradient whose norm is too large.

Pascanu, Mikolov and Bengio, "On the difficulty of training Recurrent Neural Networks", 2013,
Algorithm 1, for each tensor on its own. https://arxiv.org/abs/1211.5063

The numbers in the right margin are the equations of spec/transforms/clip_by_norm.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    max_norm: float = 1.0


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, Array, State]:
    """Change the gradient `g` of parameter `theta`, both of any one shape, before a rule sees it.

    The norm, here 5, becomes 1, and the direction is kept:

    >>> import numpy as np
    >>> theta, g = np.zeros(2), np.array([3.0, 4.0])
    >>> update(theta, g, State(), Hyper(max_norm=1.0))[1]
    array([0.6, 0.8])
    """
    xp = namespace(theta)
    (most,) = hyper

    norm = xp.sqrt(xp.sum(g * g))                                       # (clip_by_norm.1)
    g = most / xp.maximum(norm, most) * g                               # (clip_by_norm.2)

    return theta, g, state

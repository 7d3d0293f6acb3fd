"""Clipping by the root mean square: scale down each gradient whose root mean square is too large.

Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018,
section 6. https://arxiv.org/abs/1804.04235

The numbers in the right margin are the equations of spec/transforms/clip_by_rms.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    max_rms: float = 1.0


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, Array, State]:
    """Change the gradient `g` of parameter `theta`, both of any one shape, before a rule sees it.

    The root mean square, here 5, becomes 1, however many elements there are:

    >>> import numpy as np
    >>> theta, g = np.zeros(2), np.array([1.0, 7.0])
    >>> update(theta, g, State(), Hyper())[1]
    array([0.2, 1.4])
    """
    xp = namespace(theta)
    (most,) = hyper

    rms = xp.sqrt(xp.sum(g * g) / max(1, g.size))                       # (clip_by_rms.1)
    g = g / xp.maximum(rms / most, 1.0)                                 # (clip_by_rms.2)

    return theta, g, state

"""Maximise: turn the gradient round, so that what follows goes uphill.

torch.optim, the option maximize.
https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html

The numbers in the right margin are the equations of spec/transforms/maximize.toml.
"""

from typing import NamedTuple

from .._array import Array


class Hyper(NamedTuple):
    """There is nothing to choose."""


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, Array, State]:
    """Change the gradient `g` of parameter `theta`, both of any one shape, before a rule sees it.

    It is the gradient of the negative:

    >>> import numpy as np
    >>> g = np.array([1.0, -2.0])
    >>> update(g, g, State(), Hyper())[1]
    array([-1.,  2.])
    """

    g = -g                                                              # (maximize.1)

    return theta, g, state

"""Gradient centralisation: take from the gradient of each unit its mean.

Yong, Huang, Hua and Zhang, "Gradient Centralization: A New Optimization Technique for Deep
Neural Networks", 2020, equation 1. https://arxiv.org/abs/2004.01461

The numbers in the right margin are the equations of spec/transforms/centralize.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    """There is nothing to choose."""


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, Array, State]:
    """Change the gradient `g` of parameter `theta`, both of any one shape, before a rule sees it.

    Of every row the mean is taken, and a vector is left alone:

    >>> import numpy as np
    >>> g = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 7.0]])
    >>> update(g, g, State(), Hyper())[1]
    array([[-1.,  0.,  1.],
           [-1., -1.,  2.]])
    """
    xp = namespace(theta)
    axes = tuple(range(1, g.ndim))

    mean = xp.mean(g, axis=axes, keepdims=True) if axes else 0 * g      # (centralize.1)
    g = g - mean                                                        # (centralize.2)

    return theta, g, state

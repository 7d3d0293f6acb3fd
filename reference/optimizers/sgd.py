"""SGD: step against the gradient.

Robbins and Monro, "A Stochastic Approximation Method", 1951.
https://doi.org/10.1214/aoms/1177729586

The numbers in the right margin are the equations of spec/optimizers/sgd.toml.
"""

from typing import NamedTuple

from .._array import Array


class Hyper(NamedTuple):
    lr: float = 0.01


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    There is no memory, so that a gradient and its opposite leave everything as it was:

    >>> import numpy as np
    >>> theta, g, hyper = np.array([1.0, -2.0]), np.array([0.5, 4.0]), Hyper(lr=0.25)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta
    array([ 0.875, -3.   ])
    >>> update(theta, -g, state, hyper)[0]
    array([ 1., -2.])
    """
    (lr,) = hyper

    theta = theta - lr * g                                              # (sgd.1)

    return theta, state

"""L2 regularisation: add to the gradient that of a penalty on the square of the parameter.

Krogh and Hertz, "A Simple Weight Decay Can Improve Generalization", 1991; as in line 6 of
Algorithm 2 of Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
https://arxiv.org/abs/1711.05101

The numbers in the right margin are the equations of spec/transforms/l2.toml.
"""

from typing import NamedTuple

from .._array import Array


class Hyper(NamedTuple):
    weight_decay: float = 1e-4


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, Array, State]:
    """Change the gradient `g` of parameter `theta`, both of any one shape, before a rule sees it.

    The gradient is pulled towards the parameter, and the parameter itself is left alone:

    >>> import numpy as np
    >>> theta, g, hyper = np.array([1.0, -2.0]), np.array([0.5, 0.0]), Hyper(weight_decay=0.25)
    >>> theta, g, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta, g
    (array([ 1., -2.]), array([ 0.75, -0.5 ]))
    """
    (wd,) = hyper

    g = g + wd * theta                                                  # (l2.1)

    return theta, g, state

"""RMSprop: divide each gradient by the root of a running average of its squares.

Tieleman and Hinton, "Neural Networks for Machine Learning", 2012, lecture 6e.
https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf

The numbers in the right margin are the equations of spec/optimizers/rmsprop.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    rho: float = 0.9
    eps: float = 1e-8


class State(NamedTuple):
    v: Array  # like theta: average of the squares of the gradients


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(v=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The average starts at zero, so the first step is the longest: lr / sqrt(1 - rho).

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1e-3, 1e3]), Hyper(lr=0.1, rho=0.75)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta.round(4)
    array([-0.2, -0.2])
    """
    xp = namespace(theta)
    lr, rho, eps = hyper
    (v,) = state

    v = rho * v + (1 - rho) * g * g                                     # (rmsprop.1)
    theta = theta - lr * g / (xp.sqrt(v) + eps)                         # (rmsprop.2)

    return theta, State(v)

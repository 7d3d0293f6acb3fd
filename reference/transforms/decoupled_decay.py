"""Decoupled weight decay: shrink the parameter itself, and leave the gradient alone.

Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, line 12 of Algorithm 2.
https://arxiv.org/abs/1711.05101

The numbers in the right margin are the equations of spec/transforms/decoupled_decay.toml.
"""

from typing import NamedTuple

from .._array import Array


class Hyper(NamedTuple):
    lr: float = 1e-3
    weight_decay: float = 0.01


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, Array, State]:
    """Change parameter `theta`, of any shape like its gradient `g`, before a rule steps it.

    Whatever the gradient, the parameter loses the share `lr * weight_decay` of itself, here a
    quarter:

    >>> import numpy as np
    >>> theta, g, hyper = np.array([1.0, -2.0]), np.array([0.5, 0.0]), Hyper(0.5, 0.5)
    >>> theta, g, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta, g
    (array([ 0.75, -1.5 ]), array([0.5, 0. ]))
    """
    lr, wd = hyper

    theta = theta - lr * wd * theta                                     # (decoupled_decay.1)

    return theta, g, state

"""signSGD: step by the sign of the gradient.

Bernstein et al., "signSGD: Compressed Optimisation for Non-Convex Problems", 2018, Algorithm 1.
https://arxiv.org/abs/1802.04434

The numbers in the right margin are the equations of spec/optimizers/signsgd.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-3


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Each coordinate moves by `lr`, however small or large its gradient; without one it stays:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(3), np.array([1e-3, -1e3, 0.0]), Hyper(lr=0.1)
    >>> update(theta, g, init(theta, hyper), hyper)[0]
    array([-0.1,  0.1,  0. ])
    """
    xp = namespace(theta)
    (lr,) = hyper

    theta = theta - lr * xp.sign(g)                                     # (signsgd.1)

    return theta, state

"""Optimistic gradient descent: step by the gradient, and by how it has just changed.

Daskalakis et al., "Training GANs with Optimism", 2018, equation 5, with a weight for each term.
https://arxiv.org/abs/1711.00141

The numbers in the right margin are the equations of spec/optimizers/optimistic_gd.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    alpha: float = 1.0
    beta: float = 1.0


class State(NamedTuple):
    h: Array  # like theta: the gradient of the step before
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(h=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    A gradient that falls is stepped by less than it is:

    >>> import numpy as np
    >>> theta, hyper = np.array([0.0]), Hyper(lr=1.0)
    >>> theta, state = update(theta, np.array([4.0]), init(theta, hyper), hyper)
    >>> theta, update(theta, np.array([3.0]), state, hyper)[0]
    (array([-4.]), array([-6.]))
    """
    lr, alpha, beta = hyper
    h, t = state

    t = t + 1                                                           # (optimistic_gd.1)
    p = g if t == 1 else h                                              # (optimistic_gd.2)
    theta = theta - lr * ((alpha + beta) * g - beta * p)                # (optimistic_gd.3)
    h = g                                                               # (optimistic_gd.4)

    return theta, State(h, t)

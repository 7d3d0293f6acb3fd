"""Nesterov momentum, look-ahead form: the heavy ball, given gradients at the point ahead.

Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k^2)", 1983.
https://www.mathnet.ru/eng/dan46009

The numbers in the right margin are the equations of spec/optimizers/nesterov_lookahead.toml.
"""

from typing import NamedTuple

from .._array import Array


class Hyper(NamedTuple):
    lr: float = 0.01
    momentum: float = 0.9


class State(NamedTuple):
    x: Array  # like theta: the parameter one step ago


def init(theta: Array, hyper: Hyper) -> State:
    return State(x=theta)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta`, and the gradient `g` at the point ahead of it, through one step.

    From rest the point ahead is the parameter itself; with no gradient at all it coasts:

    >>> import numpy as np
    >>> theta, hyper = np.array([1.0]), Hyper(lr=0.5, momentum=0.5)
    >>> theta, state = update(theta, np.array([4.0]), init(theta, hyper), hyper)
    >>> theta, update(theta, np.array([0.0]), state, hyper)[0]
    (array([-1.]), array([-2.]))
    """
    lr, mu = hyper
    (x,) = state

    y = theta + mu * (theta - x)                                        # (nesterov_lookahead.1)
    x = theta                                                           # (nesterov_lookahead.2)
    theta = y - lr * g                                                  # (nesterov_lookahead.3)

    return theta, State(x)

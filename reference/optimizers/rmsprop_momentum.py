"""RMSprop with momentum: a heavy ball of gradients, each divided as in RMSprop.

Tieleman and Hinton, "Neural Networks for Machine Learning", 2012, lecture 6e, which names the
combination.
https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf

The numbers in the right margin are the equations of spec/optimizers/rmsprop_momentum.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    rho: float = 0.9
    momentum: float = 0.9
    eps: float = 1e-8


class State(NamedTuple):
    v: Array  # like theta: average of the squares of the gradients
    b: Array  # like theta: decaying sum of the steps


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(v=xp.zeros_like(theta), b=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    After the last gradient the parameter coasts, and the root no longer matters:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(1), Hyper(lr=1.0, rho=0.75, momentum=0.5)
    >>> theta, state = update(theta, np.array([4.0]), init(theta, hyper), hyper)
    >>> theta.round(4), update(theta, np.array([0.0]), state, hyper)[0].round(4)
    (array([-2.]), array([-3.]))
    """
    xp = namespace(theta)
    lr, rho, mu, eps = hyper
    v, b = state

    v = rho * v + (1 - rho) * g * g                                     # (rmsprop_momentum.1)
    b = mu * b + g / (xp.sqrt(v) + eps)                                 # (rmsprop_momentum.2)
    theta = theta - lr * b                                              # (rmsprop_momentum.3)

    return theta, State(v, b)

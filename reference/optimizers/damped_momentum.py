"""Damped momentum: the heavy ball, with a weight of its own for each new gradient.

torch/optim, sgd.lua, since 2013: what is specified here.
https://github.com/torch/optim/blob/master/sgd.lua

The numbers in the right margin are the equations of spec/optimizers/damped_momentum.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    momentum: float = 0.9
    dampening: float = 0.5


class State(NamedTuple):
    v: Array  # like theta: decaying sum of the gradients
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(v=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The first step is that of SGD; a gradient that comes later counts for less:

    >>> import numpy as np
    >>> theta, hyper = np.array([1.0]), Hyper(lr=1.0, momentum=0.5, dampening=0.75)
    >>> theta, state = update(theta, np.array([2.0]), init(theta, hyper), hyper)
    >>> theta
    array([-1.])
    >>> update(theta, np.array([2.0]), state, hyper)[1].v
    array([1.5])
    """
    lr, mu, tau = hyper
    v, t = state

    t = t + 1                                                           # (damped_momentum.1)
    v = mu * v + (1 - (tau if t > 1 else 0)) * g                        # (damped_momentum.2)
    theta = theta - lr * v                                              # (damped_momentum.3)

    return theta, State(v, t)

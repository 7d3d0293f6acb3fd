"""Lion with a dead zone: Lion that stays where its vote is too close to call.

Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, Algorithm 2: the rule that this
one varies.
https://arxiv.org/abs/2302.06675

The numbers in the right margin are the equations of spec/optimizers/lion_dead_zone.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    eps: float = 1e-8


class State(NamedTuple):
    m: Array  # like theta: the average of past gradients that is remembered


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    A vote that rounding could turn moves nothing:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(3), np.array([1.0, 1e-9, -1.0]), Hyper(lr=0.1)
    >>> update(theta, g, init(theta, hyper), hyper)[0]
    array([-0.1,  0. ,  0.1])
    """
    xp = namespace(theta)
    lr, b1, b2, wd, eps = hyper
    (m,) = state

    c = b1 * m + (1 - b1) * g                                           # (lion_dead_zone.1)
    u = xp.where(xp.abs(c) > eps, xp.sign(c), xp.zeros_like(c))         # (lion_dead_zone.2)
    theta = theta - lr * (u + wd * theta)                               # (lion_dead_zone.3)
    m = b2 * m + (1 - b2) * g                                           # (lion_dead_zone.4)

    return theta, State(m)

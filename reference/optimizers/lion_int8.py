"""Lion with int8 momentum: Lion whose average is kept in 8 bits, and one scale.

Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, Algorithm 2: the rule that this
one varies.
https://arxiv.org/abs/2302.06675

The numbers in the right margin are the equations of spec/optimizers/lion_int8.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0


class State(NamedTuple):
    q: Array  # like theta: the average, as a whole number from -127 to 127
    s: Array  # a number of theta's type: what one of these stands for


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    zeros = xp.zeros_like(theta)
    return State(q=zeros, s=xp.sum(zeros))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Beside a large entry a small one is forgotten:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(3), np.array([1.0, 0.5, 0.001]), Hyper(beta2=0.0)
    >>> update(theta, g, init(theta, hyper), hyper)[1].q
    array([127.,  64.,   0.])
    """
    xp = namespace(theta)
    lr, b1, b2, wd = hyper
    q, s = state

    if 0 in theta.shape:
        return theta, state
    m = s * q                                                           # (lion_int8.1)
    c = b1 * m + (1 - b1) * g                                           # (lion_int8.2)
    theta = theta - lr * (xp.sign(c) + wd * theta)                      # (lion_int8.3)
    m = b2 * m + (1 - b2) * g                                           # (lion_int8.4)
    s = xp.max(xp.abs(m)) / 127                                         # (lion_int8.5)
    q = xp.round(m / xp.where(s > 0, s, 1.0))                           # (lion_int8.6)

    return theta, State(q, s)

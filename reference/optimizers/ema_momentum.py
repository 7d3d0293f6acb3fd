"""Momentum as an average: step along an average of the gradients.

Ma and Yarats, "Quasi-hyperbolic Momentum and Adam for Deep Learning", 2019, equations 1 and 2.
https://arxiv.org/abs/1810.06801

The numbers in the right margin are the equations of spec/optimizers/ema_momentum.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    momentum: float = 0.9


class State(NamedTuple):
    m: Array  # like theta: average of the gradients


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Under a constant gradient the step grows to that of SGD, and no further:

    >>> import numpy as np
    >>> theta, hyper = np.array([1.0]), Hyper(lr=1.0, momentum=0.5)
    >>> state = init(theta, hyper)
    >>> for _ in range(3):
    ...     theta, state = update(theta, np.array([2.0]), state, hyper)
    >>> theta, state.m
    (array([-3.25]), array([1.75]))
    """
    lr, mu = hyper
    (m,) = state

    m = mu * m + (1 - mu) * g                                           # (ema_momentum.1)
    theta = theta - lr * m                                              # (ema_momentum.2)

    return theta, State(m)

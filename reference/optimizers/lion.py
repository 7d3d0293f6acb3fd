"""Lion: step by the sign of an interpolated momentum.

Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, Algorithm 2.
https://arxiv.org/abs/2302.06675

The numbers in the right margin are the equations of spec/optimizers/lion.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0


class State(NamedTuple):
    m: Array  # like theta: the average of past gradients that is remembered


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Each coordinate moves by `lr`, or, where no gradient has ever been, not at all:

    >>> import numpy as np
    >>> theta, g, hyper = np.array([1.0, -2.0]), np.array([0.5, 0.0]), Hyper(lr=0.1)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta, state.m
    (array([ 0.9, -2. ]), array([0.005, 0.   ]))
    """
    xp = namespace(theta)
    lr, b1, b2, wd = hyper
    (m,) = state

    c = b1 * m + (1 - b1) * g                                           # (lion.1)
    theta = theta - lr * (xp.sign(c) + wd * theta)                      # (lion.2)
    m = b2 * m + (1 - b2) * g                                           # (lion.3)

    return theta, State(m)

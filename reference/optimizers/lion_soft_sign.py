"""Lion with a soft sign: Lion whose vote counts for less where it is close, at first.

Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, Algorithm 2: the rule that this
one varies.
https://arxiv.org/abs/2302.06675

The numbers in the right margin are the equations of spec/optimizers/lion_soft_sign.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    tau: float = 1.0
    anneal: float = 0.999


class State(NamedTuple):
    m: Array  # like theta: the average of past gradients that is remembered
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    A small gradient counts for little at first, and as much as a large one in the end:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([0.1, 10.0]), Hyper(lr=1.0, beta1=0.0)
    >>> for t in (0, 20000):
    ...     print(update(theta, g, State(m=theta, t=t), hyper)[0].round(2))
    [-0.09 -0.91]
    [-1. -1.]
    """
    xp = namespace(theta)
    lr, b1, b2, wd, tau, anneal = hyper
    m, t = state

    t = t + 1                                                           # (lion_soft_sign.1)
    c = b1 * m + (1 - b1) * g                                           # (lion_soft_sign.2)
    s = tau * anneal**t                                                 # (lion_soft_sign.3)
    u = c / (s + xp.abs(c))                                             # (lion_soft_sign.4)
    theta = theta - lr * (u + wd * theta)                               # (lion_soft_sign.5)
    m = b2 * m + (1 - b2) * g                                           # (lion_soft_sign.6)

    return theta, State(m, t)

"""AdaBelief: divide by how far gradients are from what was expected of them.

Zhuang et al., "AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients", 2020,
Algorithm 2.
https://arxiv.org/abs/2010.07468

The numbers in the right margin are the equations of spec/optimizers/adabelief.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-16


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    s: Array  # like theta: average of the squares of the surprises
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), s=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Of two gradients of one size, the one that is steady is stepped further:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(2), Hyper(lr=0.1, beta1=0.5)
    >>> state = init(theta, hyper)
    >>> for sign in (1, -1, 1, -1):
    ...     theta, state = update(theta, np.array([1.0, sign]), state, hyper)
    >>> theta.round(2)
    array([-1.1 , -0.16])
    """
    xp = namespace(theta)
    lr, b1, b2, eps = hyper
    m, s, t = state

    t = t + 1                                                           # (adabelief.1)
    m = b1 * m + (1 - b1) * g                                           # (adabelief.2)
    s = b2 * s + (1 - b2) * (g - m) ** 2 + eps                          # (adabelief.3)
    m_hat = m / (1 - b1**t)                                             # (adabelief.4)
    s_hat = s / (1 - b2**t)                                             # (adabelief.5)
    theta = theta - lr * m_hat / (xp.sqrt(s_hat) + eps)                 # (adabelief.6)

    return theta, State(m, s, t)

"""Lookahead: let another rule run k steps ahead, then go part of the way to where it got.

Zhang, Lucas, Hinton and Ba, "Lookahead Optimizer: k steps forward, 1 step back", 2019,
Algorithm 1. https://arxiv.org/abs/1907.08610

The numbers in the right margin are the equations of spec/wrappers/lookahead.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner


class Hyper(NamedTuple):
    k: int = 5
    alpha: float = 0.5


class State(NamedTuple):
    slow: Array  # like theta: where the last k steps began
    lookahead_t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    return State(slow=theta, lookahead_t=0)


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, inner: Inner
) -> tuple[Array, State]:
    """Take parameter `theta`, of any shape like its gradient `g`, through one step of `inner`.

    Every second step, here, goes back by half of what both steps made together:

    >>> import numpy as np
    >>> theta, hyper, descend = np.array(8.0), Hyper(k=2, alpha=0.5), lambda theta, g: theta - g
    >>> state = init(theta, hyper)
    >>> for g in (1.0, 3.0):
    ...     theta, state = update(theta, np.array(g), state, hyper, descend)
    >>> float(theta)
    6.0
    """
    k, alpha = hyper
    slow, t = state

    t = t + 1                                                           # (lookahead.1)
    theta = inner(theta, g)                                             # (lookahead.2)
    slow = slow + alpha * (theta - slow) if t % k == 0 else slow        # (lookahead.3)
    theta = slow if t % k == 0 else theta                               # (lookahead.4)

    return theta, State(slow, t)

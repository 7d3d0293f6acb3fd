"""Delayed gradients: hand on the gradient of some steps ago, as an asynchronous worker does.

Agarwal and Duchi, "Distributed Delayed Stochastic Optimization", 2011.
https://arxiv.org/abs/1104.5525

The numbers in the right margin are the equations of spec/transforms/delay.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    delay: int = 1


class State(NamedTuple):
    queue: Array  # delay x theta: gradients on their way, the oldest first


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(queue=xp.stack([xp.zeros_like(theta)] * (hyper.delay + 1))[1:, ...])


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, Array, State]:
    """Change the gradient `g` of parameter `theta`, both of any one shape, before a rule sees it.

    With a delay of one step, what comes out is what went in before:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(1), Hyper(delay=1)
    >>> state = init(theta, hyper)
    >>> for x in (1.0, 2.0, 3.0):
    ...     _, g, state = update(theta, np.array([x]), state, hyper)
    ...     print(g)
    [0.]
    [1.]
    [2.]
    """
    xp = namespace(theta)
    (q,) = state

    q = xp.concat([q, xp.expand_dims(g, axis=0)])                       # (delay.1)
    g = q[0, ...]                                                       # (delay.2)
    q = q[1:, ...]                                                      # (delay.3)

    return theta, g, State(q)

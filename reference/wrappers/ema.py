"""Average of the weights: keep beside the weights an exponential average of them.

Tarvainen and Valpola, "Mean teachers are better role models", 2017.
https://arxiv.org/abs/1703.01780

The numbers in the right margin are the equations of spec/wrappers/ema.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner


class Hyper(NamedTuple):
    decay: float = 0.999


class State(NamedTuple):
    average: Array  # like theta: average of the weights
    ema_t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    return State(average=theta, ema_t=0)


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, inner: Inner
) -> tuple[Array, State]:
    """Take parameter `theta`, of any shape like its gradient `g`, through one step of `inner`.

    The parameters go as they would without it. The average follows, here by a half:

    >>> import numpy as np
    >>> theta, hyper, descend = np.array(8.0), Hyper(decay=0.5), lambda theta, g: theta - g
    >>> theta, state = update(theta, np.array(4.0), init(theta, hyper), hyper, descend)
    >>> float(theta), float(state.average)
    (4.0, 6.0)
    """
    (decay,) = hyper
    a, t = state

    t = t + 1                                                           # (ema.1)
    theta = inner(theta, g)                                             # (ema.2)
    a = decay * a + (1 - decay) * theta                                 # (ema.3)

    return theta, State(a, t)

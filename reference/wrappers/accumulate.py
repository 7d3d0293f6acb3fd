"""Gradient accumulation: gather the gradients of k steps and take one step with their mean.

Ott, Edunov, Grangier and Auli, "Scaling Neural Machine Translation", 2018, section 3.2.
https://arxiv.org/abs/1806.00187

The numbers in the right margin are the equations of spec/wrappers/accumulate.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner, namespace


class Hyper(NamedTuple):
    k: int = 4


class State(NamedTuple):
    total: Array  # like theta: the gathered mean
    accumulate_t: int  # gradients seen


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(total=xp.zeros_like(theta), accumulate_t=0)


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, inner: Inner
) -> tuple[Array, State]:
    """Take parameter `theta`, of any shape like its gradient `g`, towards one step of `inner`.

    Nothing moves until the second gradient, here, and then by the mean of both:

    >>> import numpy as np
    >>> theta, hyper, descend = np.array(8.0), Hyper(k=2), lambda theta, g: theta - g
    >>> state = init(theta, hyper)
    >>> for g in (1.0, 3.0):
    ...     theta, state = update(theta, np.array(g), state, hyper, descend)
    ...     print(theta)
    8.0
    6.0
    """
    xp = namespace(theta)
    (k,) = hyper
    s, t = state

    t = t + 1                                                           # (accumulate.1)
    s = s + g / k                                                       # (accumulate.2)
    theta = inner(theta, s) if t % k == 0 else theta                    # (accumulate.3)
    s = xp.zeros_like(s) if t % k == 0 else s                           # (accumulate.4)

    return theta, State(s, t)

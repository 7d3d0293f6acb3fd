"""Stochastic weight averaging: keep beside the weights the mean of those at the end of every cycle.

Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018,
Algorithm 1. https://arxiv.org/abs/1803.05407

The numbers in the right margin are the equations of spec/wrappers/swa.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner


class Hyper(NamedTuple):
    cycle: int = 100


class State(NamedTuple):
    mean: Array  # like theta: mean of the weights
    swa_t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    return State(mean=theta, swa_t=0)


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, inner: Inner
) -> tuple[Array, State]:
    """Take parameter `theta`, of any shape like its gradient `g`, through one step of `inner`.

    The mean counts the parameters at the start, and then those of every cycle, here of 1 step:

    >>> import numpy as np
    >>> theta, hyper, descend = np.array(8.0), Hyper(cycle=1), lambda theta, g: theta - g
    >>> theta, state = update(theta, np.array(4.0), init(theta, hyper), hyper, descend)
    >>> float(theta), float(state.mean)
    (4.0, 6.0)
    """
    (cycle,) = hyper
    a, t = state

    t = t + 1                                                           # (swa.1)
    theta = inner(theta, g)                                             # (swa.2)
    n = t // cycle                                                      # (swa.3)
    a = (n * a + theta) / (n + 1) if t % cycle == 0 else a              # (swa.4)

    return theta, State(a, t)

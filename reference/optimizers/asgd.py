"""ASGD: SGD with a rate that falls, and beside it an average of its parameters.

Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992.
https://doi.org/10.1137/0330046

The numbers in the right margin are the equations of spec/optimizers/asgd.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    decay: float = 1e-4
    alpha: float = 0.75
    t0: int = 1000000


class State(NamedTuple):
    a: Array  # like theta: the average of the parameters
    r: float  # the rate of the next step
    mu: float  # the weight of the next parameter in the average
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(a=xp.zeros_like(theta), r=hyper.lr, mu=1.0, t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    After t0 steps, here none, all parameters count the same, but the first is overwritten:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(1), Hyper(lr=1.0, decay=0.0, t0=0)
    >>> state = init(theta, hyper)
    >>> for g in (1.0, 1.0, 4.0):
    ...     theta, state = update(theta, np.array([g]), state, hyper)
    >>> theta, state.a
    (array([-6.]), array([-4.]))
    """
    lr, decay, alpha, t0 = hyper
    a, r, mu, t = state

    t = t + 1                                                           # (asgd.1)
    theta = (1 - decay * r) * theta - r * g                             # (asgd.2)
    a = a + mu * (theta - a)                                            # (asgd.3)
    r = lr / (1 + decay * lr * t) ** alpha                              # (asgd.4)
    mu = 1 / max(1, t - t0)                                             # (asgd.5)

    return theta, State(a, r, mu, t)

"""Signum: step by the sign of an average of the gradients.

Bernstein et al., "signSGD: Compressed Optimisation for Non-Convex Problems", 2018, Algorithm 2.
https://arxiv.org/abs/1802.04434

The numbers in the right margin are the equations of spec/optimizers/signum.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-3
    beta: float = 0.9


class State(NamedTuple):
    m: Array  # like theta: average of the gradients


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    A single gradient against the average does not turn the step, unless it is large enough:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(2), Hyper(lr=0.1, beta=0.5)
    >>> theta, state = update(theta, np.array([1.0, 1.0]), init(theta, hyper), hyper)
    >>> update(theta, np.array([-0.4, -0.6]), state, hyper)[0]
    array([-0.2,  0. ])
    """
    xp = namespace(theta)
    lr, b = hyper
    (m,) = state

    m = b * m + (1 - b) * g                                             # (signum.1)
    theta = theta - lr * xp.sign(m)                                     # (signum.2)

    return theta, State(m)

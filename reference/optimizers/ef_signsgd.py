"""Error-feedback signSGD: send signs, and keep what they leave out for the next step.

Karimireddy, Rebjock, Stich and Jaggi, "Error Feedback Fixes SignSGD and other Gradient
Compression Schemes", 2019, Algorithm 1. https://arxiv.org/abs/1901.09847

The numbers in the right margin are the equations of spec/optimizers/ef_signsgd.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01


class State(NamedTuple):
    e: Array  # like theta: what has not been sent


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(e=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Both elements move by the mean, here 2. What was too much or too little is kept:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1.0, 3.0]), Hyper(lr=1.0)
    >>> update(theta, g, init(theta, hyper), hyper)
    (array([-2., -2.]), State(e=array([-1.,  1.])))
    """
    xp = namespace(theta)
    (lr,) = hyper
    (e,) = state

    p = lr * g + e                                                      # (ef_signsgd.1)
    delta = xp.sum(xp.abs(p)) / max(1, p.size) * xp.sign(p)             # (ef_signsgd.2)
    theta = theta - delta                                               # (ef_signsgd.3)
    e = p - delta                                                       # (ef_signsgd.4)

    return theta, State(e)

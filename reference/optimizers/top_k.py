"""Top-k with memory: send only the k largest elements of the step, and keep the others for later.

Stich, Cordonnier and Jaggi, "Sparsified SGD with Memory", 2018, Algorithm 1.
https://arxiv.org/abs/1809.07599

The numbers in the right margin are the equations of spec/optimizers/top_k.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    k: int = 10


class State(NamedTuple):
    m: Array  # like theta: what has not been sent


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The larger element moves. The other is kept, and goes when it has become large:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1.0, 3.0]), Hyper(lr=1.0, k=1)
    >>> update(theta, g, init(theta, hyper), hyper)
    (array([ 0., -3.]), State(m=array([1., 0.])))
    """
    xp = namespace(theta)
    lr, k = hyper
    (m,) = state

    p = m + lr * g                                                      # (top_k.1)
    s = xp.sort(xp.reshape(xp.abs(p), (-1,)))                           # (top_k.2)
    bar = (s[-k] + s[-k - 1]) / 2 if p.size > k else 0 * xp.sum(s)      # (top_k.3)
    sent = xp.where(xp.abs(p) >= bar, p, 0.0)                           # (top_k.4)
    theta = theta - sent                                                # (top_k.5)
    m = p - sent                                                        # (top_k.6)

    return theta, State(m)

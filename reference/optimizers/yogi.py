"""Yogi: Adam whose second moment moves by steps that do not grow with it.

Zaheer et al., "Adaptive Methods for Nonconvex Optimization", NeurIPS 2018, Algorithm 2.
https://papers.nips.cc/paper/2018/hash/90365351ccc7437a1309dc64e4db32a3-Abstract.html

The numbers in the right margin are the equations of spec/optimizers/yogi.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 0.001
    initial: float = 1e-6


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # like theta: second moment
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.full_like(theta, hyper.initial), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    After one large gradient, small ones hardly bring the second moment down:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(1), Hyper(beta2=0.5, initial=0.0)
    >>> state = init(theta, hyper)
    >>> for g in (100.0, 1.0, 1.0):
    ...     theta, state = update(theta, np.array([g]), state, hyper)
    >>> state.v
    array([4999.])
    """
    xp = namespace(theta)
    lr, b1, b2, eps, _ = hyper
    m, v, t = state

    t = t + 1                                                           # (yogi.1)
    m = b1 * m + (1 - b1) * g                                           # (yogi.2)
    v = v - (1 - b2) * xp.sign(v - g * g) * g * g                       # (yogi.3)
    theta = theta - lr * m / (xp.sqrt(v) + eps)                         # (yogi.4)

    return theta, State(m, v, t)

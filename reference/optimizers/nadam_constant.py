"""NAdam without a schedule: Adam that looks ahead, at one momentum.

Dozat, "Incorporating Nesterov Momentum into Adam", ICLR workshop, 2016, Algorithm 2.
https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ

The numbers in the right margin are the equations of spec/optimizers/nadam_constant.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # like theta: average of their squares
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The first step is longer than that of Adam, by what it looks ahead:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1e-3, 1e3]), Hyper(lr=0.1)
    >>> update(theta, g, init(theta, hyper), hyper)[0].round(4)
    array([-0.1474, -0.1474])
    """
    xp = namespace(theta)
    lr, b1, b2, eps = hyper
    m, v, t = state

    t = t + 1                                                           # (nadam_constant.1)
    m = b1 * m + (1 - b1) * g                                           # (nadam_constant.2)
    v = b2 * v + (1 - b2) * g * g                                       # (nadam_constant.3)
    m_hat = m / (1 - b1 ** (t + 1))                                     # (nadam_constant.4)
    g_hat = g / (1 - b1**t)                                             # (nadam_constant.5)
    v_hat = v / (1 - b2**t)                                             # (nadam_constant.6)
    u = b1 * m_hat + (1 - b1) * g_hat                                   # (nadam_constant.7)
    theta = theta - lr * u / (xp.sqrt(v_hat) + eps)                     # (nadam_constant.8)

    return theta, State(m, v, t)

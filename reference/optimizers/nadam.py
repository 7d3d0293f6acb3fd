"""NAdam: Adam that looks ahead, with a momentum that is warmed up.

Dozat, "Incorporating Nesterov Momentum into Adam", ICLR workshop, 2016, Algorithm 2.
https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ

The numbers in the right margin are the equations of spec/optimizers/nadam.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    momentum_decay: float = 0.004


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # like theta: average of their squares
    prod: float  # product of the momenta so far
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), prod=1.0, t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    It looks ahead, so that the first step is a little longer than lr:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1e-3, 1e3]), Hyper(lr=0.1)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta.round(4)
    array([-0.1056, -0.1056])
    """
    xp = namespace(theta)
    lr, b1, b2, eps, psi = hyper
    m, v, prod, t = state

    t = t + 1                                                           # (nadam.1)
    mu = b1 * (1 - 0.5 * 0.96 ** (t * psi))                             # (nadam.2)
    mu_next = b1 * (1 - 0.5 * 0.96 ** ((t + 1) * psi))                  # (nadam.3)
    prod = prod * mu                                                    # (nadam.4)
    m = b1 * m + (1 - b1) * g                                           # (nadam.5)
    v = b2 * v + (1 - b2) * g * g                                       # (nadam.6)
    v_hat = v / (1 - b2**t)                                             # (nadam.7)
    m_hat = mu_next * m / (1 - prod * mu_next)                          # (nadam.8)
    g_hat = (1 - mu) * g / (1 - prod)                                   # (nadam.9)
    theta = theta - lr * (m_hat + g_hat) / (xp.sqrt(v_hat) + eps)       # (nadam.10)

    return theta, State(m, v, prod, t)

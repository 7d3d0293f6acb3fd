"""AdamW: Adam, and beside it a decay of the parameters that the averages never see.

Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, Algorithm 2, with the
learning rate before the whole bracket of its line 12, as libraries have it.
https://arxiv.org/abs/1711.05101

The numbers in the right margin are the equations of spec/optimizers/adamw.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # like theta: average of their squares
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Without a gradient every parameter shrinks by one factor, 1 - lr * weight_decay:

    >>> import numpy as np
    >>> theta, g, hyper = np.array([1.0, -8.0]), np.zeros(2), Hyper(lr=0.5, weight_decay=0.25)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta
    array([ 0.875, -7.   ])
    """
    xp = namespace(theta)
    lr, b1, b2, eps, wd = hyper
    m, v, t = state

    t = t + 1                                                           # (adamw.1)
    m = b1 * m + (1 - b1) * g                                           # (adamw.2)
    v = b2 * v + (1 - b2) * g * g                                       # (adamw.3)
    m_hat = m / (1 - b1**t)                                             # (adamw.4)
    v_hat = v / (1 - b2**t)                                             # (adamw.5)
    theta = theta - lr * (m_hat / (xp.sqrt(v_hat) + eps) + wd * theta)  # (adamw.6)

    return theta, State(m, v, t)

"""From Adam to Lion: steps that begin as those of AdamW and end as those of Lion.

Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, Algorithm 1: how it begins.
https://arxiv.org/abs/1412.6980

The numbers in the right margin are the equations of spec/optimizers/hybrid_adam_lion.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    beta3: float = 0.9
    beta4: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    steps: int = 1000


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # like theta: average of their squares
    n: Array  # like theta: Lion's average of the gradients
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), n=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    In the end every coordinate that moves does so by lr:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(2), Hyper(lr=0.1, steps=2)
    >>> state = init(theta, hyper)
    >>> for g in ([1.0, 1.0], [1.0, -0.5]):
    ...     old, (theta, state) = theta, update(theta, np.array(g), state, hyper)
    >>> theta - old
    array([-0.1,  0.1])
    """
    xp = namespace(theta)
    lr, b1, b2, b3, b4, eps, wd, steps = hyper
    m, v, n, t = state

    t = t + 1                                                           # (hybrid_adam_lion.1)
    m = b1 * m + (1 - b1) * g                                           # (hybrid_adam_lion.2)
    v = b2 * v + (1 - b2) * g * g                                       # (hybrid_adam_lion.3)
    m_hat = m / (1 - b1**t)                                             # (hybrid_adam_lion.4)
    v_hat = v / (1 - b2**t)                                             # (hybrid_adam_lion.5)
    a = m_hat / (xp.sqrt(v_hat) + eps)                                  # (hybrid_adam_lion.6)
    c = xp.sign(b3 * n + (1 - b3) * g)                                  # (hybrid_adam_lion.7)
    n = b4 * n + (1 - b4) * g                                           # (hybrid_adam_lion.8)
    w = min(t / steps, 1)                                               # (hybrid_adam_lion.9)
    u = (1 - w) * a + w * c                                             # (hybrid_adam_lion.10)
    theta = theta - lr * (u + wd * theta)                               # (hybrid_adam_lion.11)

    return theta, State(m, v, n, t)

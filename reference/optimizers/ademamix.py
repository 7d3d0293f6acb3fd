"""AdEMAMix: Adam with a second average of gradients, of a far longer memory.

Pagliardini et al., "The AdEMAMix Optimizer: Better, Faster, Older", 2024, Algorithm 1, with alpha
and beta3 as they stand after their warm-up.
https://arxiv.org/abs/2409.03137

The numbers in the right margin are the equations of spec/optimizers/ademamix.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    beta3: float = 0.9999
    alpha: float = 5.0
    eps: float = 1e-8
    weight_decay: float = 0.0


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    n: Array  # like theta: average of the gradients with the longer memory
    v: Array  # like theta: average of their squares
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), n=xp.zeros_like(theta), v=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Long after a gradient, the slow average still moves the parameter:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(1), Hyper(lr=1.0, beta1=0.5, beta2=0.0, beta3=0.75, eps=1.0)
    >>> state = init(theta, hyper)
    >>> for g in [1.0] + 9 * [0.0]:
    ...     theta, state = update(theta, np.array([g]), state, hyper)
    >>> state.m.round(4), state.n.round(4)
    (array([0.001]), array([0.0188]))
    """
    xp = namespace(theta)
    lr, b1, b2, b3, alpha, eps, wd = hyper
    m, n, v, t = state

    t = t + 1                                                           # (ademamix.1)
    m = b1 * m + (1 - b1) * g                                           # (ademamix.2)
    n = b3 * n + (1 - b3) * g                                           # (ademamix.3)
    v = b2 * v + (1 - b2) * g * g                                       # (ademamix.4)
    m_hat = m / (1 - b1**t)                                             # (ademamix.5)
    v_hat = v / (1 - b2**t)                                             # (ademamix.6)
    u = (m_hat + alpha * n) / (xp.sqrt(v_hat) + eps)                    # (ademamix.7)
    theta = theta - lr * (u + wd * theta)                               # (ademamix.8)

    return theta, State(m, n, v, t)

"""Adam-mini: AdamW with one second moment for each block of a tensor.

Zhang et al., "Adam-mini: Use Fewer Learning Rates To Gain More", 2024, Algorithm 1.
https://arxiv.org/abs/2406.16793 and github.com/zyushun/Adam-mini

The numbers in the right margin are the equations of spec/optimizers/adam_mini.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    axes: int = 1


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # a number for each block: average of the mean of their squares in it
    t: int  # steps taken


def inside(theta: Array, hyper: Hyper) -> tuple[int, ...]:
    """The axes along which an element moves within its block: all but the first `hyper.axes`."""
    return tuple(range(min(hyper.axes, theta.ndim), theta.ndim))        # (adam_mini.1)


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    zeros = xp.zeros_like(theta)
    return State(m=zeros, v=xp.mean(zeros, axis=inside(theta, hyper), keepdims=True), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Each row has one rate here, so that in the first step only their lengths are forgotten:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.array([[1.0, 7.0], [-700.0, 100.0]]), Hyper(lr=0.1)
    >>> update(theta, g, init(theta, hyper), hyper)[0].round(4)
    array([[-0.02, -0.14],
           [ 0.14, -0.02]])
    """
    xp = namespace(theta)
    lr, b1, b2, eps, wd, _ = hyper
    m, v, t = state
    block = inside(theta, hyper)

    t = t + 1                                                           # (adam_mini.2)
    m = b1 * m + (1 - b1) * g                                           # (adam_mini.3)
    v = b2 * v + (1 - b2) * xp.mean(g * g, axis=block, keepdims=True)   # (adam_mini.4)
    m_hat = m / (1 - b1**t)                                             # (adam_mini.5)
    v_hat = v / (1 - b2**t)                                             # (adam_mini.6)
    theta = (1 - lr * wd) * theta                                       # (adam_mini.7)
    theta = theta - lr * m_hat / (xp.sqrt(v_hat) + eps)                 # (adam_mini.8)

    return theta, State(m, v, t)

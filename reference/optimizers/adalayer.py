"""Adalayer: Adam with one second moment for each tensor.

Zhao et al., "Deconstructing What Makes a Good Optimizer for Language Models", 2024, section 4.
https://arxiv.org/abs/2407.07972

The numbers in the right margin are the equations of spec/optimizers/adalayer.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # a number: average of the mean of their squares
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    zeros = xp.zeros_like(theta)
    return State(m=zeros, v=xp.mean(zeros), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The first step has the direction of the gradient, and a root mean square of `lr`:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1.0, 7.0]), Hyper(lr=0.1)
    >>> update(theta, g, init(theta, hyper), hyper)[0].round(4)
    array([-0.02, -0.14])
    """
    xp = namespace(theta)
    lr, b1, b2, eps = hyper
    m, v, t = state

    t = t + 1                                                           # (adalayer.1)
    m = b1 * m + (1 - b1) * g                                           # (adalayer.2)
    v = b2 * v + (1 - b2) * xp.mean(g * g)                              # (adalayer.3)
    m_hat = m / (1 - b1**t)                                             # (adalayer.4)
    v_hat = v / (1 - b2**t)                                             # (adalayer.5)
    theta = theta - lr * m_hat / (xp.sqrt(v_hat) + eps)                 # (adalayer.6)

    return theta, State(m, v, t)

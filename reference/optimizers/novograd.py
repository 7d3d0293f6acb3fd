"""NovoGrad: momentum on gradients that are divided, each tensor's, by an average of their norm.

Ginsburg et al., "Stochastic Gradient Methods with Layer-wise Adaptive Moments for Training of Deep
Networks", 2019, Algorithm 1. https://arxiv.org/abs/1905.11286

The numbers in the right margin are the equations of spec/optimizers/novograd.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    beta1: float = 0.95
    beta2: float = 0.98
    eps: float = 1e-8
    weight_decay: float = 0.0


class State(NamedTuple):
    m: Array  # like theta: the momentum
    v: Array  # a number: average of the squared norm of the gradients
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    zeros = xp.zeros_like(theta)
    return State(m=zeros, v=xp.sum(zeros), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The first step has length `lr` and the direction of the gradient:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([3e6, 4e6]), Hyper(lr=0.1)
    >>> update(theta, g, init(theta, hyper), hyper)[0]
    array([-0.06, -0.08])
    """
    xp = namespace(theta)
    lr, b1, b2, eps, wd = hyper
    m, v, t = state

    t = t + 1                                                           # (novograd.1)
    b2 = b2 if t > 1 else 0.0                                           # (novograd.2)
    v = b2 * v + (1 - b2) * xp.sum(g * g)                               # (novograd.3)
    m = b1 * m + (g / (xp.sqrt(v) + eps) + wd * theta)                  # (novograd.4)
    theta = theta - lr * m                                              # (novograd.5)

    return theta, State(m, v, t)

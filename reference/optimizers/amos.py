"""Amos: a rate and a decay for each tensor, from the scale that its elements should come to have.

Tian and Parikh, "Amos: An Adam-style Optimizer with Adaptive Weight Decay towards Model-Oriented
Scale", 2022, Algorithm 1.
https://arxiv.org/abs/2210.11693 and github.com/google-research/jestimator

The numbers in the right margin are the equations of spec/optimizers/amos.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-3
    eta: float = 0.5
    beta: float = 0.999
    c_coef: float = 0.25
    d_coef: float = 0.25
    eps: float = 2.0**-125


class State(NamedTuple):
    v: Array  # a number: average of the mean of the squared gradients
    b: Array  # a number: by how much rate and decay have fallen
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    zero = xp.mean(xp.zeros_like(theta))
    return State(v=zero, b=zero, t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The first step has a root mean square of `lr * eta` and takes half of `lr**2` off the parameter:

    >>> import numpy as np
    >>> theta, g, hyper = np.array([0.0, 8.0]), np.array([1.0, 7.0]), Hyper(lr=0.1)
    >>> update(theta, g, init(theta, hyper), hyper)[0]
    array([-0.01,  7.89])
    """
    xp = namespace(theta)
    lr, eta, beta, c_coef, d_coef, eps = hyper
    v, b, t = state

    t = t + 1                                                           # (amos.1)
    s = xp.mean(g * g)                                                  # (amos.2)
    v = beta * v + (1 - beta) * s                                       # (amos.3)
    w = (1 - beta**t) / xp.maximum(v, eps)                              # (amos.4)
    gamma = lr**2 * w * s / xp.sqrt(1 + c_coef * lr**0.5 * b)           # (amos.5)
    d = 1 / (1 + d_coef * (lr * eta) ** 0.5 * b)                        # (amos.6)
    u = lr * eta * xp.sqrt(w) * g + gamma / 2 * theta                   # (amos.7)
    theta = theta - d * u                                               # (amos.8)
    b = b + gamma * (1 + b)                                             # (amos.9)

    return theta, State(v, b, t)

"""AdaMax: divide an average of gradients by a decaying maximum of their sizes.

Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, Algorithm 2.
https://arxiv.org/abs/1412.6980

The numbers in the right margin are the equations of spec/optimizers/adamax.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    u: Array  # like theta: decaying maximum of the sizes of the gradients
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), u=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    One large gradient is remembered, and makes every later step short:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(2), Hyper(lr=0.1, beta1=0.0)
    >>> theta, state = update(theta, np.array([1.0, 100.0]), init(theta, hyper), hyper)
    >>> update(theta, np.array([1.0, 1.0]), state, hyper)[0].round(4)
    array([-0.2  , -0.101])
    """
    xp = namespace(theta)
    lr, b1, b2, eps = hyper
    m, u, t = state

    t = t + 1                                                           # (adamax.1)
    m = b1 * m + (1 - b1) * g                                           # (adamax.2)
    u = xp.maximum(b2 * u, xp.abs(g) + eps)                             # (adamax.3)
    m_hat = m / (1 - b1**t)                                             # (adamax.4)
    theta = theta - lr * m_hat / u                                      # (adamax.5)

    return theta, State(m, u, t)

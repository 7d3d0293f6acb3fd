"""RAdam: Adam that does not divide until its second moment can be trusted.

Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2020, Algorithm 2.
https://arxiv.org/abs/1908.03265

The numbers in the right margin are the equations of spec/optimizers/radam.toml.
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

    The first step is that of SGD, not of Adam:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1e-3, 1e3]), Hyper(lr=0.1)
    >>> update(theta, g, init(theta, hyper), hyper)[0]
    array([-1.e-04, -1.e+02])
    """
    xp = namespace(theta)
    lr, b1, b2, eps = hyper
    m, v, t = state

    t = t + 1                                                           # (radam.1)
    m = b1 * m + (1 - b1) * g                                           # (radam.2)
    v = b2 * v + (1 - b2) * g * g                                       # (radam.3)
    m_hat = m / (1 - b1**t)                                             # (radam.4)
    rho_inf = 2 / (1 - b2) - 1                                          # (radam.5)
    rho = rho_inf - 2 * t * b2**t / (1 - b2**t)                         # (radam.6)
    a_inf = (rho_inf - 4) * (rho_inf - 2) / rho_inf                     # (radam.7)
    a = (rho - 4) * (rho - 2) / rho                                     # (radam.8)
    r = abs(a / a_inf) ** 0.5                                           # (radam.9)
    h = (1 - b2**t) ** 0.5 / (xp.sqrt(v) + eps)                         # (radam.10)
    rho = xp.full_like(m, rho)  # by element: in float32 rounding may turn the comparison
    u = xp.where(rho > 4, r * h * m_hat, m_hat)                         # (radam.11)
    theta = theta - lr * u                                              # (radam.12)

    return theta, State(m, v, t)

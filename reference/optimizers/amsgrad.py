"""AMSGrad: Adam whose second moment never falls.

Reddi et al., "On the Convergence of Adam and Beyond", 2018, Algorithm 2, with the bias corrections
of Adam that every library keeps.
https://arxiv.org/abs/1904.09237

The numbers in the right margin are the equations of spec/optimizers/amsgrad.toml.
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
    v_max: Array  # like theta: largest second moment so far
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), v_max=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    A large gradient is never forgotten, and holds all later steps down:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(1), Hyper(lr=1.0, beta1=0.0, beta2=0.5)
    >>> state = init(theta, hyper)
    >>> for g in (100.0, 1.0, 1.0, 1.0):
    ...     theta, state = update(theta, np.array([g]), state, hyper)
    >>> state.v_max, state.v
    (array([5000.]), array([625.875]))
    """
    xp = namespace(theta)
    lr, b1, b2, eps = hyper
    m, v, v_max, t = state

    t = t + 1                                                           # (amsgrad.1)
    m = b1 * m + (1 - b1) * g                                           # (amsgrad.2)
    v = b2 * v + (1 - b2) * g * g                                       # (amsgrad.3)
    v_max = xp.maximum(v_max, v)                                        # (amsgrad.4)
    m_hat = m / (1 - b1**t)                                             # (amsgrad.5)
    v_hat = v_max / (1 - b2**t)                                         # (amsgrad.6)
    theta = theta - lr * m_hat / (xp.sqrt(v_hat) + eps)                 # (amsgrad.7)

    return theta, State(m, v, v_max, t)

"""ADOPT: divide each gradient by the second moment of those before it, then average.

Taniguchi et al., "ADOPT: Modified Adam Can Converge with Any beta2 with the Optimal Rate", 2024,
Algorithm 2.
https://arxiv.org/abs/2411.02853

The numbers in the right margin are the equations of spec/optimizers/adopt.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.9999
    eps: float = 1e-6


class State(NamedTuple):
    m: Array  # like theta: average of the normalised gradients
    v: Array  # like theta: average of the squares of the gradients
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The first step does not move, however large its gradient:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(1), Hyper(lr=1.0, beta1=0.0)
    >>> theta, state = update(theta, np.array([4.0]), init(theta, hyper), hyper)
    >>> theta, update(theta, np.array([2.0]), state, hyper)[0]
    (array([0.]), array([-0.5]))
    """
    xp = namespace(theta)
    lr, b1, b2, eps = hyper
    m, v, t = state

    t = t + 1                                                           # (adopt.1)
    c = (t - 1) ** 0.25                                                 # (adopt.2)
    u = xp.clip(g / xp.maximum(xp.sqrt(v), eps), -c, c)                 # (adopt.3)
    m = b1 * m + (1 - b1) * u                                           # (adopt.4)
    theta = theta - lr * m                                              # (adopt.5)
    v = b2 * v + (1 - b2) * g * g if t > 1 else g * g                   # (adopt.6)

    return theta, State(m, v, t)

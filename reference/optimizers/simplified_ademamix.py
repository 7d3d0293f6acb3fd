"""Simplified AdEMAMix: Adam by a decaying sum of gradients, to which the gradient itself is added.

Morwani et al., "Connections between Schedule-Free Optimizers, AdEMAMix, and Accelerated SGD
Variants", 2025.
https://arxiv.org/abs/2502.02431

The numbers in the right margin are the equations of spec/optimizers/simplified_ademamix.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-4
    beta1: float = 0.99
    beta2: float = 0.95
    alpha: float = 0.0
    eps: float = 1e-8


class State(NamedTuple):
    m: Array  # like theta: decaying sum of the gradients
    v: Array  # like theta: average of their squares
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The first step is 1 + alpha times as long as that of Adam:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1e-3, 1e3]), Hyper(lr=0.1, alpha=2.0)
    >>> update(theta, g, init(theta, hyper), hyper)[0].round(4)
    array([-0.3, -0.3])
    """
    xp = namespace(theta)
    lr, b1, b2, alpha, eps = hyper
    m, v, t = state

    t = t + 1                                                           # (simplified_ademamix.1)
    m = b1 * m + g                                                      # (simplified_ademamix.2)
    v = b2 * v + (1 - b2) * g * g                                       # (simplified_ademamix.3)
    v_hat = v / (1 - b2**t)                                             # (simplified_ademamix.4)
    u = (m + alpha * g) / (xp.sqrt(v_hat) + eps)                        # (simplified_ademamix.5)
    theta = theta - lr * u                                              # (simplified_ademamix.6)

    return theta, State(m, v, t)

"""Muon for kernels: each kernel of a convolution is the matrix of its outputs by all else.

Jordan et al., 2024, and Liu et al., "Muon is Scalable for LLM Training", 2025. As in timm.
https://kellerjordan.github.io/posts/muon/ and https://arxiv.org/abs/2502.16982

The numbers in the right margin are the equations of spec/optimizers/muon_conv.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.newton_schulz import newton_schulz


class Hyper(NamedTuple):
    lr: float = 0.02
    momentum: float = 0.95
    weight_decay: float = 0.0
    steps: int = 5


class State(NamedTuple):
    m: Array  # like theta: average of the gradients


def init(theta: Array, hyper: Hyper) -> State:
    return State(m=namespace(theta).zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take `theta`, of any shape (outputs, ...), and its gradient `g` through one step.

    How the inputs of a kernel are laid out makes no difference:

    >>> import numpy as np
    >>> hyper, kernel = Hyper(), np.arange(1.0, 17.0).reshape(2, 2, 2, 2)
    >>> matrix = kernel.reshape(2, 8)
    >>> a, _ = update(kernel, kernel, init(kernel, hyper), hyper)
    >>> b, _ = update(matrix, matrix, init(matrix, hyper), hyper)
    >>> np.array_equal(a.reshape(2, 8), b)
    True
    """
    xp = namespace(theta)
    lr, mu, wd, steps = hyper
    (m,) = state
    outputs = theta.shape[0] if theta.ndim else 1

    m = mu * m + (1 - mu) * g                                           # (muon_conv.1)
    u = mu * m + (1 - mu) * g                                           # (muon_conv.2)
    x = xp.reshape(u, (outputs, -1))                                    # (muon_conv.3)
    o = newton_schulz(x, steps)                                         # (muon_conv.4)
    o = 0.2 * max(x.shape) ** 0.5 * o                                   # (muon_conv.5)
    theta = (1 - lr * wd) * theta - lr * xp.reshape(o, theta.shape)     # (muon_conv.6)

    return theta, State(m)

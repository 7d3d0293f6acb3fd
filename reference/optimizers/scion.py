"""Scion: step towards a corner of a norm's ball, and so stay inside it.

Pethick et al., "Training Deep Learning Models with Norm-Constrained LMOs", 2025, with the spectral
norm. https://arxiv.org/abs/2502.07529 and github.com/LIONS-EPFL/scion

The numbers in the right margin are the equations of spec/optimizers/scion.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.newton_schulz import newton_schulz


class Hyper(NamedTuple):
    lr: float = 1e-3
    alpha: float = 0.1
    scale: float = 50.0
    steps: int = 5


class State(NamedTuple):
    m: Array  # like theta: average of the gradients


def init(theta: Array, hyper: Hyper) -> State:
    return State(m=namespace(theta).zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    With a rate of 1 what there was is forgotten at once:

    >>> import numpy as np
    >>> theta, g, hyper = np.ones((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=1.0, scale=1.0)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> abs(theta).round(2)
    array([[0.75, 0.  ],
           [0.  , 1.13]])
    """
    lr, alpha, scale, steps = hyper
    (m,) = state
    rows, cols = theta.shape

    m = (1 - alpha) * m + alpha * g                                     # (scion.1)
    o = (rows / cols) ** 0.5 * newton_schulz(m, steps)                  # (scion.2)
    theta = (1 - lr) * theta - lr * scale * o                           # (scion.3)

    return theta, State(m)

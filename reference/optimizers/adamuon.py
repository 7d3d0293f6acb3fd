"""AdaMuon: Muon of the signs, divided by the root of an average of its squares.

Si, Zhang, Shen, "AdaMuon: Adaptive Muon Optimizer", 2025, as in the authors' code.
https://arxiv.org/abs/2507.11005 and github.com/Chongjie-Si/AdaMuon

The numbers in the right margin are the equations of spec/optimizers/adamuon.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.newton_schulz import newton_schulz


class Hyper(NamedTuple):
    lr: float = 0.02
    momentum: float = 0.95
    weight_decay: float = 0.1
    steps: int = 5
    eps: float = 1e-8


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # like theta: average of the squares of what is orthogonalised


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta), v=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    The step has a root mean square of a fifth of `lr`:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=1.0)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> float(np.sqrt(np.mean(theta**2)).round(4))
    0.2
    """
    xp = namespace(theta)
    lr, mu, wd, steps, eps = hyper
    m, v = state
    rows, cols = theta.shape

    m = mu * m + (1 - mu) * g                                           # (adamuon.1)
    u = mu * m + (1 - mu) * g                                           # (adamuon.2)
    o = newton_schulz(xp.sign(u), steps)                                # (adamuon.3)
    v = mu * v + (1 - mu) * o * o                                       # (adamuon.4)
    o = o / (xp.sqrt(v) + eps)                                          # (adamuon.5)
    c = 0.2 * (rows * cols) ** 0.5 / (xp.sqrt(xp.sum(o * o)) + eps)     # (adamuon.6)
    theta = (1 - lr * wd) * theta - lr * c * o                          # (adamuon.7)

    return theta, State(m, v)

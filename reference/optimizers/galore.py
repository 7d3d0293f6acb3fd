"""GaLore: Adam in a subspace that the gradient spans, renewed every few hundred steps.

Zhao et al., "GaLore: Memory-Efficient LLM Training by Gradient Low-Rank Projection", 2024,
Algorithm 2, as in the authors' code. https://arxiv.org/abs/2403.03507

The numbers in the right margin are the equations of spec/optimizers/galore.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.leading_basis import leading_basis


class Hyper(NamedTuple):
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-6
    weight_decay: float = 0.0
    rank: int = 128
    every: int = 200
    scale: float = 1.0


class State(NamedTuple):
    m: Array  # longer side x rank: average of the projected gradients
    v: Array  # longer side x rank: average of their squares
    P: Array  # shorter side x rank: the subspace
    t: int  # steps taken


def turned(g: Array) -> Array:
    """A matrix with its shorter side last: the side that is projected."""
    rows, cols = g.shape
    return g if rows >= cols else g.T                                   # (galore.1)


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    x, r = turned(theta), min(hyper.rank, *theta.shape)
    m, P = xp.zeros_like(x[:, :r]), xp.zeros_like(x.T[:, :r])
    return State(m=m, v=m, P=P, t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    Nothing happens outside of the subspace:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=0.5, rank=1)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> abs(theta).round(4)
    array([[0.5, 0. ],
           [0. , 0. ]])
    """
    xp = namespace(theta)
    lr, b1, b2, eps, wd, rank, every, scale = hyper
    m, v, P, t = state

    x = turned(g)                                                       # (galore.2)
    if t % every == 0:
        P = leading_basis(x, rank)                                      # (galore.3)
    t = t + 1                                                           # (galore.4)
    y = x @ P                                                           # (galore.5)
    m = b1 * m + (1 - b1) * y                                           # (galore.6)
    v = b2 * v + (1 - b2) * y * y                                       # (galore.7)
    c = (1 - b2**t) ** 0.5 / (1 - b1**t)                                # (galore.8)
    u = (m / (xp.sqrt(v) + eps)) @ P.T                                  # (galore.9)
    u = u if u.shape == theta.shape else u.T                            # (galore.10)
    theta = theta - lr * scale * c * u                                  # (galore.11)
    theta = (1 - lr * wd) * theta                                       # (galore.12)

    return theta, State(m, v, P, t)

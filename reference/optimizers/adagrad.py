"""Adagrad: divide each gradient by the root of the sum of all its squares so far.

Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
Optimization", JMLR 12, 2011, Figure 1, with diagonal matrices.
https://jmlr.org/papers/v12/duchi11a.html

The numbers in the right margin are the equations of spec/optimizers/adagrad.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    eps: float = 1e-10
    initial_accumulator: float = 0.0


class State(NamedTuple):
    G: Array  # like theta: sum of the squares of the gradients


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(G=xp.full_like(theta, hyper.initial_accumulator))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Under a constant gradient step t has length lr / sqrt(t): the fourth is half the first.

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1e-3, 1e3]), Hyper(lr=1.0)
    >>> state = init(theta, hyper)
    >>> for _ in range(4):
    ...     before = theta
    ...     theta, state = update(theta, g, state, hyper)
    >>> (before - theta).round(6)
    array([0.5, 0.5])
    """
    xp = namespace(theta)
    lr, eps, _ = hyper
    (G,) = state

    G = G + g * g                                                       # (adagrad.1)
    theta = theta - lr * g / (xp.sqrt(G) + eps)                         # (adagrad.2)

    return theta, State(G)

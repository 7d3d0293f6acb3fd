"""Polyak step: SGD whose rate is set by how far the loss is from its minimum.

Loizou et al., "Stochastic Polyak Step-size for SGD: An Adaptive Learning Rate for Fast
Convergence", 2021, equation 4, SPS_max.
https://arxiv.org/abs/2002.10542

The numbers in the right margin are the equations of spec/optimizers/polyak_sgd.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1.0
    c: float = 0.5
    low: float = 0.0


class State(NamedTuple):
    """Nothing is remembered."""


class Given(NamedTuple):
    loss: float  # the loss, of this batch and at the parameters


def init(theta: dict[str, Array], hyper: Hyper) -> State:
    return State()


def update(
    theta: dict[str, Array], g: dict[str, Array], state: State, hyper: Hyper, given: Given
) -> tuple[dict[str, Array], State]:
    """Take parameters `theta` through one step, by their gradients `g` and the loss.

    For f = x^2 / 2, whose minimum is zero, and c = 1/2 it is there at once:

    >>> import numpy as np
    >>> theta = {"x": np.array([8.0, -6.0])}
    >>> loss = float(np.sum(theta["x"] ** 2)) / 2
    >>> update(theta, theta, init(theta, Hyper()), Hyper(), Given(loss))[0]["x"]
    array([0., 0.])
    """
    xp = namespace(*g.values())
    lr, c, low = hyper
    (loss,) = given

    s = sum(xp.sum(x * x) for x in g.values())                          # (polyak_sgd.1)
    d = xp.where(s > 0, c * s, 1.0)                                     # (polyak_sgd.2)
    rate = xp.minimum((loss - low) / d, lr)                             # (polyak_sgd.3)
    theta = {k: x - rate * g[k] for k, x in theta.items()}              # (polyak_sgd.4)

    return theta, state

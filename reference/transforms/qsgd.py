"""QSGD: round each element at random to one of few levels, without bias.

Alistarh, Grubic, Li, Tomioka and Vojnovic, "QSGD: Communication-Efficient SGD via Gradient
Quantization and Encoding", 2017, section 3.1. https://arxiv.org/abs/1610.02132

The numbers in the right margin are the equations of spec/transforms/qsgd.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    levels: int = 16


class State(NamedTuple):
    """Nothing is remembered."""


class Given(NamedTuple):
    chance: Array  # like theta: a number in [0, 1) for each element


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, given: Given
) -> tuple[Array, Array, State]:
    """Change the gradient `g` of parameter `theta`, both of any one shape, before a rule sees it.

    With one level there is nothing, or the norm, which here is 5:

    >>> import numpy as np
    >>> theta, g = np.zeros(2), np.array([3.0, 4.0])
    >>> update(theta, g, State(), Hyper(levels=1), Given(chance=np.array([0.5, 0.9])))[1]
    array([5., 0.])
    """
    xp = namespace(theta)
    (s,) = hyper
    (r,) = given

    norm = xp.sqrt(xp.sum(g * g))                                       # (qsgd.1)
    x = s * xp.abs(g) / xp.where(norm > 0, norm, 1.0)                   # (qsgd.2)
    level = xp.where(r < x - xp.floor(x), xp.floor(x) + 1, xp.floor(x)) # (qsgd.3)
    g = norm * xp.sign(g) * level / s                                   # (qsgd.4)

    return theta, g, state

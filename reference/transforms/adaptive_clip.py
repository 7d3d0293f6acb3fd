"""Adaptive gradient clipping: scale the gradient of each unit that is large beside its weights.

Brock, De, Smith and Simonyan, "High-Performance Large-Scale Image Recognition Without
Normalization", 2021, equation 3. https://arxiv.org/abs/2102.06171

The numbers in the right margin are the equations of spec/transforms/adaptive_clip.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    clipping: float = 0.01
    eps: float = 0.001


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, Array, State]:
    """Change the gradient `g` of parameter `theta`, both of any one shape, before a rule sees it.

    Of two rows, each a unit, only that is scaled whose gradient is the larger beside its weights:

    >>> import numpy as np
    >>> theta, g = np.array([[3.0, 4.0], [3.0, 4.0]]), np.array([[6.0, 8.0], [0.6, 0.8]])
    >>> update(theta, g, State(), Hyper(clipping=0.5))[1]
    array([[1.5, 2. ],
           [0.6, 0.8]])
    """
    xp = namespace(theta)
    most, eps = hyper
    axes = tuple(range(1, theta.ndim)) or None

    weights = xp.sqrt(xp.sum(theta * theta, axis=axes, keepdims=True))  # (adaptive_clip.1)
    norm = xp.sqrt(xp.sum(g * g, axis=axes, keepdims=True))             # (adaptive_clip.2)
    bound = most * xp.maximum(weights, eps)                             # (adaptive_clip.3)
    clipped = bound / xp.maximum(norm, 1e-6) * g                        # (adaptive_clip.4)
    g = xp.where(norm > bound, clipped, g)                              # (adaptive_clip.5)

    return theta, g, state

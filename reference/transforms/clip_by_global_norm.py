"""Clipping by the global norm: scale all gradients by one factor, so that their norm is bounded.

Pascanu, Mikolov and Bengio, "On the difficulty of training Recurrent Neural Networks", 2013,
Algorithm 1. https://arxiv.org/abs/1211.5063

The numbers in the right margin are the equations of spec/transforms/clip_by_global_norm.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    max_norm: float = 1.0


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: dict[str, Array], hyper: Hyper) -> State:
    return State()


def update(
    theta: dict[str, Array], g: dict[str, Array], state: State, hyper: Hyper
) -> tuple[dict[str, Array], dict[str, Array], State]:
    """Change the gradients `g`, arrays of any shapes by name, before a rule sees them.

    There is one norm over all tensors, here 5, and one factor, so that the direction is kept:

    >>> import numpy as np
    >>> g, hyper = {"weight": np.array([[3.0, 0.0]]), "bias": np.array(4.0)}, Hyper(max_norm=1.0)
    >>> theta, g, state = update(g, g, init(g, hyper), hyper)
    >>> print(g["weight"], g["bias"])
    [[0.6 0. ]] 0.8
    """
    xp = namespace(*g.values())
    (max_norm,) = hyper

    norm = xp.sqrt(sum(xp.sum(x * x) for x in g.values()))              # (clip_by_global_norm.1)
    scale = max_norm / xp.maximum(norm, max_norm)                       # (clip_by_global_norm.2)
    g = {name: scale * x for name, x in g.items()}                      # (clip_by_global_norm.3)

    return theta, g, state

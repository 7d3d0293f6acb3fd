"""Hyperbolic decay, as in Amos: fall as one over the count, from the scale of the weights.

Tian and Parikh, "Amos: An Adam-style Optimizer with Adaptive Weight Decay towards
Model-Oriented Scale", 2022, as Su Jianlin reads it. https://arxiv.org/abs/2210.11693 and
https://kexue.fm/archives/9344

The numbers in the right margin are the equations of spec/schedules/hyperbolic.toml.
"""

from typing import NamedTuple

from .._scalar import Number


class Hyper(NamedTuple):
    scale: float = 0.036
    decay: float = 0.001


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    >>> [round(value(t, Hyper(scale=0.5, decay=1.0)), 3) for t in range(4)]
    [0.5, 0.25, 0.167, 0.125]
    """
    scale, decay = hyper

    f = scale / (1 + decay * t)                                         # (hyperbolic.1)

    return f

"""Cosine decay with restarts: fall along half a wave of the cosine, again and again.

Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, equation 5.
https://arxiv.org/abs/1608.03983

The numbers in the right margin are the equations of spec/schedules/cosine_restarts.toml.
"""

from math import pi
from typing import NamedTuple

from .._scalar import Number, cos


class Hyper(NamedTuple):
    period: int = 1000
    mult: int = 2
    end: float = 0.0


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    >>> [round(value(t, Hyper(period=2, mult=2)), 3) for t in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """
    period, mult, end = hyper

    while t >= period:
        t, period = t - period, mult * period                           # (cosine_restarts.1)
    f = end + (1 - end) * (1 + cos(pi * t / period)) / 2                # (cosine_restarts.2)

    return f

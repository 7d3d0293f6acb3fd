"""Cosine decay: fall along half a wave of the cosine, slowly at first and at last.

Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, equation 5,
without restarts. https://arxiv.org/abs/1608.03983

The numbers in the right margin are the equations of spec/schedules/cosine.toml.
"""

from math import pi
from typing import NamedTuple

from .._scalar import Number, cos, minimum


class Hyper(NamedTuple):
    total: int = 10000
    end: float = 0.0


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    >>> [round(value(t, Hyper(total=4)), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    total, end = hyper

    x = minimum(t, total) / total                                       # (cosine.1)
    f = end + (1 - end) * (1 + cos(pi * x)) / 2                         # (cosine.2)

    return f

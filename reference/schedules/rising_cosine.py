"""Rising cosine: rise along half a wave of the cosine, as a weight decay does that comes in late.

Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, equation 5,
turned round. https://arxiv.org/abs/1608.03983

The numbers in the right margin are the equations of spec/schedules/rising_cosine.toml.
"""

from math import pi
from typing import NamedTuple

from .._scalar import Number, cos, minimum


class Hyper(NamedTuple):
    total: int = 10000


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    It is meant for the decay, as in `lion@weight_decay=rising_cosine`:

    >>> [round(value(t, Hyper(total=4)), 3) for t in range(6)]
    [0.0, 0.146, 0.5, 0.854, 1.0, 1.0]
    """
    (total,) = hyper

    x = minimum(t, total) / total                                       # (rising_cosine.1)
    f = (1 - cos(pi * x)) / 2                                           # (rising_cosine.2)

    return f

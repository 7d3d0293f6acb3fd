"""Polynomial decay: fall as a power of what is left of the way.

Liu, Rabinovich and Berg, "ParseNet: Looking Wider to See Better", 2015, section 4, the poly
policy. https://arxiv.org/abs/1506.04579

The numbers in the right margin are the equations of spec/schedules/polynomial.toml.
"""

from typing import NamedTuple

from .._scalar import Number, minimum


class Hyper(NamedTuple):
    total: int = 10000
    power: float = 0.9
    end: float = 0.0


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    >>> [value(t, Hyper(total=4, power=2.0)) for t in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """
    total, power, end = hyper

    x = minimum(t, total) / total                                       # (polynomial.1)
    f = end + (1 - end) * (1 - x) ** power                              # (polynomial.2)

    return f

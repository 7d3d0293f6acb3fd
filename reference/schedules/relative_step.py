"""Adafactor's relative step: fall as one over the root of the count, from a cap.

Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018,
Algorithm 4 and section 9. https://arxiv.org/abs/1804.04235

The numbers in the right margin are the equations of spec/schedules/relative_step.toml.
"""

from typing import NamedTuple

from .._scalar import Number, minimum


class Hyper(NamedTuple):
    cap: float = 0.01


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 1 at the first.

    >>> [round(value(t, Hyper(cap=0.6)), 3) for t in range(1, 6)]
    [0.6, 0.6, 0.577, 0.5, 0.447]
    """
    (cap,) = hyper

    f = minimum(cap, t**-0.5)                                           # (relative_step.1)

    return f

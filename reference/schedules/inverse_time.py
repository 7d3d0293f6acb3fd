"""Inverse time decay: fall as one over the count.

Robbins and Monro, "A Stochastic Approximation Method", 1951, equation 27.
https://doi.org/10.1214/aoms/1177729586; Bottou, "Stochastic Gradient Descent Tricks", 2012,
section 5.2. https://doi.org/10.1007/978-3-642-35289-8_25

The numbers in the right margin are the equations of spec/schedules/inverse_time.toml.
"""

from typing import NamedTuple

from .._scalar import Number


class Hyper(NamedTuple):
    decay: float = 0.0001


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    >>> [value(t, Hyper(decay=1.0)) for t in range(4)]
    [1.0, 0.5, 0.3333333333333333, 0.25]
    """
    (decay,) = hyper

    f = 1 / (1 + decay * t)                                             # (inverse_time.1)

    return f

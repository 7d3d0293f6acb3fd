"""Inverse square root: rise in equal steps, then fall as one over the root of the count.

Vaswani et al., "Attention Is All You Need", 2017, equation 3, over its largest value.
https://arxiv.org/abs/1706.03762

The numbers in the right margin are the equations of spec/schedules/inverse_sqrt.toml.
"""

from typing import NamedTuple

from .._scalar import Number, minimum


class Hyper(NamedTuple):
    warmup: int = 4000


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 1 at the first.

    >>> [round(value(t, Hyper(warmup=2)), 3) for t in range(1, 6)]
    [0.5, 1.0, 0.816, 0.707, 0.632]
    """
    (warmup,) = hyper

    f = minimum(t / warmup, (warmup / t) ** 0.5)                        # (inverse_sqrt.1)

    return f

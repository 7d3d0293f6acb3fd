"""Square-root scaling rule: multiply the rate by the root of what the batch is multiplied by.

Malladi, Lyu, Panigrahi and Arora, "On the SDEs and Scaling Rules for Adaptive Gradient
Algorithms", 2022, definition 5.2. https://arxiv.org/abs/2205.10287; Krizhevsky, "One weird
trick for parallelizing convolutional neural networks", 2014, section 3.2.
https://arxiv.org/abs/1404.5997

The numbers in the right margin are the equations of spec/schedules/sqrt_scaling.toml.
"""

from typing import NamedTuple

from .._scalar import Number


class Hyper(NamedTuple):
    batch: float = 1024.0
    base: float = 256.0


def value(t: int, hyper: Hyper) -> Number:
    """The factor, the same at every step `t`.

    >>> value(0, Hyper(batch=1024.0, base=256.0))
    2.0
    """
    batch, base = hyper

    f = (batch / base) ** 0.5                                           # (sqrt_scaling.1)

    return f

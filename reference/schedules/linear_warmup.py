"""Linear warm-up: rise in equal steps to the whole rate.

Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017, section 2.2,
gradual warm-up. https://arxiv.org/abs/1706.02677

The numbers in the right margin are the equations of spec/schedules/linear_warmup.toml.
"""

from typing import NamedTuple

from .._scalar import Number, minimum


class Hyper(NamedTuple):
    start: float = 0.1
    warmup: int = 1000


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    With a start of 0 the first step goes nowhere:

    >>> [value(t, Hyper(start=0, warmup=4)) for t in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    start, warmup = hyper

    x = minimum(t, warmup) / warmup                                     # (linear_warmup.1)
    f = start + (1 - start) * x                                         # (linear_warmup.2)

    return f

"""Linear scaling rule: scale the rate in proportion to the batch.

Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017, section 2.1.
https://arxiv.org/abs/1706.02677

The numbers in the right margin are the equations of spec/schedules/linear_scaling.toml.
"""

from typing import NamedTuple

from .._scalar import Number


class Hyper(NamedTuple):
    batch: float = 1024.0
    base: float = 256.0


def value(t: int, hyper: Hyper) -> Number:
    """The factor, the same at every step `t`.

    >>> value(0, Hyper(batch=1024.0, base=256.0))
    4.0
    """
    batch, base = hyper

    f = batch / base                                                    # (linear_scaling.1)

    return f

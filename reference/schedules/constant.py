"""Constant: take a share of the rate for some steps, and then the whole.

torch.optim.lr_scheduler.ConstantLR.
https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ConstantLR.html

The numbers in the right margin are the equations of spec/schedules/constant.toml.
"""

from typing import NamedTuple

from .._scalar import Number


class Hyper(NamedTuple):
    share: float = 1.0
    total: int = 5


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    A share of the rate for two steps, and then the whole:

    >>> [value(t, Hyper(share=0.5, total=2)) for t in range(4)]
    [0.5, 0.5, 1, 1]
    """
    share, total = hyper

    f = share if t < total else 1                                       # (constant.1)

    return f

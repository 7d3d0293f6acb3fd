"""Exponential decay: multiply the rate by one factor at every step.

torch.optim.lr_scheduler.ExponentialLR.
https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ExponentialLR.html

The numbers in the right margin are the equations of spec/schedules/exponential.toml.
"""

from typing import NamedTuple

from .._scalar import Number


class Hyper(NamedTuple):
    gamma: float = 0.999


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    >>> [value(t, Hyper(gamma=0.5)) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """
    (gamma,) = hyper

    f = gamma**t                                                        # (exponential.1)

    return f

"""Step decay: multiply the rate by one factor every so many steps.

torch.optim.lr_scheduler.StepLR.
https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html

The numbers in the right margin are the equations of spec/schedules/step_decay.toml.
"""

from typing import NamedTuple

from .._scalar import Number


class Hyper(NamedTuple):
    gamma: float = 0.1
    period: int = 1000


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    >>> [value(t, Hyper(gamma=0.5, period=2)) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    gamma, period = hyper

    n = t // period                                                     # (step_decay.1)
    f = gamma**n                                                        # (step_decay.2)

    return f

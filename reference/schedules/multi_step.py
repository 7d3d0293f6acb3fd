"""Multi-step decay: multiply the rate by one factor at two milestones.

He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2016, section 4.2:
divided by 10 at 32k and 48k iterations. https://arxiv.org/abs/1512.03385

The numbers in the right margin are the equations of spec/schedules/multi_step.toml.
"""

from typing import NamedTuple

from .._scalar import Number


class Hyper(NamedTuple):
    gamma: float = 0.1
    first: int = 32000
    second: int = 48000


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    >>> [value(t, Hyper(gamma=0.5, first=2, second=4)) for t in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    gamma, first, second = hyper

    n = sum(1 for milestone in (first, second) if t >= milestone)       # (multi_step.1)
    f = gamma**n                                                        # (multi_step.2)

    return f

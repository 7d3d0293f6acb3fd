"""Lion's rate from Adam's: divide the rate that suits Adam, for an update of signs.

Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, section 5: a rate 3 to 10
times smaller, a decay as much larger. https://arxiv.org/abs/2302.06675

The numbers in the right margin are the equations of spec/schedules/lion_from_adam.toml.
"""

from typing import NamedTuple

from .._scalar import Number


class Hyper(NamedTuple):
    ratio: float = 10.0


def value(t: int, hyper: Hyper) -> Number:
    """The factor, the same at every step `t`.

    >>> value(0, Hyper(ratio=10.0))
    0.1
    """
    (ratio,) = hyper

    f = 1 / ratio                                                       # (lion_from_adam.1)

    return f

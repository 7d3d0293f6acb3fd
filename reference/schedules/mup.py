"""muP scaling of the rate: divide the rate of hidden matrices by what the width is multiplied by.

Yang et al., "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter
Transfer", 2022, table 8, hidden weights under Adam. https://arxiv.org/abs/2203.03466

The numbers in the right margin are the equations of spec/schedules/mup.toml.
"""

from typing import NamedTuple

from .._scalar import Number


class Hyper(NamedTuple):
    width: float = 4096.0
    base: float = 256.0


def value(t: int, hyper: Hyper) -> Number:
    """The factor, the same at every step `t`.

    >>> value(0, Hyper(width=4096.0, base=256.0))
    0.0625
    """
    width, base = hyper

    f = base / width                                                    # (mup.1)

    return f

"""Rate by the gradient noise scale: give the share of the largest rate that a batch can use.

McCandlish, Kaplan, Amodei and the OpenAI Dota Team, "An Empirical Model of Large-Batch
Training", 2018, equation 2.6. https://arxiv.org/abs/1812.06162

The numbers in the right margin are the equations of spec/schedules/noise_scale.toml.
"""

from typing import NamedTuple

from .._scalar import Number


class Hyper(NamedTuple):
    batch: float = 1024.0
    noise: float = 1024.0


def value(t: int, hyper: Hyper) -> Number:
    """The factor, the same at every step `t`.

    >>> value(0, Hyper(batch=1024.0, noise=1024.0))
    0.5
    """
    batch, noise = hyper

    f = 1 / (1 + noise / batch)                                         # (noise_scale.1)

    return f

"""Warm-up, stable, decay: rise, stay, and cool down at the end.

Hägele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations",
2024, equations 1 and 2. https://arxiv.org/abs/2405.18392; Hu et al., "MiniCPM", 2024, section
4, WSD. https://arxiv.org/abs/2404.06395

The numbers in the right margin are the equations of spec/schedules/wsd.toml.
"""

from typing import NamedTuple

from .._scalar import Number, maximum, minimum


class Hyper(NamedTuple):
    warmup: int = 1000
    stable: int = 7000
    decay: int = 2000


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    >>> [round(value(t, Hyper(warmup=2, stable=2, decay=4)), 3) for t in range(9)]
    [0.0, 0.5, 1, 1, 1.0, 0.5, 0.293, 0.134, 0.0]
    """
    warmup, stable, decay = hyper
    start = warmup + stable

    x = minimum(maximum(t - start, 0) / decay, 1)                       # (wsd.1)
    f = t / warmup if t < warmup else 1 - x**0.5 if t >= start else 1   # (wsd.2)

    return f

"""One cycle: rise along a cosine to the whole rate, and fall along another to nearly nothing.

Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
Rates", 2018, with the cosines of fastai. https://arxiv.org/abs/1708.07120;
torch.optim.lr_scheduler.OneCycleLR.
https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html

The numbers in the right margin are the equations of spec/schedules/one_cycle.toml.
"""

from math import pi
from typing import NamedTuple

from .._scalar import Number, cos, minimum


class Hyper(NamedTuple):
    total: int = 10000
    share: float = 0.3
    div: float = 25.0
    final_div: float = 10000.0


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    >>> [round(value(t, Hyper(total=10, share=0.3)), 3) for t in range(10)]
    [0.04, 0.52, 1.0, 0.95, 0.812, 0.611, 0.389, 0.188, 0.05, 0.0]
    """
    total, share, div, final = hyper

    peak = share * total - 1                                            # (one_cycle.1)
    x = t / peak if t <= peak else (t - peak) / (total - 1 - peak)      # (one_cycle.2)
    a = 1 / div if t <= peak else 1                                     # (one_cycle.3)
    b = 1 if t <= peak else 1 / (div * final)                           # (one_cycle.4)
    f = b + (a - b) * (1 + cos(pi * minimum(x, 1))) / 2                 # (one_cycle.5)

    return f

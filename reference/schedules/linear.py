"""Linear decay: fall in equal steps.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
2019, appendix A.2: linear decay of the learning rate. https://arxiv.org/abs/1810.04805

The numbers in the right margin are the equations of spec/schedules/linear.toml.
"""

from typing import NamedTuple

from .._scalar import Number, minimum


class Hyper(NamedTuple):
    total: int = 10000
    end: float = 0.0


def value(t: int, hyper: Hyper) -> Number:
    """The factor of step `t`, which is 0 at the first.

    >>> [value(t, Hyper(total=4)) for t in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    total, end = hyper

    x = minimum(t, total) / total                                       # (linear.1)
    f = 1 + (end - 1) * x                                               # (linear.2)

    return f

"""Skipping what is not finite: take no step if a gradient holds an infinity or a NaN.

Micikevicius et al., "Mixed Precision Training", 2018, section 3.2.
https://arxiv.org/abs/1710.03740

The numbers in the right margin are the equations of spec/wrappers/skip_nonfinite.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner, namespace


class Hyper(NamedTuple):
    """There is nothing to choose."""


class State(NamedTuple):
    skipped: int  # steps skipped


def init(theta: dict[str, Array], hyper: Hyper) -> State:
    return State(skipped=0)


def update(
    theta: dict[str, Array], g: dict[str, Array], state: State, hyper: Hyper, inner: Inner
) -> tuple[dict[str, Array], State]:
    """Take parameters `theta` and gradients `g`, both by name, through one step of `inner`.

    One NaN stops the whole model for this step:

    >>> import numpy as np
    >>> theta, g = {"a": np.ones(1), "b": np.ones(1)}, {"a": np.ones(1), "b": np.array([np.nan])}
    >>> theta, state = update(theta, g, init(theta, Hyper()), Hyper(), None)
    >>> theta, state
    ({'a': array([1.]), 'b': array([1.])}, State(skipped=1))
    """
    xp = namespace(*g.values())
    (n,) = state

    finite = all(xp.all(xp.isfinite(x)) for x in g.values())            # (skip_nonfinite.1)
    theta = inner(theta, g) if finite else theta                        # (skip_nonfinite.2)
    n = n if finite else n + 1                                          # (skip_nonfinite.3)

    return theta, State(n)

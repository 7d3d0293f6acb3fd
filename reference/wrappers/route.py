"""Routing by shape: matrices through one rule, everything else through another, as in `muon|adamw`.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024: matrices by
Muon, all else by AdamW. https://kellerjordan.github.io/posts/muon/

The numbers in the right margin are the equations of spec/wrappers/route.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner


class Hyper(NamedTuple):
    """There is nothing to choose."""


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, first: Inner, second: Inner
) -> tuple[Array, State]:
    """Take parameter `theta`, of any shape like its gradient `g`, through `first` or `second`.

    A matrix goes downhill here, and a vector uphill:

    >>> import numpy as np
    >>> first, second = (lambda theta, g: theta - g), (lambda theta, g: theta + g)
    >>> for theta in (np.ones((1, 2)), np.ones(2)):
    ...     print(update(theta, theta, State(), Hyper(), first, second)[0])
    [[0. 0.]]
    [2. 2.]
    """

    theta = first(theta, g) if theta.ndim == 2 else second(theta, g)    # (route.1)

    return theta, state

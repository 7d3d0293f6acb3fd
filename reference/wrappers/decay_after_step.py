"""Weight decay after the step: step first, then shrink the parameter where it has got to.

The other order of line 12 of Algorithm 2 of Loshchilov and Hutter, "Decoupled Weight Decay
Regularization", 2019, as github.com/nikhilvyas/SOAP has it. https://arxiv.org/abs/1711.05101

The numbers in the right margin are the equations of spec/wrappers/decay_after_step.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner


class Hyper(NamedTuple):
    lr: float = 0.001
    weight_decay: float = 0.01


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, inner: Inner
) -> tuple[Array, State]:
    """Take parameter `theta`, of any shape like its gradient `g`, through one step of `inner`.

    The step goes to 3, of which a quarter is lost:

    >>> import numpy as np
    >>> theta, g, descend = np.array([4.0]), np.array([2.0]), lambda theta, g: theta - 0.5 * g
    >>> update(theta, g, State(), Hyper(lr=0.5, weight_decay=0.5), descend)[0]
    array([2.25])
    """
    lr, wd = hyper

    theta = inner(theta, g)                                             # (decay_after_step.1)
    theta = theta - lr * wd * theta                                     # (decay_after_step.2)

    return theta, state

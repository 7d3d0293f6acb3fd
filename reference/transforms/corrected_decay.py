"""AdamC, corrected weight decay: let the decay follow the square of the learning rate.

Defazio, "Why Gradients Rapidly Increase Near the End of Training", 2025, Algorithm 1 (AdamC).
https://arxiv.org/abs/2506.02285

The numbers in the right margin are the equations of spec/transforms/corrected_decay.toml.
"""

from typing import NamedTuple

from .._array import Array


class Hyper(NamedTuple):
    lr: float = 0.001
    weight_decay: float = 0.01
    max_lr: float = 0.001


class State(NamedTuple):
    """Nothing is remembered."""


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, Array, State]:
    """Change parameter `theta`, of any shape like its gradient `g`, before a rule steps it.

    At half of the largest rate, half of the decay is left:

    >>> import numpy as np
    >>> theta, g = np.array([4.0]), np.array([1.0])
    >>> update(theta, g, State(), Hyper(lr=0.5, weight_decay=0.5, max_lr=1.0))[0]
    array([3.5])
    """
    lr, wd, max_lr = hyper

    wd = wd * lr / max_lr                                               # (corrected_decay.1)
    theta = theta - lr * wd * theta                                     # (corrected_decay.2)

    return theta, g, state

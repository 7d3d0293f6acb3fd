"""Tiger: Signum with a rate in proportion to the size of the tensor.

Su, "Tiger: A Tight-fisted Optimizer", 2023.
https://kexue.fm/archives/9512

The numbers in the right margin are the equations of spec/optimizers/tiger.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.001
    beta: float = 0.965
    weight_decay: float = 0.01


class State(NamedTuple):
    m: Array  # like theta: average of the gradients


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(m=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    A tensor ten times as large moves ten times as far:

    >>> import numpy as np
    >>> g, hyper = np.array([5.0, -1.0]), Hyper(lr=0.01, weight_decay=0.0)
    >>> for theta in (np.array([1.0, 1.0]), np.array([10.0, 10.0])):
    ...     print(update(theta, g, init(theta, hyper), hyper)[0] - theta)
    [-0.01  0.01]
    [-0.1  0.1]
    """
    xp = namespace(theta)
    lr, b, wd = hyper
    (m,) = state

    if 0 in theta.shape:
        return theta, state
    m = b * m + (1 - b) * g                                             # (tiger.1)
    r = xp.sqrt(xp.mean(theta * theta))                                 # (tiger.2)
    theta = theta - lr * r * (xp.sign(m) + wd * theta)                  # (tiger.3)

    return theta, State(m)

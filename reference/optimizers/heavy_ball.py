"""Heavy ball: a velocity gathers the steps, and loses a fixed share of itself at each.

Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; as written in
Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013,
equations 1 and 2. https://proceedings.mlr.press/v28/sutskever13.html

The numbers in the right margin are the equations of spec/optimizers/heavy_ball.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    momentum: float = 0.9


class State(NamedTuple):
    v: Array  # like theta: the velocity, which is the last step taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(v=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Under a constant gradient the steps grow to 1 / (1 - momentum) times those of SGD, here ten:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1.0, -3.0]), Hyper(lr=0.1, momentum=0.9)
    >>> state = init(theta, hyper)
    >>> for _ in range(200):
    ...     theta, state = update(theta, g, state, hyper)
    >>> state.v.round(6)
    array([-1.,  3.])
    """
    lr, mu = hyper
    (v,) = state

    v = mu * v - lr * g                                                 # (heavy_ball.1)
    theta = theta + v                                                   # (heavy_ball.2)

    return theta, State(v)

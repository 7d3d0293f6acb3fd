"""Rprop: longer steps while the sign of the gradient stays, shorter ones when it turns.

Riedmiller and Braun, "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP
Algorithm", 1993.
https://ieeexplore.ieee.org/document/298623

The numbers in the right margin are the equations of spec/optimizers/rprop.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    eta_minus: float = 0.5
    eta_plus: float = 1.2
    step_min: float = 1e-6
    step_max: float = 50.0


class State(NamedTuple):
    h: Array  # like theta: the last gradient, or zero where it turned
    s: Array  # like theta: the length of the step


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(h=xp.zeros_like(theta), s=xp.full_like(theta, hyper.lr))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    How large a gradient is makes no difference, only whether its sign stays:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(2), Hyper(lr=0.1)
    >>> state = init(theta, hyper)
    >>> for g in ([1.0, 1.0], [9.0, -0.1], [1.0, -0.1]):
    ...     theta, state = update(theta, np.array(g), state, hyper)
    >>> theta, state.s
    (array([-0.364, -0.05 ]), array([0.144, 0.05 ]))
    """
    xp = namespace(theta)
    _, down, up, shortest, longest = hyper
    h, s = state

    turn = g * h                                                        # (rprop.1)
    k = xp.where(turn < 0, down * s, s)                                 # (rprop.2)
    f = xp.where(turn > 0, up * s, k)                                   # (rprop.3)
    s = xp.clip(f, shortest, longest)                                   # (rprop.4)
    h = xp.where(turn < 0, xp.zeros_like(g), g)                         # (rprop.5)
    theta = theta - s * xp.sign(h)                                      # (rprop.6)

    return theta, State(h, s)

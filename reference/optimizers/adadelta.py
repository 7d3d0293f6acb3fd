"""Adadelta: step by the size that steps have had, over the size that gradients have had.

Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012, Algorithm 1, with a learning rate before
its step.
https://arxiv.org/abs/1212.5701

The numbers in the right margin are the equations of spec/optimizers/adadelta.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1.0
    rho: float = 0.9
    eps: float = 1e-6


class State(NamedTuple):
    v: Array  # like theta: average of the squares of the gradients
    u: Array  # like theta: average of the squares of the steps


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(v=xp.zeros_like(theta), u=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The step has the unit of the parameter, and so does not depend on that of the loss:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(2), Hyper(eps=1e-6)
    >>> theta, state = update(theta, np.array([1e3, 1e6]), init(theta, hyper), hyper)
    >>> theta.round(6)
    array([-0.003162, -0.003162])
    """
    xp = namespace(theta)
    lr, rho, eps = hyper
    v, u = state

    v = rho * v + (1 - rho) * g * g                                     # (adadelta.1)
    d = xp.sqrt(u + eps) / xp.sqrt(v + eps) * g                         # (adadelta.2)
    u = rho * u + (1 - rho) * d * d                                     # (adadelta.3)
    theta = theta - lr * d                                              # (adadelta.4)

    return theta, State(v, u)

"""Nesterov momentum: the heavy ball, with the gradient taken where the velocity is about to lead.

Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k^2)", 1983;
as rewritten in Bengio et al., "Advances in Optimizing Recurrent Networks", 2012, equation 7.
https://arxiv.org/abs/1212.0901

The numbers in the right margin are the equations of spec/optimizers/nesterov.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    momentum: float = 0.9


class State(NamedTuple):
    v: Array  # like theta: the velocity


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(v=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    `theta` is the point ahead, where the gradient is taken. What moves by `v` is the point behind,
    `theta - momentum * v`; so from rest the first step is 1 + momentum times that of SGD:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1.0, -3.0]), Hyper(lr=1.0, momentum=0.5)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta
    array([-1.5,  4.5])
    >>> theta - 0.5 * state.v, state.v
    (array([-1.,  3.]), array([-1.,  3.]))
    """
    lr, mu = hyper
    (v,) = state

    v = mu * v - lr * g                                                 # (nesterov.1)
    theta = theta + mu * v - lr * g                                     # (nesterov.2)

    return theta, State(v)

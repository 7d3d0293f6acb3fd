"""K-FAC: the inverse of a Kronecker product of what goes into a layer and what comes back.

Martens and Grosse, "Optimizing Neural Networks with Kronecker-factored Approximate Curvature",
2015, sections 3, 4.2 and 6.3. https://arxiv.org/abs/1503.05671

The numbers in the right margin are the equations of spec/optimizers/kfac.toml.
"""

from typing import NamedTuple

from .._array import Array, eye, namespace
from ..iterations.inverse_root import inverse_root


class Hyper(NamedTuple):
    lr: float = 0.1
    beta: float = 0.95
    damping: float = 1e-3


class State(NamedTuple):
    A: Array  # cols x cols: average of the second moments of the inputs
    S: Array  # rows x rows: average of those of the gradients of the outputs


class Given(NamedTuple):
    inputs: Array  # like theta: a batch of `rows` inputs of the layer
    outputs: Array  # like theta: gradients of `cols` outputs of the layer, each a column


def init(theta: Array, hyper: Hyper) -> State:
    z = namespace(theta).zeros_like(theta)
    return State(A=z.T @ z, S=z @ z.T)


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, given: Given
) -> tuple[Array, State]:
    """Take the matrix `theta` (outputs, inputs) of a layer and its gradient `g` through one step.

    Each side divides by its second moment, here 1/2, plus the root of the damping, here 1:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.eye(2), Hyper(lr=1.0, beta=0.0, damping=1.0)
    >>> given = Given(inputs=np.eye(2), outputs=np.eye(2))
    >>> theta, state = update(theta, g, init(theta, hyper), hyper, given)
    >>> abs(theta).round(4)
    array([[0.4444, 0.    ],
           [0.    , 0.4444]])
    """
    xp = namespace(theta)
    lr, beta, damping = hyper
    A, S = state
    X, D = given
    rows, cols = theta.shape

    A = beta * A + (1 - beta) * (X.T @ X) / rows                        # (kfac.1)
    S = beta * S + (1 - beta) * (D @ D.T) / cols                        # (kfac.2)
    a = xp.sum(A * eye(cols, A)) / cols                                 # (kfac.3)
    s = xp.sum(S * eye(rows, S)) / rows                                 # (kfac.4)
    p = xp.sqrt(a / s)                                                  # (kfac.5)
    u = inverse_root(S, 1, damping**0.5 / p) @ g                        # (kfac.6)
    u = u @ inverse_root(A, 1, damping**0.5 * p)                        # (kfac.7)
    theta = theta - lr * u                                              # (kfac.8)

    return theta, State(A, S)

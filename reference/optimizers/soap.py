"""SOAP: Adam in the eigenbasis of Shampoo, which is renewed every few steps.

Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024, Algorithm 3, as in the
authors' code. https://arxiv.org/abs/2409.11321 and github.com/nikhilvyas/SOAP

The numbers in the right margin are the equations of spec/optimizers/soap.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.eigenbasis import eigenbasis
from ..iterations.power_iteration import power_iteration


class Hyper(NamedTuple):
    lr: float = 3e-3
    beta1: float = 0.95
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.01
    every: int = 10


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    v: Array  # like theta: average of their squares in the eigenbasis
    L: Array  # rows x rows: average of G G^T
    R: Array  # cols x cols: average of G^T G
    P: Array  # rows x rows: the basis on the left
    Q: Array  # cols x cols: the basis on the right
    t: int  # calls, of which the first takes no step


def init(theta: Array, hyper: Hyper) -> State:
    z = namespace(theta).zeros_like(theta)
    L, R = z @ z.T, z.T @ z
    return State(m=z, v=z, L=L, R=R, P=L, Q=R, t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    The first call only looks, and the second moves as Adam would in the eigenbasis:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((2, 2)), np.diag([3.0, 1.0]), Hyper(lr=0.5, weight_decay=0.0)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta, state = update(theta, g, state, hyper)
    >>> abs(theta).round(4)
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    xp = namespace(theta)
    lr, b1, b2, eps, wd, every = hyper
    m, v, L, R, P, Q, t = state

    t = t + 1                                                           # (soap.1)
    if t > 1:
        m = b1 * m + (1 - b1) * g                                       # (soap.2)
        n = P.T @ g @ Q                                                 # (soap.3)
        v = b2 * v + (1 - b2) * n * n                                   # (soap.4)
        n = (P.T @ m @ Q) / (xp.sqrt(v) + eps)                          # (soap.5)
        c = (1 - b2 ** (t - 1)) ** 0.5 / (1 - b1 ** (t - 1))            # (soap.6)
        theta = theta - lr * c * (P @ n @ Q.T)                          # (soap.7)
        theta = (1 - lr * wd) * theta                                   # (soap.8)
    L = b2 * L + (1 - b2) * g @ g.T                                     # (soap.9)
    R = b2 * R + (1 - b2) * g.T @ g                                     # (soap.10)
    if t == 1:
        P, Q = eigenbasis(L), eigenbasis(R)                             # (soap.11)
    elif (t - 1) % every == 0:
        P, rows = power_iteration(L, P)                                 # (soap.12)
        Q, cols = power_iteration(R, Q)                                 # (soap.13)
        v = xp.take(xp.take(v, rows, axis=0), cols, axis=1)             # (soap.14)

    return theta, State(m, v, L, R, P, Q, t)

"""PSGD-Kron: a preconditioner for each side, learnt so that it whitens the momentum.

Li, "Preconditioned Stochastic Gradient Descent", 2015; Pooladzandi and Li, 2024. As in kron_torch.
https://arxiv.org/abs/1512.04202, 2402.11858 and github.com/evanatyourservice/kron_torch

The numbers in the right margin are the equations of spec/optimizers/psgd_kron.toml.
"""

from typing import NamedTuple

from .._array import Array, eye, namespace
from ..iterations.triangular_step import triangular_step


class Hyper(NamedTuple):
    lr: float = 3e-4
    beta: float = 0.9
    precond_lr: float = 0.1
    clip: float = 1.1
    weight_decay: float = 0.0


class State(NamedTuple):
    m: Array  # like theta: average of the gradients
    P: Array  # rows x rows: the factor on the left, upper triangular
    Q: Array  # cols x cols: the factor on the right
    t: int  # steps taken


class Given(NamedTuple):
    probe: Array  # like theta: standard normal numbers


def init(theta: Array, hyper: Hyper) -> State:
    rows, cols = theta.shape
    m = namespace(theta).zeros_like(theta)
    return State(m=m, P=eye(rows, theta), Q=eye(cols, theta), t=0)


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, given: Given
) -> tuple[Array, State]:
    """Take matrix `theta` and its gradient `g`, both (rows, cols), through one step.

    A momentum that is white already is stepped as it is:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros((1, 1)), np.ones((1, 1)), Hyper(lr=0.5)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper, Given(probe=g))
    >>> theta
    array([[-0.5]])
    """
    xp = namespace(theta)
    lr, beta, precond_lr, clip, wd = hyper
    m, P, Q, t = state
    (probe,) = given

    t = t + 1                                                           # (psgd_kron.1)
    m = beta * m + (1 - beta) * g                                       # (psgd_kron.2)
    m_hat = m / (1 - beta**t)                                           # (psgd_kron.3)
    P, Q = triangular_step(P, Q, m_hat, probe, precond_lr)              # (psgd_kron.4)
    u = P.T @ (P @ m_hat @ Q.T) @ Q                                     # (psgd_kron.5)
    s = xp.sqrt(xp.mean(u * u))                                         # (psgd_kron.6)
    u = u / xp.maximum(s / clip, 1.0)                                   # (psgd_kron.7)
    theta = theta - lr * (u + wd * theta)                               # (psgd_kron.8)

    return theta, State(m, P, Q, t)

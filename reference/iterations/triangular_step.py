"""One step of PSGD's Kronecker factors, which stay triangular.

Li, "Preconditioned Stochastic Gradient Descent", 2015, and "Curvature-Informed SGD via General
Purpose Lie-Group Preconditioners", 2024. https://arxiv.org/abs/1512.04202 and 2402.11858

The numbers in the right margin are the equations of spec/iterations/triangular_step.toml.
"""

from .._array import Array, namespace


def lower_bound(A: Array) -> Array:
    """A lower bound of the largest eigenvalue of a symmetric `A` (n, n), from its longest row."""
    xp = namespace(A)
    longest = xp.argsort(-xp.sum(A * A, axis=1))[:1]
    x = xp.take(A, longest, axis=0) @ A
    x = x / xp.sqrt(xp.sum(x * x)) @ A
    return xp.sqrt(xp.sum(x * x))


def triangular_step(
    Q_L: Array, Q_R: Array, g: Array, v: Array, lr: float = 0.1
) -> tuple[Array, Array]:
    """Return the factors Q_L (rows, rows) and Q_R (cols, cols), upper triangular, one step on.

    They are drawn to where Q_L `g` Q_R' is as large, in the mean, as `v` is behind their inverses.

    >>> import numpy as np
    >>> Q_L, Q_R = triangular_step(*np.ones((4, 1, 1)))
    >>> Q_L, Q_R
    (array([[1.]]), array([[1.]]))
    """
    xp = namespace(g)

    A = Q_L @ g @ Q_R.T                                                 # (triangular_step.1)
    B = xp.linalg.solve(Q_L.T, v)                                       # (triangular_step.2)
    B = xp.linalg.solve(Q_R.T, B.T).T                                   # (triangular_step.3)
    L1, L2 = A @ A.T, B @ B.T                                           # (triangular_step.4)
    R1, R2 = A.T @ A, B.T @ B                                           # (triangular_step.5)
    L = xp.triu(L1 - L2) / lower_bound(L1 + L2)                         # (triangular_step.6)
    R = xp.triu(R1 - R2) / lower_bound(R1 + R2)                         # (triangular_step.7)
    Q_L = Q_L - lr * L @ Q_L                                            # (triangular_step.8)
    Q_R = Q_R - lr * R @ Q_R                                            # (triangular_step.9)

    return Q_L, Q_R

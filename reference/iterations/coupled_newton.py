"""The inverse p-th root of a positive definite matrix by Newton's method, with products alone.

Iannazzo, "On the Newton method for the matrix pth root", 2006; Higham, "Functions of Matrices",
2008, equation 7.18. The matrix that tends to I is iterated beside the root, which keeps it stable.

The numbers in the right margin are the equations of spec/iterations/coupled_newton.toml.
"""

from .._array import Array, eye, namespace


def coupled_newton(
    A: Array, root: int = 4, steps: int = 40, eps: float = 1e-6
) -> Array:
    """Return (A + eps I)^(-1/root) of a symmetric positive semidefinite `A` (n, n).

    >>> import numpy as np
    >>> coupled_newton(np.diag([16.0, 81.0]), eps=1e-9).round(4)
    array([[0.5   , 0.    ],
           [0.    , 0.3333]])
    """
    xp = namespace(A)
    Id = eye(A.shape[0], A)

    A = A + eps * Id                                                    # (coupled_newton.1)
    z = (root + 1) / (2 * xp.sqrt(xp.sum(A * A)))                       # (coupled_newton.2)
    M, X = z * A, z ** (1 / root) * Id                                  # (coupled_newton.3)
    for _ in range(steps):
        T = (1 + 1 / root) * Id - M / root                              # (coupled_newton.4)
        X = X @ T                                                       # (coupled_newton.5)
        for _ in range(root):
            M = T @ M                                                   # (coupled_newton.6)

    return X

"""The inverse square root and the square root of a matrix, by products alone.

The coupled Newton-Schulz iteration; Higham, "Functions of Matrices", 2008, equation 6.35. With
the regularisation of BeyondMuon. https://github.com/Ocram7/BeyondMuon

The numbers in the right margin are the equations of spec/iterations/coupled_root.toml.
"""

from .._array import Array, eye, namespace


def coupled_root(
    A: Array, steps: int = 15, eps: float = 1e-6, ridge: float = 1e-4
) -> tuple[Array, Array]:
    """Return B^(-1/2) and B^(1/2) of B = A + (eps + ridge tr(A) / n) I, `A` being semidefinite.

    >>> import numpy as np
    >>> inverse, root = coupled_root(np.diag([4.0, 9.0]), eps=0.0, ridge=0.0)
    >>> inverse.round(4), root.round(4)
    (array([[0.5   , 0.    ],
           [0.    , 0.3333]]), array([[2., 0.],
           [0., 3.]]))
    """
    xp = namespace(A)
    n = A.shape[0]
    Id = eye(n, A)

    A = A + (eps + ridge * xp.sum(A * Id) / n) * Id                     # (coupled_root.1)
    s = xp.sqrt(xp.sum(A * A))                                          # (coupled_root.2)
    Y, Z = A / s, Id                                                    # (coupled_root.3)
    for _ in range(steps):
        T = 0.5 * (3 * Id - Z @ Y)                                      # (coupled_root.4)
        Y, Z = Y @ T, T @ Z                                             # (coupled_root.5)
    Z, Y = Z / xp.sqrt(s), xp.sqrt(s) * Y                               # (coupled_root.6)

    return Z, Y

"""The inverse p-th root of a positive semidefinite matrix, by its eigenvalues.

Higham, "Functions of Matrices", 2008, chapter 7. What Shampoo takes of its statistics.

The numbers in the right margin are the equations of spec/iterations/inverse_root.toml.
"""

from .._array import Array, namespace


def inverse_root(A: Array, root: int = 4, eps: float = 1e-6) -> Array:
    """Return (A + eps I)^(-1/root) of a symmetric `A` (n, n), negative eigenvalues taken as 0.

    >>> import numpy as np
    >>> inverse_root(np.diag([16.0, 0.0]), eps=2.0**-20).round(4)
    array([[ 0.5,  0. ],
           [ 0. , 32. ]])
    """
    xp = namespace(A)

    W, Q = xp.linalg.eigh(A)                                            # (inverse_root.1)
    W = (xp.maximum(W, 0.0) + eps) ** (-1 / root)                       # (inverse_root.2)
    return (Q * W) @ Q.T                                                # (inverse_root.3)

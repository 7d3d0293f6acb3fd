"""The matrix sign of a rectangle: its singular vectors, with singular values of 1.

Of all matrices whose singular values do not exceed 1 it is the one that correlates most with G, and
of all with orthonormal rows or columns the nearest. Autonne, 1902; Higham, "Functions of Matrices",
2008, chapter 8.

The numbers in the right margin are the equations of spec/iterations/msign.toml.
"""

from .._array import Array, namespace


def msign(g: Array, tol: float = 1e-6) -> Array:
    """Return U V' of the singular value decomposition U S V' of `g` (rows, cols).

    Singular values up to `tol` times the largest count as zero, and stay so.

    >>> import numpy as np
    >>> msign(np.array([[0.0, 2.0], [-3.0, 0.0]]))
    array([[ 0.,  1.],
           [-1.,  0.]])
    """
    xp = namespace(g)

    U, S, Vt = xp.linalg.svd(g, full_matrices=False)                    # (msign.1)
    K = xp.sign(xp.maximum(S - tol * xp.max(S), 0.0))                   # (msign.2)
    return (U * K) @ Vt                                                 # (msign.3)

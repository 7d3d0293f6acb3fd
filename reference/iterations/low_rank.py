"""A factorisation of low rank by one step of power iteration, from the factor before.

What Dion communicates instead of a matrix. Vogels et al., "PowerSGD", 2019.
https://arxiv.org/abs/1905.13727

The numbers in the right margin are the equations of spec/iterations/low_rank.toml.
"""

from .._array import Array, namespace


def low_rank(M: Array, Q: Array) -> tuple[Array, Array]:
    """Return P (rows, r), orthonormal, and R (cols, r) such that P R' is near to `M` (rows, cols).

    P spans the columns of M `Q`, and P R' is the part of `M` in that span. The signs of the columns
    of P are arbitrary, and those of R go with them.

    >>> import numpy as np
    >>> P, R = low_rank(np.diag([3.0, 0.0]), np.array([[1.0], [1.0]]))
    >>> P @ R.T
    array([[3., 0.],
           [0., 0.]])
    """
    xp = namespace(M)

    P, _ = xp.linalg.qr(M @ Q)                                          # (low_rank.1)
    R = M.T @ P                                                         # (low_rank.2)

    return P, R

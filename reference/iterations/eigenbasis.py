"""The eigenvectors of a symmetric matrix, from the largest eigenvalue down.

What SOAP begins with. Golub and Van Loan, "Matrix Computations", chapter 8.

The numbers in the right margin are the equations of spec/iterations/eigenbasis.toml.
"""

from .._array import Array, namespace


def eigenbasis(A: Array) -> Array:
    """Return an orthogonal Q (n, n) such that Q' A Q is diagonal and descends, for a symmetric `A`.

    The signs of the columns are arbitrary, and so is all of a column within equal eigenvalues.

    >>> import numpy as np
    >>> abs(eigenbasis(np.diag([1.0, 2.0])))
    array([[0., 1.],
           [1., 0.]])
    """
    xp = namespace(A)

    _, Q = xp.linalg.eigh(A)                                            # (eigenbasis.1)
    return xp.flip(Q, axis=1)                                           # (eigenbasis.2)

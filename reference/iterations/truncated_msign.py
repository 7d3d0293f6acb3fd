"""The matrix sign of the largest singular values alone, all others set to zero.

Of all matrices of that rank with singular values of 1 it is the one that correlates most with G.
Eckart and Young, 1936.

The numbers in the right margin are the equations of spec/iterations/truncated_msign.toml.
"""

from .._array import Array, namespace


def truncated_msign(g: Array, rank: int = 2, tol: float = 1e-6) -> Array:
    """Return U V' of the `rank` largest singular values of `g` (rows, cols).

    >>> import numpy as np
    >>> truncated_msign(np.diag([3.0, 2.0, 1.0]), rank=2)
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 0.]])
    """
    xp = namespace(g)

    U, S, Vt = xp.linalg.svd(g, full_matrices=False)                    # (truncated_msign.1)
    K = xp.sign(xp.maximum(S - tol * xp.max(S), 0.0))                   # (truncated_msign.2)
    rank = min(rank, *g.shape)
    return (U[:, :rank] * K[:rank]) @ Vt[:rank, :]                      # (truncated_msign.3)

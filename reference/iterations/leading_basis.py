"""The leading right singular vectors of a matrix.

What GaLore projects on. Eckart and Young, 1936.

The numbers in the right margin are the equations of spec/iterations/leading_basis.toml.
"""

from .._array import Array, namespace


def leading_basis(g: Array, rank: int = 128) -> Array:
    """Return the first `rank` right singular vectors of `g` (rows, cols), as columns.

    Their signs are arbitrary, and so is all of them within equal singular values.

    >>> import numpy as np
    >>> abs(leading_basis(np.diag([1.0, 2.0]), rank=1))
    array([[0.],
           [1.]])
    """
    xp = namespace(g)

    _, _, Vt = xp.linalg.svd(g, full_matrices=False)                    # (leading_basis.1)
    rank = min(rank, *g.shape)
    return Vt.T[:, :rank]                                               # (leading_basis.2)

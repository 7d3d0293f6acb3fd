"""Singular values cut off above and below, with the singular vectors as they are.

The nearest matrix whose singular values lie in the interval, for every unitarily invariant norm,
but that a singular value of zero stays zero.

The numbers in the right margin are the equations of spec/iterations/clip_singular_values.toml.
"""

from .._array import Array, namespace


def clip_singular_values(
    g: Array, low: float = 0.0, high: float = 1.0, tol: float = 1e-6
) -> Array:
    """Return U min(max(S, low), high) V' of the singular value decomposition of `g` (rows, cols).

    >>> import numpy as np
    >>> clip_singular_values(np.diag([3.0, 0.5]))
    array([[1. , 0. ],
           [0. , 0.5]])
    """
    xp = namespace(g)

    U, S, Vt = xp.linalg.svd(g, full_matrices=False)                    # (clip_singular_values.1)
    K = xp.sign(xp.maximum(S - tol * xp.max(S), 0.0))                   # (clip_singular_values.2)
    S = xp.minimum(xp.maximum(S, low), high)                            # (clip_singular_values.3)
    return (U * (K * S)) @ Vt                                           # (clip_singular_values.4)

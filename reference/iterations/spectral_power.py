"""A power of the singular values of a matrix, whose singular vectors stay.

The family of Qi et al., "Delving into Muon and Beyond: Deep Analysis and Extensions", 2026, from
the matrix itself (power 1) to Muon's step (power 0).
https://arxiv.org/abs/2602.04669

The numbers in the right margin are the equations of spec/iterations/spectral_power.toml.
"""

from .._array import Array, namespace


def spectral_power(g: Array, power: float = 0.5, tol: float = 1e-6) -> Array:
    """Return U S^power V' of the singular value decomposition U S V' of `g` (rows, cols).

    Singular values up to `tol` times the largest count as zero, and stay so.

    >>> import numpy as np
    >>> spectral_power(np.diag([4.0, 9.0]))
    array([[2., 0.],
           [0., 3.]])
    """
    xp = namespace(g)

    U, S, Vt = xp.linalg.svd(g, full_matrices=False)                    # (spectral_power.1)
    K = xp.sign(xp.maximum(S - tol * xp.max(S), 0.0))                   # (spectral_power.2)
    return (U * (K * S**power)) @ Vt                                    # (spectral_power.3)

"""The square root of the singular values of a matrix, by products alone.

As BeyondMuon takes it, G (G'G)^(-1/4) on the shorter side. https://github.com/Ocram7/BeyondMuon

The numbers in the right margin are the equations of spec/iterations/coupled_power.toml.
"""

from .._array import Array
from .inverse_fourth_root import inverse_fourth_root


def coupled_power(
    g: Array, steps: int = 15, eps: float = 1e-6, ridge: float = 1e-4
) -> Array:
    """Return U S^(1/2) V' of `g` (rows, cols), but for the regularisation.

    >>> import numpy as np
    >>> coupled_power(np.diag([4.0, 9.0]), eps=0.0, ridge=0.0).round(4)
    array([[2., 0.],
           [0., 3.]])
    """
    rows, cols = g.shape

    x = g.T if rows < cols else g                                       # (coupled_power.1)
    x = x @ inverse_fourth_root(x.T @ x, steps, eps, ridge)             # (coupled_power.2)
    return x.T if rows < cols else x                                    # (coupled_power.3)

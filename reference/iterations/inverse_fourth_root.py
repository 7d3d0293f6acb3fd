"""The inverse fourth root of a matrix by two square roots, each by Newton-Schulz.

As BeyondMuon takes it: the square root of the inverse square root.
https://github.com/Ocram7/BeyondMuon

The numbers in the right margin are the equations of spec/iterations/inverse_fourth_root.toml.
"""

from .._array import Array
from .coupled_root import coupled_root


def inverse_fourth_root(
    A: Array, steps: int = 15, eps: float = 1e-6, ridge: float = 1e-4
) -> Array:
    """Return A^(-1/4) of a positive semidefinite `A` (n, n), each root regularised.

    >>> import numpy as np
    >>> inverse_fourth_root(np.diag([16.0, 81.0]), eps=0.0, ridge=0.0).round(4)
    array([[0.5   , 0.    ],
           [0.    , 0.3333]])
    """
    Z, _ = coupled_root(A, steps, eps, ridge)                           # (inverse_fourth_root.1)
    _, X = coupled_root(Z, steps, eps, ridge)                           # (inverse_fourth_root.2)

    return X

"""One step of the power method for the nearest Kronecker product to a sum of vec(G) vec(G)'.

Begun at identities it gives the statistics of Shampoo. Morwani et al., "A New Perspective on
Shampoo's Preconditioner", 2024. https://arxiv.org/abs/2406.17748

The numbers in the right margin are the equations of spec/iterations/kronecker_power.toml.
"""

from .._array import Array


def kronecker_power(g: Array, L: Array, R: Array) -> tuple[Array, Array]:
    """Return G R G' (rows, rows) and G' L G (cols, cols) of `g` (rows, cols).

    >>> import numpy as np
    >>> g = np.array([[1.0, 2.0]])
    >>> kronecker_power(g, np.eye(1), np.eye(2))
    (array([[5.]]), array([[1., 2.],
           [2., 4.]]))
    """
    L, R = g @ R @ g.T, g.T @ L @ g                                     # (kronecker_power.1)

    return L, R

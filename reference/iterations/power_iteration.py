"""One step of orthogonal iteration: a basis is drawn towards the eigenvectors of a matrix.

What SOAP renews its basis by. Golub and Van Loan, "Matrix Computations", section 8.2.

The numbers in the right margin are the equations of spec/iterations/power_iteration.toml.
"""

from .._array import Array, namespace


def power_iteration(A: Array, Q: Array) -> tuple[Array, Array]:
    """Return an orthogonal basis (n, n) nearer to that of `A`, and the order its columns came in.

    The columns of `Q` are sorted before, by what they make of `A`, from the largest down. The signs
    of the new ones are arbitrary.

    >>> import numpy as np
    >>> Q, order = power_iteration(np.diag([1.0, 2.0]), np.eye(2))
    >>> abs(Q), order
    (array([[0., 1.],
           [1., 0.]]), array([1, 0]))
    """
    xp = namespace(A)

    w = xp.sum(Q * (A @ Q), axis=0)                                     # (power_iteration.1)
    order = xp.argsort(-w)                                              # (power_iteration.2)
    Q, _ = xp.linalg.qr(A @ xp.take(Q, order, axis=1))                  # (power_iteration.3)

    return Q, order

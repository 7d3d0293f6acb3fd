"""What the reference asks of an array library, and how it finds the one it was given."""

from types import ModuleType
from typing import Any

from array_api_compat import array_namespace

Array = Any
"""An array of NumPy, CuPy, or any library that follows the Python array API standard."""

Inner = Any
"""One step of what a wrapper wraps: from parameters and their gradients to the new parameters."""


def namespace(*xs: Array) -> ModuleType:
    """The library that the arrays `xs` belong to, by its standard names; called `xp` by custom.

    >>> import numpy as np
    >>> namespace(np.zeros(3)).__name__
    'array_api_compat.numpy'
    """
    return array_namespace(*xs)


def eye(n: int, like: Array) -> Array:
    """The identity of n rows, in the type and on the device of another array.

    >>> import numpy as np
    >>> eye(2, np.zeros(3, np.float32))
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    return namespace(like).eye(n, dtype=like.dtype, device=like.device)

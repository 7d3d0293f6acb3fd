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

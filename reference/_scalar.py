"""What a schedule asks of numbers: Python's own, or others that bring their namespace with them."""

import math
from typing import Any

from ._array import namespace

Number = Any
"""A float, an int, or a number of a library, such as one that carries its error."""


def _call(name: str, plain: Any, *xs: Number) -> Number:
    """A function of the namespace of the first number that has one, else Python's own."""
    for x in xs:
        if hasattr(x, "__array_namespace__"):
            rest = [y for y in xs if y is not x]
            return getattr(namespace(x), name)(x, *rest)
    return plain(*xs)


def cos(x: Number) -> Number:
    """The cosine of an angle.

    >>> cos(0.0)
    1.0
    """
    return _call("cos", math.cos, x)


def minimum(a: Number, b: Number) -> Number:
    """The smaller of two numbers.

    >>> minimum(2, 0.5)
    0.5
    """
    return _call("minimum", min, a, b)


def maximum(a: Number, b: Number) -> Number:
    """The larger of two numbers.

    >>> maximum(2, 0.5)
    2
    """
    return _call("maximum", max, a, b)


def floor(x: Number) -> Number:
    """The largest whole number that is not larger.

    >>> floor(2.5)
    2
    """
    return _call("floor", math.floor, x)

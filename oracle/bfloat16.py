"""A matrix iteration as it is in bfloat16, bit for bit, in each of the ways that it is written.

In bfloat16 the roundings of an iteration make several percent, more than a wrong coefficient does:
a bound for all of them would see nothing. But they are no chance. Products are summed in float32
and rounded once, and there are few ways to write the rest: so the roundings are done here as well,
and an implementation must be near to one of `PROFILES`.
"""

from collections.abc import Callable, Iterator
from itertools import product
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from .rounding import LIMIT, UNIT, Arithmetic, Bounded
from .sampling import Noise, node

Around = Callable[[FunctionType], Callable[..., Any]]
"""What an iteration is wrapped in."""

NEAR = 8.0
"""How far an element may be at least from that of the nearest profile, in units of the root mean
square."""
TURNS = 4.0
"""How many times as far as the furthest of some copies in which last bits were turned."""
COPIES = 4
JITTER = 2.0**-16
"""Noise that turns the last bit of one in a hundred results, as a sum in another order does."""


class Profile(NamedTuple):
    """How the lines of an iteration are rounded."""

    fused: bool
    """A sum of a matrix and a product is rounded once, as addmm does."""
    cast: bool
    """Coefficients are rounded too, as in JAX."""
    early: bool
    """A multiple of a product is the product of a multiple: c A A is (c A) A."""


PROFILES = tuple(Profile(*flags) for flags in product([True, False], [False, True], [False, True]))
"""The first is torch's."""


def rounded(x: Any) -> Any:
    """The nearest bfloat16, to even, of float32 numbers: half a unit is added to their bits."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


class Rounding:
    """A namespace in which every result is a bfloat16, of the first copy exactly the nearest."""

    __name__ = "goldstep.oracle.bfloat16"

    def __init__(self, profile: Profile) -> None:
        self.profile, self.noise = profile, Noise(JITTER)

    def round(self, raw: Any) -> Any:
        turned = np.asarray(raw, np.float32)
        turned[1:] *= self.noise.draw(self.noise.factors, turned[1:].shape)
        return rounded(turned)

    def number(self, x: Any) -> Any:
        return rounded(x) if self.profile.cast else np.float32(x)

    def sum(self, x: "Rounded", *, axis: Any = None, keepdims: bool = False) -> "Rounded":
        # As a norm is computed: nothing is rounded before its end. Of all, it is a 1 x 1 matrix.
        axes, keep = ((-2, -1), True) if axis is None else (axis - 2, keepdims)
        total = np.sum(x.raw, axis=axes, keepdims=keep, dtype=np.float32)
        return Rounded(self, total, total)

    def sqrt(self, x: "Rounded") -> "Rounded":
        return Rounded(self, np.sqrt(x.raw))

    def abs(self, x: "Rounded") -> "Rounded":
        return Rounded(self, np.abs(x.raw))

    def maximum(self, x: "Rounded", y: float) -> "Rounded":
        return Rounded(self, np.maximum(x.value, self.number(y)))


class Rounded:
    """Copies of a matrix of bfloat16 `value`s, with what they were before they were rounded.

    `wide` is a multiple of bfloat16 values, not rounded: what addmm adds its product to.
    """

    __slots__ = ("factors", "of", "raw", "value", "wide")
    __array_ufunc__ = None

    def __init__(
        self, of: Rounding, raw: Any, value: Any = None, wide: Any = None, factors: Any = None
    ) -> None:
        self.of, self.raw, self.factors = of, raw, factors
        self.value = of.round(raw) if value is None else value
        self.wide = self.value if wide is None else wide

    def __array_namespace__(self, api_version: str | None = None) -> Rounding:
        return self.of

    @property
    def shape(self) -> tuple[int, ...]:
        rows, cols = np.shape(self.value)[-2:]
        return rows, cols

    @property
    def T(self) -> "Rounded":  # noqa: N802
        return Rounded(self.of, self.raw.swapaxes(1, 2), self.value.swapaxes(1, 2))

    def __mul__(self, other: Any) -> "Rounded":
        if isinstance(other, Rounded):
            return Rounded(self.of, self.value * other.value)
        c = self.of.number(other)
        raw = c * (self.raw if self.of.profile.fused else self.value)
        if self.of.profile.early and self.factors is not None:
            raw = self.of.round(c * self.factors[0]) @ self.factors[1]
        return Rounded(self.of, raw, wide=c * self.value)

    __rmul__ = __mul__

    def __add__(self, other: Any) -> "Rounded":
        if not isinstance(other, Rounded):
            return Rounded(self.of, self.value + np.float32(other))
        if self.of.profile.fused:
            return Rounded(self.of, self.wide + other.raw)
        return Rounded(self.of, self.value + other.value)

    def __sub__(self, other: "Rounded") -> "Rounded":
        return self + -1 * other

    def __truediv__(self, other: "Rounded") -> "Rounded":
        return Rounded(self.of, self.value / other.value)

    def __matmul__(self, other: "Rounded") -> "Rounded":
        return Rounded(self.of, self.value @ other.value, factors=(self.value, other.value))


def emulated(arithmetic: Arithmetic, profile: Profile) -> Around:
    """What to wrap an iteration in so that it is computed in bfloat16, by one profile."""

    def wrap(iteration: FunctionType) -> Callable[..., Any]:
        exactly = node(arithmetic)(iteration)

        def bounded(x: Bounded, *given: Any) -> Any:
            if any(isinstance(a, Bounded) and a.ndim for a in given):
                return exactly(x, *given)
            plain = [float(a.value) if isinstance(a, Bounded) else a for a in given]
            copies = np.repeat(x.value.astype(np.float32)[None], COPIES + 1, 0)
            try:
                result = iteration(Rounded(Rounding(profile), copies), *plain).value
            except AttributeError:  # a factorisation, which no library computes in bfloat16
                return exactly(x, *given)
            found, *others = result.astype(np.float64)
            error = NEAR * UNIT["bfloat16"] * np.sqrt(np.mean(found * found))
            error = error + TURNS * np.max([np.abs(x - found) for x in others], axis=0)
            return Bounded(arithmetic, found.astype(arithmetic.truth), error / LIMIT)

        return bounded

    return wrap


def near(arithmetic: Arithmetic) -> Iterator[Around]:
    """A wrapper for each profile, if it iterates in bfloat16 on tensors that are not."""
    if arithmetic.iteration == "bfloat16" != arithmetic.dtype:
        yield from (emulated(arithmetic, profile) for profile in PROFILES)

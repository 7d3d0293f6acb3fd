"""Truth with a bound: arrays that carry, beside each value, how far rounding can have moved it.

The unchanged reference runs on them (running error analysis). A value is computed far more
exactly than by the implementation under test; its error is the largest that the implementation's
own arithmetic can make, in any order of summation, to first and second order.

Three constants describe that arithmetic: the unit roundoff of the tensors, the unit roundoff of
what is computed on the host from hyper-parameters (bias corrections in float32, say), and the
number below which results may be flushed to zero.

Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., 2002, sections 2.2 and 3.3.
"""

import copy
import importlib
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .double import DoubleDouble, lifted

Number = Any
LIMIT = 2.0
"""How many times the bound an implementation may differ by. The bound holds for every legal way to
write the equations that is known; this is room for the others, and for devices that divide and take
roots less exactly than their type allows."""

UNIT = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Unit roundoff: half the distance from 1 to the next number."""

TINY = {"float64": 2.0**-1022, "float32": 2.0**-126, "float16": 2.0**-14, "bfloat16": 2.0**-126}
"""The smallest normal number; below it, implementations may flush to zero."""

PRODUCTS = {"tf32": 2.0**-11, "bfloat16": UNIT["bfloat16"], "float16": UNIT["float16"]}
"""Unit roundoff of the operands of a product of matrices, in the types that hardware multiplies.

TF32 has the 10 bits of float16 behind the point, and the range of float32. Products of such numbers
are exact in float32 and are summed there, each sum cut off and not rounded: by a whole unit.

Fasi, Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", 2021.
"""

HUGE = {"float64": 2.0**1022, "float32": 2.0**126, "float16": 2.0**14, "bfloat16": 2.0**126}
"""A quarter of where the type overflows: no truth may come near it."""


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """The type of the arrays that an implementation is given. NumPy has no bfloat16 of its own."""
    if dtype not in UNIT:
        msg = f"dtype {dtype!r} is not one that cases are replayed in: {', '.join(UNIT)}"
        raise ValueError(msg)
    if dtype != "bfloat16":
        return np.dtype(dtype)
    try:
        ml_dtypes = importlib.import_module("ml_dtypes")
    except ModuleNotFoundError as error:
        msg = "arrays of bfloat16 need ml_dtypes: pip install 'goldstep[bfloat16]'"
        raise ModuleNotFoundError(msg, name=error.name) from error
    found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return found


def smallest(dtype: str, *, flush: bool) -> float:
    """The most that is lost of a number below the normal ones: all of it, or half the distance to
    the next, which of float64 is no float64 itself.
    """
    return TINY[dtype] if flush else max(TINY[dtype] * UNIT[dtype], 2.0**-1074)


def narrow(dtype: str) -> bool:
    """Whether a type is too coarse for a run: after a few steps nothing is sure of it but that each
    step is right.
    """
    return UNIT[dtype] > UNIT["float32"]


def fits(value: Number, unit: float) -> bool:
    """Whether one number is representable with unit roundoff `unit`.

    >>> fits(0.75, 2.0**-8), fits(0.9, 2.0**-24)
    (True, False)
    """
    if unit == UNIT["float64"]:
        return bool(float(value) == value)
    for dtype, cast in (("float32", np.float32), ("float16", np.float16)):
        if unit == UNIT[dtype]:
            return bool(abs(value) < HUGE[dtype] and float(cast(float(value))) == value)
    mantissa, _ = np.frexp(value)
    return bool(np.ldexp(mantissa, -round(math.log2(unit))) % 1 == 0)


MANY = 1 << 10
"""Of so many numbers it is worth asking for the smallest, before anything is done with each."""

BEYOND = "the truth leaves the range of {}: such a case judges nothing"


def extended() -> Any:
    """What is better than float64: a long double where it has 64 bits or more, else two doubles."""
    return np.longdouble if np.finfo(np.longdouble).nmant >= 63 else DoubleDouble


def roundoff(truth: Any) -> float:
    """The unit roundoff of what a truth is computed in."""
    return DoubleDouble.unit if truth is DoubleDouble else float(np.finfo(truth).eps) / 2


class Doubtful:
    """The outcome of a comparison, and where rounding could have turned it."""

    def __init__(self, value: Any, doubt: Any) -> None:
        self.value, self.doubt = np.asarray(value, bool), np.asarray(doubt, bool)

    def __invert__(self) -> "Doubtful":
        return Doubtful(np.logical_not(self.value), self.doubt)

    def __and__(self, other: "Doubtful") -> "Doubtful":
        # What is false without doubt settles it.
        possible = (self.value | self.doubt) & (other.value | other.doubt)
        return Doubtful(self.value & other.value, (self.doubt | other.doubt) & possible)

    def __or__(self, other: "Doubtful") -> "Doubtful":
        return ~(~self & ~other)

    def __bool__(self) -> bool:
        if np.ndim(self.value) or self.doubt:
            msg = "a branch may not depend on an array, nor on a comparison that rounding can turn"
            raise ValueError(msg)
        return bool(self.value)


MARKS = itertools.count(1)
NONE: frozenset[int] = frozenset()


class Bounded:
    """An array with its error: |what the implementation holds - value| <= error, by element.

    `host` marks a scalar that the implementation computes outside its tensors. `terms` are the
    marks of the arrays that were added up in this one, or multiples of them by a scalar.
    """

    __slots__ = ("arithmetic", "error", "host", "mark", "terms", "value")
    __array_ufunc__ = None

    def __init__(
        self, arithmetic: "Arithmetic", value: Any, error: Any, *, host: bool = False
    ) -> None:
        self.arithmetic, self.value, self.error, self.host = arithmetic, value, error, host
        self.mark, self.terms = next(MARKS), NONE

    def __array_namespace__(self, api_version: str | None = None) -> "Arithmetic":
        return self.arithmetic

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.value.shape
        return shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def dtype(self) -> str:
        return self.arithmetic.dtype

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def T(self) -> "Bounded":  # noqa: N802
        return self.moved(np.transpose)

    @property
    def mT(self) -> "Bounded":  # noqa: N802
        return self.moved(np.matrix_transpose)

    def moved(self, move: Callable[[Any], Any]) -> "Bounded":
        """The same numbers at other places."""
        return Bounded(self.arithmetic, move(self.value), move(np.asarray(self.error)))

    def __getitem__(self, key: Any) -> "Bounded":
        return self.moved(operator.itemgetter(key))

    def __abs__(self) -> "Bounded":
        return self.arithmetic.abs(self)

    def __neg__(self) -> "Bounded":
        result = Bounded(self.arithmetic, -self.value, self.error, host=self.host)
        result.terms = self.terms | {self.mark}
        return result

    def _sum(self, other: Number, *, minus: bool = False) -> "Bounded":
        a, b, host = self.arithmetic.pair(self, other)
        value = a.value - b.value if minus else a.value + b.value
        error = a.error + b.error
        if host:
            return self.arithmetic.rounded(value, error, host=True)
        # What stands in a sum with a multiple of itself, as theta - lr * (u + wd * theta), may as
        # well be multiplied once, by a factor that is rounded: two roundings more.
        for x, y in ((a, b), (b, a)):
            if x.mark in y.terms:
                error += 2 * self.arithmetic.coarser_unit * size(x.value)
        result = self.arithmetic.rounded(value, error)
        result.terms = a.terms | b.terms | {a.mark, b.mark}
        return result

    def __add__(self, other: Number) -> "Bounded":
        return self._sum(other)

    __radd__ = __add__

    def __sub__(self, other: Number) -> "Bounded":
        return self._sum(other, minus=True)

    def __rsub__(self, other: Number) -> "Bounded":
        return (-self)._sum(other)

    def __mul__(self, other: Number) -> "Bounded":
        other = self.arithmetic.scalar(other)
        a, b, host = self.arithmetic.pair(self, other)
        x, y = (a, b) if np.ndim(a.error) else (b, a)
        if x is y:
            error = 2 * size(x.value)
            error += x.error
            error *= x.error
        elif np.ndim(y.error) or y.error:
            error = size(x.value) * y.error
            error += (size(y.value) + y.error) * x.error
        else:
            error = size(y.value) * x.error
        result = self.arithmetic.rounded(a.value * b.value, error, host=host)
        # A number that is a tensor, such as a norm, is a factor as a scalar of the host is.
        number = self.host or (not self.ndim and bool(other.ndim))
        if number != (other.host or (not other.ndim and bool(self.ndim))):
            factor, x = (self, other) if number else (other, self)
            result.terms = x.terms | {x.mark} if factor.value else NONE
        return result

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> "Bounded":
        a, b, host = self.arithmetic.pair(self, other)
        value, room = a.value / b.value, size(b.value) - b.error
        error = size(value) * b.error
        error += a.error
        if not room.min(initial=np.inf) > 0:
            room = np.where(room > 0, room, 0.0)
            error = np.where(room > 0, error, np.inf)
        error /= room
        return self.arithmetic.rounded(value, error, host=host)

    def __rtruediv__(self, other: Number) -> "Bounded":
        return self.arithmetic.scalar(other) / self

    def __floordiv__(self, other: Number) -> "Bounded":
        return self.arithmetic.floor(self / other)

    def __pow__(self, exponent: Number) -> "Bounded":
        y = self.arithmetic.scalar(exponent)
        y = y if self.host else self.arithmetic.cast(y)
        if y.ndim or y.error:
            return self._power(y)
        power, x, e = float(y.value), size(self.value), self.error
        if power == 2:
            return self * self
        if power == 0.5:
            return self.arithmetic.sqrt(self)
        value = self.value**power
        if power >= 1:
            error = power * (x + e) ** (power - 1) * e
        else:
            away = power * np.log1p(-np.minimum(e / np.where(x > 0, x, 1), 1))
            # Where rounding can have made it zero, a root is off by that of the error.
            lost = e**power if power >= 0 else np.inf
            error = np.where((e < x) | (e == 0), size(value) * abs(np.expm1(away)), lost)
        if self.host and not error and fits(value, self.arithmetic.exact):
            return self.arithmetic.rounded(value, error, host=True)
        return self.arithmetic.function(value, error, host=self.host)

    def _power(self, exponent: "Bounded") -> "Bounded":
        """A power of a number that is not negative, whose exponent is off as well."""
        a, y, host = self.arithmetic.pair(self, exponent)
        value, x, e = a.value**y.value, size(a.value), a.error
        part = -np.log1p(-np.minimum(e / np.where(x > 0, x, 1), 1))
        off = size(y.value) * part + y.error * (abs(np.log(np.where(x > 0, x, 1))) + part)
        most = (x + e) ** (plain(y.value) - y.error) + (x + e) ** (plain(y.value) + y.error)
        lost = np.where(plain(y.value) > y.error, most, np.inf)
        known = (e < x) | ((e == 0) & (y.error == 0))
        error = np.where(known, size(value) * np.expm1(off), lost)
        return self.arithmetic.function(value, error, host=host)

    def __rpow__(self, base: Number) -> "Bounded":
        return self.arithmetic.scalar(base) ** self

    def __matmul__(self, other: "Bounded") -> "Bounded":
        a, b, n = self.arithmetic.operand(self), self.arithmetic.operand(other), self.shape[-1]
        A, B = size(a.value), size(b.value)  # noqa: N806
        error = A @ b.error + a.error @ B + a.error @ b.error
        error = error + self.arithmetic.summed(n, A @ B + error)
        return self.arithmetic.rounded(a.value @ b.value, error)

    def _compare(self, other: Number, compare: Callable[[Any, Any], Any]) -> Doubtful:
        a, b, _ = self.arithmetic.pair(self, other)
        apart, error = size(a.value - b.value), a.error + b.error
        # Said so that an error which is no number leaves everything in doubt.
        return Doubtful(compare(a.value, b.value), ~(error == 0) & ~(apart > LIMIT * error))

    def __lt__(self, other: Number) -> Doubtful:
        return self._compare(other, operator.lt)

    def __le__(self, other: Number) -> Doubtful:
        return self._compare(other, operator.le)

    def __gt__(self, other: Number) -> Doubtful:
        return self._compare(other, operator.gt)

    def __ge__(self, other: Number) -> Doubtful:
        return self._compare(other, operator.ge)

    def __eq__(self, other: Number) -> Doubtful:  # type: ignore[override]
        return self._compare(other, operator.eq)

    def __ne__(self, other: Number) -> Doubtful:  # type: ignore[override]
        return self._compare(other, operator.ne)

    __hash__ = None  # type: ignore[assignment]


def plain(x: Any) -> Any:
    """As precise as an error has to be."""
    return x.astype(np.float64, copy=False)


def size(x: Any) -> Any:
    """The absolute value, as precise as an error has to be; a new array."""
    if isinstance(x, DoubleDouble):
        return abs(x.high)
    if x.dtype == np.float64:
        return abs(x)
    y = x.astype(np.float64)
    return np.abs(y, out=y) if np.ndim(y) else abs(y)


def apart(a: Any, b: Any) -> Any:
    """The first less the second, as precise as an error has to be."""
    if not isinstance(a, DoubleDouble):
        return plain(a - b)
    b = DoubleDouble(b)
    return a.high - b.high + (a.low - b.low)


def terms(n: int) -> float:
    """How many roundings a sum of n terms gathers, in any order, but for the unluckiest ones."""
    return min(max(n - 1, 0), 2 * math.sqrt(n))


class Arithmetic:
    """The arithmetic of an implementation, and the array namespace that computes within it.

    `dtype` is the type of the tensors, `scalar` of the scalars computed on the host, `iteration`
    of the matrix iterations, `compute` of what is computed between reading tensors and writing
    them, `state` of the state that is kept: each one of those that `UNIT` knows. `products` is the
    type, of `PRODUCTS`, to which the operands of a product of matrices are rounded, None if it is
    that of all else; no hardware does so to float64. `flush`: whether numbers below the normal
    ones may become zero.
    """

    __name__ = "goldstep.oracle.rounding"

    def __init__(  # noqa: PLR0913
        self,
        dtype: str,
        scalar: str | None = None,
        iteration: str | None = None,
        *,
        compute: str | None = None,
        state: str | None = None,
        products: str | None = None,
        flush: bool = True,
    ) -> None:
        self.dtype, self.iteration = dtype, iteration or dtype
        self.scalar_dtype = scalar or ("float32" if narrow(dtype) else dtype)
        self.compute, self.state, self.flush = compute or dtype, state or dtype, flush
        self.products = products if self.compute != "float64" else None
        # Truth is rounded too, 2048 times less than float64 at least; `number` is that of the host.
        self.truth: Any = extended() if dtype == "float64" else np.float64
        self.number = self.truth
        own = roundoff(self.truth)
        self.unit, self.scalar_unit = UNIT[self.compute] + own, UNIT[self.scalar_dtype] + own
        # What is not flushed is still rounded, by half the distance of the smallest numbers.
        self.tiny, self.scalar_tiny = (
            smallest(d, flush=flush) for d in (self.compute, self.scalar_dtype)
        )
        # Of a host scalar, what the truth holds with 11 bits to spare is no rounded number.
        self.exact = max(UNIT[self.scalar_dtype], 2048 * own)
        self.scalars: dict[float, Bounded] = {}

    def tensor(self, x: Any) -> Bounded:
        """An array that is given in the tensors' type, but computed with in a type that may be
        coarser, or flush what is small to zero. What is no number has no bound.
        """
        value = lifted(x, self.truth)
        magnitude = size(value)
        flushed = magnitude < self.tiny * self.flush
        error = np.broadcast_to(0.0, value.shape)  # without an array of its own
        if np.any(flushed):
            error = np.where(flushed, magnitude, 0.0)
        if not np.isfinite(magnitude).all():
            error = np.where(np.isfinite(magnitude), error, np.inf)
        coarse = max((self.compute, self.state), key=UNIT.__getitem__)
        if UNIT[coarse] > UNIT[self.dtype] and self.unit:
            held = plain(plain(value).astype(numpy_dtype(coarse)))
            own = UNIT[coarse] * magnitude + np.minimum(magnitude, TINY[coarse])
            error = np.where(held == value, error, own + error)
        return Bounded(self, value, error)

    @property
    def coarser_host(self) -> bool:
        """Whether scalars are computed in a type that is coarser than that of the tensors."""
        return UNIT[self.scalar_dtype] > UNIT[self.compute]

    @property
    def coarser_unit(self) -> float:
        """The roundoff of what may be computed of scalars or of tensors."""
        return self.scalar_unit if self.coarser_host else self.unit

    @property
    def coarser(self) -> bool:
        """Whether what is written is coarser than what it was computed in."""
        return max(UNIT[self.dtype], UNIT[self.state]) > UNIT[self.compute]

    def stored(self, x: Bounded, dtype: str) -> Bounded:
        """What is written, in a type that may be coarser than what it was computed in."""
        if UNIT[dtype] <= UNIT[self.compute] or not self.unit:
            return x
        most = size(x.value) + x.error
        own = UNIT[dtype] * most + np.minimum(most, smallest(dtype, flush=self.flush))
        return Bounded(self, x.value, x.error + own)

    def long(self) -> "Arithmetic":
        """The same, for long arrays: their truth is two doubles in the place of a long double, of
        which processors compute but one at a time.
        """
        found = copy.copy(self)
        if self.truth is np.longdouble:
            found.truth = DoubleDouble
        return found

    @property
    def operands(self) -> float:
        """The unit to which operands of products of matrices are rounded, where they are."""
        coarse = PRODUCTS[self.products] if self.products else 0.0
        return coarse if coarse > self.unit > 0 else 0.0

    def operand(self, x: Bounded) -> Bounded:
        """A matrix as it goes into a product."""
        if not self.operands:
            return x
        most = size(x.value) + x.error
        tiny = TINY["float16"] if self.products == "float16" else self.tiny
        own = self.operands * most + np.minimum(most, tiny)
        return Bounded(self, x.value, x.error + own)

    def summed(self, n: int, most: Any) -> Any:
        """The most by which sums of `n` products move what is as large as `most`."""
        if not self.products:
            return terms(n) * self.own(most)
        return n * (2 * min(self.unit, UNIT["float32"]) * most + np.minimum(most, self.tiny))

    def parts(self) -> tuple["Arithmetic", "Arithmetic", "Arithmetic"]:
        """Where only tensors are rounded, only scalars on the host, or what is small is flushed.

        To first order, the bound of this arithmetic is the sum of theirs.
        """
        found = copy.copy(self), copy.copy(self), copy.copy(self)
        for part in found:
            part.scalars = {}
            for name in ("unit", "scalar_unit", "tiny", "scalar_tiny"):
                setattr(part, name, 0.0)
        found[0].unit, found[1].scalar_unit = self.unit, self.scalar_unit
        found[2].tiny, found[2].scalar_tiny = self.tiny, self.scalar_tiny
        return found

    def scalar(self, x: Number) -> Bounded:
        """A hyper-parameter or a constant, given in float64: rounded where the host rounds it."""
        if isinstance(x, Bounded):
            return x
        if x not in self.scalars:
            given = Bounded(self, self.number(x), 0.0, host=True)
            exact = fits(x, UNIT[self.scalar_dtype])
            self.scalars[x] = given if exact else self.rounded(given.value, given.error, host=True)
        return self.scalars[x]

    def pair(self, a: Bounded, b: Number) -> tuple[Bounded, Bounded, bool]:
        """Both operands of an operation; a scalar that meets a tensor is rounded to its type."""
        b = self.scalar(b)
        if a.host == b.host:
            return a, b, a.host
        return self.cast(a), self.cast(b), False

    def cast(self, x: Bounded) -> Bounded:
        if not x.host:
            return x
        error = x.error
        if self.coarser_host and x is not self.scalars.get(float(x.value)):
            # What is exact here may be rounded where more is computed of it on the host, as in
            # lr / (1 - beta ** t) or the root of 1 - beta ** t.
            error = max(error, self.scalar_unit * float(size(x.value)))
        if not error and fits(x.value, UNIT[self.compute]):
            return x
        if not size(x.value) <= HUGE[self.dtype]:
            raise OverflowError(BEYOND.format(self.dtype))
        return self.rounded(x.value, error)

    def own(self, most: Any) -> Any:
        """The most by which one rounding of a tensor moves what is as large as this."""
        # Zero is exact, and stays so: what is zero without error is no matter of rounding.
        return self.unit * most + np.minimum(most, self.tiny)

    def rounded(self, value: Any, error: Any, *, host: bool = False) -> Bounded:
        """The result of one operation whose operands brought in `error`, once it is rounded."""
        if host:
            return self._on_the_host(value, float(error))
        most = size(value)
        if not most.max(initial=0) <= HUGE[self.dtype]:
            error = self._beyond(most, error)
        most += error
        if np.size(most) > MANY and most.min() * self.unit > 2.0**54 * self.tiny:
            most *= self.unit  # and the smallest numbers would be lost in it
        else:
            flushed = np.minimum(most, self.tiny)
            most *= self.unit
            most += flushed
        most += error
        return Bounded(self, value, most)

    def _on_the_host(self, value: Any, error: float) -> Bounded:
        magnitude = abs(float(value))
        if not magnitude <= HUGE[self.scalar_dtype]:
            raise OverflowError(BEYOND.format(self.scalar_dtype))
        if error or not fits(value, self.exact):
            error += self.scalar_unit * (magnitude + error) + self.scalar_tiny
        return Bounded(self, value, error, host=True)

    def _beyond(self, magnitude: Any, error: Any) -> Any:
        """The error where a tensor leaves the range of its type, or is no number: infinite.

        Such an element may be left out by a choice, as in where(x > 0, a / x, 0).
        """
        return np.where(magnitude <= HUGE[self.dtype], error, np.inf)

    def function(self, value: Any, error: Any, *, host: bool = False) -> Bounded:
        """The result of a function that is not rounded correctly: one unit more is allowed."""
        unit = self.scalar_unit if host else self.unit
        return self.rounded(value, error + unit * (size(value) + error), host=host)

    # The vocabulary of the reference, beside the operators.

    def zeros_like(self, x: Bounded) -> Bounded:
        return self.full_like(x, 0.0)

    def ones_like(self, x: Bounded) -> Bounded:
        return self.full_like(x, 1.0)

    def full_like(self, x: Bounded, fill: Number) -> Bounded:
        one = self.cast(self.scalar(fill))
        return Bounded(self, np.full_like(x.value, one.value), np.full(x.shape, one.error))

    def zeros(self, shape: Any, **_: Any) -> Bounded:
        return Bounded(self, lifted(np.zeros(shape), self.truth), np.zeros(shape))

    def asarray(self, x: Any, **_: Any) -> Bounded:
        """Constants, each rounded to the type of the tensors."""
        given = np.asarray(x, np.float64)
        mantissa = np.frexp(given)[0]
        exact = np.ldexp(mantissa, 8) % 1 == 0  # in every type
        return Bounded(self, lifted(given, self.truth), np.where(exact, 0.0, self.own(abs(given))))

    def eye(self, n: int, m: int | None = None, **_: Any) -> Bounded:
        return Bounded(self, lifted(np.eye(n, m), self.truth), np.zeros((n, m or n)))

    def abs(self, x: Bounded) -> Bounded:
        return Bounded(self, abs(x.value), x.error, host=x.host)

    def sqrt(self, x: Bounded) -> Bounded:
        # The larger of sqrt(a + e) - sqrt(a) and sqrt(a) - sqrt(a - e), without cancellation.
        value, a, e = np.sqrt(x.value), plain(x.value), x.error
        gap = a - e
        positive = gap.min(initial=np.inf) > 0
        gap = np.sqrt(gap if positive else np.maximum(gap, 0))
        gap += plain(value)
        if positive:
            return self.rounded(value, e / gap, host=x.host)
        error = np.divide(e, gap, out=np.sqrt(e, out=np.empty_like(gap)), where=e < a)
        return self.rounded(value, error, host=x.host)

    def sign(self, x: Bounded) -> Bounded:
        value = np.sign(x.value)
        doubt = ~(x.error == 0) & ~(size(x.value) > LIMIT * x.error)
        # Any of -1, 0, 1 may stand where the sign is in doubt, whatever the limit multiplies by.
        error = 0 * x.error  # what has no bound has no sign
        if np.any(doubt):
            error = error + np.where(doubt, 1 + size(value), 0.0) / LIMIT
        return Bounded(self, value, error)

    def where(self, condition: Any, a: Number, b: Number) -> Bounded:
        if not isinstance(condition, Doubtful):
            condition = Doubtful(condition, False)  # noqa: FBT003
        x, y = self.cast(self.scalar(a)), self.cast(self.scalar(b))
        error = np.where(condition.value, x.error, y.error)
        if np.any(condition.doubt):
            either = size(x.value - y.value) / LIMIT + np.maximum(x.error, y.error)
            error = np.where(condition.doubt, either, error)
        return Bounded(self, np.where(condition.value, x.value, y.value), error)

    def maximum(self, a: Number, b: Number) -> Bounded:
        return self._extreme(a, b, operator.le)

    def minimum(self, a: Number, b: Number) -> Bounded:
        return self._extreme(a, b, operator.ge)

    def _extreme(self, a: Number, b: Number, less: Callable[[Any, Any], Any]) -> Bounded:
        x, y, host = self.pair(self.scalar(a), b)
        gap, both = apart(x.value, y.value), x.error + y.error
        first = ~less(gap, 0)
        value, error = (np.where(first, *two) for two in ((x.value, y.value), (x.error, y.error)))
        near = ~(abs(gap) > LIMIT * both)
        if np.any(near):
            error = np.where(near, np.maximum(x.error, y.error), error)
        return Bounded(self, value, error, host=host)

    def searchsorted(self, x1: Bounded, x2: Bounded) -> Bounded:
        """Between which two of the sorted `x1` each of `x2` lies, by the index of the larger."""
        among, x = x1.value.astype(np.float64), x2.value.astype(np.float64)
        reach = LIMIT * x2.error
        if np.any(x1.error):
            reach = reach + LIMIT * self.own(abs(x) + x2.error)
        index = np.searchsorted(among, x)
        least, most = np.searchsorted(among, x - reach), np.searchsorted(among, x + reach, "right")
        doubt = np.where(reach > 0, np.maximum(most - index, index - least), 0)
        return Bounded(self, index, doubt / LIMIT)

    def take(self, x: Bounded, indices: Bounded) -> Bounded:
        """Elements of `x`; any from which the index is away by no more than its error may stand."""
        off = np.round(LIMIT * indices.error).astype(int)
        value, error = x.value[indices.value], x.error[indices.value]
        for move in (-off, off):
            at = np.clip(indices.value + move, 0, x.size - 1)
            # With it comes its own error: a number that the type holds may have neighbours that
            # it does not hold.
            error = np.maximum(error, size(x.value[at] - value) / LIMIT + x.error[at])
        return Bounded(self, value, error)

    def clip(self, x: Bounded, least: Number = None, most: Number = None) -> Bounded:
        x = x if least is None else self.maximum(x, least)
        return x if most is None else self.minimum(x, most)

    def exp(self, x: Bounded) -> Bounded:
        value = np.exp(x.value)
        return self.function(value, size(value) * np.expm1(x.error), host=x.host)

    def log(self, x: Bounded) -> Bounded:
        part = -np.log1p(-np.minimum(x.error / size(x.value), 1))
        return self.function(np.log(x.value), part, host=x.host)

    def cos(self, x: Bounded) -> Bounded:
        return self._wave(x, np.cos(x.value), np.sin(x.value))

    def sin(self, x: Bounded) -> Bounded:
        return self._wave(x, np.sin(x.value), np.cos(x.value))

    def _wave(self, x: Bounded, value: Any, slope: Any) -> Bounded:
        error = np.minimum(x.error, size(slope) * x.error + x.error**2 / 2)
        return self.function(value, error, host=x.host)

    def tanh(self, x: Bounded) -> Bounded:
        steepest = np.tanh(np.maximum(size(x.value) - x.error, 0))
        return self.function(np.tanh(x.value), (1 - steepest**2) * x.error, host=x.host)

    def atan2(self, y: Bounded, x: Number) -> Bounded:
        a, b, host = self.pair(y, x)
        up, along = size(a.value), size(b.value)
        # What turns a point by the angle is its move over its distance, at the nearest.
        room = np.maximum(np.hypot(up, along) - np.hypot(a.error, b.error), 0) ** 2
        turn = (along + b.error) * a.error + (up + a.error) * b.error
        error = np.minimum(turn / np.where(room > 0, room, 1), 7)
        # Any angle, 2 pi and its rounding, where it may be that of zero or on either side of pi.
        lost = (room == 0) | ((b.value < 0) & (up <= a.error))
        error = np.where(lost & ((a.error > 0) | (b.error > 0)), 7.0, error)
        return self.function(np.arctan2(a.value, b.value), error, host=host)

    def floor(self, x: Bounded) -> Bounded:
        return self._step(x, np.floor)

    def ceil(self, x: Bounded) -> Bounded:
        return self._step(x, np.ceil)

    def round(self, x: Bounded) -> Bounded:
        return self._step(x, np.round)

    def _step(self, x: Bounded, step: Callable[[Any], Any]) -> Bounded:
        """A function that rises in steps: exact, but where the limit can reach another step."""
        value, reach = step(x.value), LIMIT * x.error
        error = np.maximum(step(x.value + reach) - value, value - step(x.value - reach))
        return Bounded(self, value, error.astype(np.float64) / LIMIT, host=x.host)

    def sum(self, x: Bounded, *, axis: Any = None, keepdims: bool = False) -> Bounded:
        over = {"axis": axis, "keepdims": keepdims}
        value, n = np.sum(x.value, **over), x.value.size
        n = n // max(1, value.size)
        total = np.sum(size(x.value) + x.error, **over)
        error = np.sum(x.error, **over) + terms(n) * self.own(total)
        if not total.max(initial=0) <= HUGE[self.dtype]:
            error = self._beyond(total, error)
        return Bounded(self, value, error)

    def mean(self, x: Bounded, *, axis: Any = None, keepdims: bool = False) -> Bounded:
        total = self.sum(x, axis=axis, keepdims=keepdims)
        return total / (x.size // max(1, total.size))

    def prod(self, x: Bounded, *, axis: Any = None, keepdims: bool = False) -> Bounded:
        over = {"axis": axis, "keepdims": keepdims}
        value, most = np.prod(x.value, **over), np.prod(size(x.value) + x.error, **over)
        some = np.where(x.value == 0, 1, size(x.value))
        parts = np.expm1(np.sum(np.log1p(x.error / some), **over))
        error = np.where(value == 0, most, size(value) * parts)
        n = x.size // max(1, value.size)
        return self.rounded(value, error + max(n - 2, 0) * self.own(most))

    def max(self, x: Bounded, *, axis: Any = None, keepdims: bool = False) -> Bounded:
        over = {"axis": axis, "keepdims": keepdims}
        return Bounded(self, np.max(x.value, **over), np.max(x.error, **over))

    def min(self, x: Bounded, *, axis: Any = None, keepdims: bool = False) -> Bounded:
        return -self.max(-x, axis=axis, keepdims=keepdims)

    def sort(self, x: Bounded) -> Bounded:
        # What is sorted moves by no more than the most that was brought in.
        return Bounded(self, np.sort(x.value), np.full(x.shape, x.error.max(initial=0)))

    def isfinite(self, x: Bounded) -> Doubtful:
        return Doubtful(np.isfinite(x.value), np.zeros(x.shape))

    def any(self, x: Doubtful, *, axis: Any = None, keepdims: bool = False) -> Doubtful:
        over = {"axis": axis, "keepdims": keepdims}
        settled = np.any(x.value & ~x.doubt, **over)
        return Doubtful(np.any(x.value, **over), np.any(x.doubt, **over) & ~settled)

    def all(self, x: Doubtful, *, axis: Any = None, keepdims: bool = False) -> Doubtful:
        return ~self.any(~x, axis=axis, keepdims=keepdims)

    # The same numbers at other places.

    def reshape(self, x: Bounded, shape: Any) -> Bounded:
        return x.moved(lambda a: np.reshape(a, shape))

    def permute_dims(self, x: Bounded, axes: Any) -> Bounded:
        return x.moved(lambda a: np.transpose(a, axes))

    def matrix_transpose(self, x: Bounded) -> Bounded:
        return x.mT

    def expand_dims(self, x: Bounded, *, axis: Any = 0) -> Bounded:
        return x.moved(lambda a: np.expand_dims(a, axis))

    def squeeze(self, x: Bounded, axis: Any) -> Bounded:
        return x.moved(lambda a: np.squeeze(a, axis))

    def broadcast_to(self, x: Bounded, shape: Any) -> Bounded:
        return x.moved(lambda a: np.broadcast_to(a, shape))

    def flip(self, x: Bounded, *, axis: Any = None) -> Bounded:
        return x.moved(lambda a: np.flip(a, axis))

    def roll(self, x: Bounded, shift: Any, *, axis: Any = None) -> Bounded:
        return x.moved(lambda a: np.roll(a, shift, axis))

    def tril(self, x: Bounded, *, k: int = 0) -> Bounded:
        return x.moved(lambda a: np.tril(a, k))

    def triu(self, x: Bounded, *, k: int = 0) -> Bounded:
        return x.moved(lambda a: np.triu(a, k))

    def concat(self, xs: Any, *, axis: Any = 0) -> Bounded:
        return self._together(xs, lambda parts: np.concatenate(parts, axis))

    def stack(self, xs: Any, *, axis: int = 0) -> Bounded:
        return self._together(xs, lambda parts: np.stack(parts, axis))

    def _together(self, xs: Any, join: Callable[[Any], Any]) -> Bounded:
        held = [self.cast(self.scalar(x)) for x in xs]
        return Bounded(self, join([x.value for x in held]), join([x.error for x in held]))

    @property
    def linalg(self) -> "Linalg":
        return Linalg(self)


class Linalg:
    """What the reference uses of the extension for linear algebra."""

    def __init__(self, arithmetic: Arithmetic) -> None:
        self.arithmetic = arithmetic

    def diagonal(self, x: Bounded) -> Bounded:
        return x.moved(lambda a: np.diagonal(a, axis1=-2, axis2=-1))

    def trace(self, x: Bounded) -> Bounded:
        return self.arithmetic.sum(self.diagonal(x), axis=-1)

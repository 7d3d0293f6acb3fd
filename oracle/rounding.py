"""Truth with a bound: arrays that carry, beside each value, how far rounding can have moved it.

The unchanged reference runs on them (running error analysis). A value is computed far more
exactly than by the implementation under test; its error is the largest that the implementation's
own arithmetic can make, in any order of summation, to first and second order.

Three constants describe that arithmetic: the unit roundoff of the tensors, the unit roundoff of
what is computed on the host from hyper-parameters (bias corrections in float32, say), and the
number below which results may be flushed to zero.

Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., 2002, sections 2.2 and 3.3.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

Number = Any
LIMIT = 3.0
"""How many times the bound an implementation may differ by. The bound is that of the equations as
they are written; a legal rewriting may round a large term more often: theta three times in
theta * (1 - lr * wd) - lr * u, and once in theta - lr * (u + wd * theta)."""

UNIT = {"float64": 2.0**-53, "float32": 2.0**-24, "bfloat16": 2.0**-8}
"""Unit roundoff: half the distance from 1 to the next number."""

TINY = {"float64": 2.0**-1022, "float32": 2.0**-126, "bfloat16": 2.0**-126}
"""The smallest normal number; below it, implementations may flush to zero."""

HUGE = {"float64": 2.0**1022, "float32": 2.0**126, "bfloat16": 2.0**126}
"""A quarter of where the type overflows: no truth may come near it."""


def fits(value: Number, unit: float) -> bool:
    """Whether one number is representable with unit roundoff `unit`.

    >>> fits(0.75, 2.0**-8), fits(0.9, 2.0**-24)
    (True, False)
    """
    if unit == UNIT["float64"]:
        return bool(float(value) == value)
    if unit == UNIT["float32"]:
        return bool(abs(value) < HUGE["float32"] and float(np.float32(value)) == value)
    mantissa, _ = np.frexp(value)
    return bool(np.ldexp(mantissa, -round(math.log2(unit))) % 1 == 0)


BEYOND = "the truth leaves the range of {}: such a case judges nothing"


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


class Bounded:
    """An array with its error: |what the implementation holds - value| <= error, by element.

    `host` marks a scalar that the implementation computes outside its tensors.
    """

    __slots__ = ("arithmetic", "error", "host", "value")
    __array_ufunc__ = None

    def __init__(
        self, arithmetic: "Arithmetic", value: Any, error: Any, *, host: bool = False
    ) -> None:
        self.arithmetic, self.value, self.error, self.host = arithmetic, value, error, host

    def __array_namespace__(self, api_version: str | None = None) -> "Arithmetic":
        return self.arithmetic

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        return np.ndim(self.value)

    @property
    def size(self) -> int:
        return int(np.size(self.value))

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
        return Bounded(self.arithmetic, -self.value, self.error, host=self.host)

    def _sum(self, other: Number, sign: int) -> "Bounded":
        a, b, host = self.arithmetic.pair(self, other)
        return self.arithmetic.rounded(a.value + sign * b.value, a.error + b.error, host=host)

    def __add__(self, other: Number) -> "Bounded":
        return self._sum(other, 1)

    def __radd__(self, other: Number) -> "Bounded":
        return self._sum(other, 1)

    def __sub__(self, other: Number) -> "Bounded":
        return self._sum(other, -1)

    def __rsub__(self, other: Number) -> "Bounded":
        return (-self)._sum(other, 1)

    def __mul__(self, other: Number) -> "Bounded":
        a, b, host = self.arithmetic.pair(self, other)
        error = size(a.value) * b.error + size(b.value) * a.error + a.error * b.error
        return self.arithmetic.rounded(a.value * b.value, error, host=host)

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> "Bounded":
        a, b, host = self.arithmetic.pair(self, other)
        value = a.value / b.value
        room = size(b.value) - b.error
        error = (a.error + size(value) * b.error) / room
        if not (room > 0).all():
            error = np.where(room > 0, error, np.inf)
        return self.arithmetic.rounded(value, error, host=host)

    def __rtruediv__(self, other: Number) -> "Bounded":
        return self.arithmetic.scalar(other) / self

    def __pow__(self, exponent: Number) -> "Bounded":
        if isinstance(exponent, Bounded):
            if exponent.ndim or exponent.error:
                return self._power(exponent)
            exponent = exponent.value
        if exponent == 2:
            return self * self
        if exponent == 0.5:
            return self.arithmetic.sqrt(self)
        value, y, x, e = self.value**exponent, float(exponent), size(self.value), self.error
        if y >= 1:
            error = y * (x + e) ** (y - 1) * e
        else:
            away = y * np.log1p(-np.minimum(e / np.where(x > 0, x, 1), 1))
            # Where rounding can have made it zero, a root is off by that of the error.
            lost = e**y if y >= 0 else np.inf
            error = np.where((e < x) | (e == 0), size(value) * abs(np.expm1(away)), lost)
        if self.host and not error and fits(value, self.arithmetic.exact):
            return self.arithmetic.rounded(value, error, host=True)
        return self.arithmetic.function(value, error, host=self.host)

    def _power(self, exponent: "Bounded") -> "Bounded":
        """A power of positive numbers whose exponent is off as well."""
        a, y, host = self.arithmetic.pair(self, exponent)
        value, x = a.value**y.value, size(a.value)
        part = -np.log1p(-np.minimum(a.error / np.where(x > 0, x, 1), 1))
        off = size(y.value) * part + y.error * (abs(np.log(np.where(x > 0, x, 1))) + part)
        return self.arithmetic.function(value, size(value) * np.expm1(off), host=host)

    def __rpow__(self, base: Number) -> "Bounded":
        return self.arithmetic.scalar(base) ** self

    def __matmul__(self, other: "Bounded") -> "Bounded":
        a, b, n = self, other, self.shape[-1]
        A, B = size(a.value), size(b.value)  # noqa: N806
        error = A @ b.error + a.error @ B + a.error @ b.error
        error = error + terms(n) * self.arithmetic.own(A @ B + error)
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


def size(x: Any) -> Any:
    """The absolute value, as precise as an error has to be."""
    return abs(x).astype(np.float64, copy=False)


def terms(n: int) -> float:
    """How many roundings a sum of n terms gathers, in any order, but for the unluckiest ones."""
    return min(max(n - 1, 0), 2 * math.sqrt(n))


class Arithmetic:
    """The arithmetic of an implementation, and the array namespace that computes within it.

    `dtype` is the type of the tensors, `scalar` of the scalars computed on the host, `iteration`
    of the matrix iterations: each one of float64, float32, bfloat16.
    """

    __name__ = "goldstep.oracle.rounding"

    def __init__(self, dtype: str, scalar: str | None = None, iteration: str | None = None) -> None:
        wide = "float32" if dtype == "bfloat16" else dtype
        self.dtype, self.scalar_dtype, self.iteration = dtype, scalar or wide, iteration or dtype
        # Truth is rounded too, 2048 times less than float64 where a long double has 64 bits.
        self.truth = np.longdouble if dtype == "float64" else np.float64
        own = float(np.finfo(self.truth).eps) / 2
        self.unit, self.scalar_unit = UNIT[dtype] + own, UNIT[self.scalar_dtype] + own
        # Of a host scalar, what the truth holds with 11 bits to spare is no rounded number.
        self.exact = max(UNIT[self.scalar_dtype], 2048 * own)
        self._scalars: dict[float, Bounded] = {}

    def tensor(self, x: Any) -> Bounded:
        """An array that the implementation holds exactly, but for what it may flush to zero."""
        value = np.asarray(x, self.truth)
        return Bounded(self, value, np.where(size(value) < TINY[self.dtype], size(value), 0.0))

    def scalar(self, x: Number) -> Bounded:
        """A hyper-parameter or a constant, given in float64: rounded where the host rounds it."""
        if isinstance(x, Bounded):
            return x
        if x not in self._scalars:
            given = Bounded(self, self.truth(x), np.float64(0), host=True)
            exact = fits(x, UNIT[self.scalar_dtype])
            self._scalars[x] = given if exact else self.rounded(given.value, given.error, host=True)
        return self._scalars[x]

    def pair(self, a: Bounded, b: Number) -> tuple[Bounded, Bounded, bool]:
        """Both operands of an operation; a scalar that meets a tensor is rounded to its type."""
        b = self.scalar(b)
        if a.host == b.host:
            return a, b, a.host
        return self.cast(a), self.cast(b), False

    def cast(self, x: Bounded) -> Bounded:
        if not x.host or (not x.error and fits(x.value, UNIT[self.dtype])):
            return x
        if not size(x.value) <= HUGE[self.dtype]:
            raise OverflowError(BEYOND.format(self.dtype))
        return self.rounded(x.value, x.error)

    def own(self, magnitude: Any) -> Any:
        """The most by which one rounding of a tensor moves what is as large as this."""
        # Zero is exact, and stays so: what is zero without error is no matter of rounding.
        return self.unit * magnitude + TINY[self.dtype] * (magnitude > 0)

    def rounded(self, value: Any, error: Any, *, host: bool = False) -> Bounded:
        """The result of one operation whose operands brought in `error`, once it is rounded."""
        magnitude = size(value)
        if not magnitude.max(initial=0) <= HUGE[self.scalar_dtype if host else self.dtype]:
            if host:
                raise OverflowError(BEYOND.format(self.scalar_dtype))
            error = self._beyond(magnitude, error)
        most = magnitude + error
        if not host:
            return Bounded(self, value, error + self.own(most))
        exact = not error and fits(value, self.exact)
        own = 0 if exact else self.scalar_unit * most + TINY[self.scalar_dtype]
        return Bounded(self, value, np.float64(error + own), host=True)

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
        return Bounded(self, np.zeros(shape, self.truth), np.zeros(shape))

    def asarray(self, x: Any, **_: Any) -> Bounded:
        """Constants, each rounded to the type of the tensors."""
        value = np.asarray(x, self.truth)
        exact = np.vectorize(lambda one: fits(one, UNIT["bfloat16"]), otypes=[bool])(value)
        return Bounded(self, value, np.where(exact, 0.0, self.own(size(value))))

    def eye(self, n: int, m: int | None = None, **_: Any) -> Bounded:
        return Bounded(self, np.eye(n, m, dtype=self.truth), np.zeros((n, m or n)))

    def abs(self, x: Bounded) -> Bounded:
        return Bounded(self, abs(x.value), x.error, host=x.host)

    def sqrt(self, x: Bounded) -> Bounded:
        value, a = np.sqrt(x.value), x.value
        # The larger of sqrt(a + e) - sqrt(a) and sqrt(a) - sqrt(a - e), without cancellation.
        below = x.error / (value + np.sqrt(np.maximum(a - x.error, 0)))
        small = np.sqrt(x.error)
        error = np.where(x.error < a, below, small).astype(np.float64)
        return self.rounded(value, error, host=x.host)

    def sign(self, x: Bounded) -> Bounded:
        value = np.sign(x.value)
        doubt = ~(x.error == 0) & ~(size(x.value) > LIMIT * x.error)
        # Any of -1, 0, 1 may stand where the sign is in doubt, whatever the limit multiplies by.
        error = np.where(doubt, 1 + size(value), 0.0) / LIMIT
        return Bounded(self, value, error + 0 * x.error)  # what has no bound has no sign

    def where(self, condition: Any, a: Number, b: Number) -> Bounded:
        if not isinstance(condition, Doubtful):
            condition = Doubtful(condition, False)  # noqa: FBT003
        x, y = self.cast(self.scalar(a)), self.cast(self.scalar(b))
        chosen = np.where(condition.value, x.error, y.error)
        either = size(x.value - y.value) / LIMIT + np.maximum(x.error, y.error)
        error = np.where(condition.doubt, either, chosen)
        return Bounded(self, np.where(condition.value, x.value, y.value), error)

    def maximum(self, a: Number, b: Number) -> Bounded:
        return self._extreme(a, b, np.maximum)

    def minimum(self, a: Number, b: Number) -> Bounded:
        return self._extreme(a, b, np.minimum)

    def _extreme(self, a: Number, b: Number, choose: Callable[[Any, Any], Any]) -> Bounded:
        x, y, host = self.pair(self.scalar(a), b)
        value = choose(x.value, y.value)
        near = ~(size(x.value - y.value) > LIMIT * (x.error + y.error))
        chosen = np.where(value == x.value, x.error, y.error)
        return Bounded(self, value, np.where(near, np.maximum(x.error, y.error), chosen), host=host)

    def searchsorted(self, x1: Bounded, x2: Bounded) -> Bounded:
        """Between which two of the sorted `x1` each of `x2` lies, by the index of the larger."""
        reach = LIMIT * (x2.error + self.own(size(x2.value) + x2.error) * (x1.error.max() > 0))
        index, least, most = (
            np.searchsorted(x1.value, x2.value + move, side=side)
            for move, side in ((0, "left"), (-reach, "left"), (reach, "right"))
        )
        doubt = np.where(reach > 0, np.maximum(most - index, index - least), 0)
        return Bounded(self, index, doubt / LIMIT)

    def take(self, x: Bounded, indices: Bounded) -> Bounded:
        """Elements of `x`; any from which the index is away by no more than its error may stand."""
        off = np.round(LIMIT * indices.error).astype(int)
        least, most = (
            x.value[np.clip(indices.value + move, 0, x.size - 1)] for move in (-off, off)
        )
        value = x.value[indices.value]
        either = np.maximum(size(most - value), size(value - least)) / LIMIT
        return Bounded(self, value, either + x.error[indices.value])

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

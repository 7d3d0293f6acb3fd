"""Numbers that are sums of two doubles: truth where a long double is but one.

Sums of two doubles are exact. A product is exact to 74 bits, ten more than a long double has: only
the upper halves of its factors are multiplied without loss.

Dekker, "A floating-point technique for extending the available precision", 1971; Hida, Li and
Bailey, "Library for double-double and quad-double arithmetic", 2007.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

UPPER = np.int64(-1 << 27)
"""The bits of a double that hold its sign, its exponent and the upper half of its digits."""

SIGN = np.int64(-1 << 63)
SMALLEST = 2.0**-1022


def upper(a: Any) -> Any:
    """A double with the upper half of its digits: of two such, the product is exact."""
    return (a.view(np.int64) & UPPER).view(np.float64)


def lifted(x: Any, truth: Any) -> Any:
    """Numbers in the type of a truth; a number without a shape stays one.

    Before NumPy 2.4, the types themselves make a number of any array of one element.
    """
    return DoubleDouble(x) if truth is DoubleDouble else np.asarray(x, truth)[()]


class DoubleDouble(NDArrayOperatorsMixin):
    """An array of unevaluated sums `high + low`, where |low| is at most half a unit of `high`.

    NumPy's functions work on it: those that the oracle uses.

    >>> third = DoubleDouble(1.0) / 3
    >>> third * 3 == 1, float(third.low)
    (np.True_, 1.850371680135907e-17)
    """

    unit = 2.0**-74
    """Of a single operation, and of what is added in it. A function is off by 2^-66 at most, and a
    whole power by as many units as it has factors.
    """
    __slots__ = ("high", "low")

    high: Any
    low: Any

    def __init__(self, high: Any, low: Any = None) -> None:
        if isinstance(high, DoubleDouble):
            self.high, self.low = high.high, high.low
            return
        self.high = lifted(high, np.float64)
        if low is None and getattr(high, "dtype", np.float64) == np.float64:
            low = np.broadcast_to(0.0, np.shape(high)) if np.ndim(high) else 0.0
        elif low is None:  # what is longer than a double is parted
            with np.errstate(invalid="ignore"):
                low = np.subtract(high, self.high)
            low = np.where(np.isfinite(self.high), low, 0.0)
        self.low = lifted(low, np.float64)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return np

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.high)

    @property
    def ndim(self) -> int:
        return np.ndim(self.high)

    @property
    def size(self) -> int:
        return int(np.size(self.high))

    @property
    def dtype(self) -> str:
        return "double-double"

    @property
    def T(self) -> "DoubleDouble":  # noqa: N802
        return DoubleDouble(np.transpose(self.high), np.transpose(self.low))

    def __getitem__(self, key: Any) -> "DoubleDouble":
        return DoubleDouble(self.high[key], self.low[key])

    def __setitem__(self, key: Any, other: "DoubleDouble") -> None:
        self.high[key], self.low[key] = other.high, other.low

    def __float__(self) -> float:
        return float(self.high)

    def __bool__(self) -> bool:
        return bool(self.high)

    def __repr__(self) -> str:
        return f"DoubleDouble({self.high!r}, {self.low!r})"

    def astype(self, dtype: Any, *, copy: bool = True) -> Any:
        return self.high.astype(dtype, copy=copy) if self.ndim else self.high.astype(dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs or ufunc not in OPERATIONS:
            return NotImplemented
        with np.errstate(all="ignore"):  # what is no number is found where it matters
            return OPERATIONS[ufunc](
                *(x if isinstance(x, DoubleDouble) else DoubleDouble(x) for x in args)
            )

    def __array_function__(self, function: Any, _: Any, args: Any, kwargs: Any) -> Any:
        if function in MOVES:
            return moved(function, *args, **kwargs)
        if function not in FUNCTIONS:
            return NotImplemented
        with np.errstate(all="ignore"):
            return FUNCTIONS[function](*args, **kwargs)


def _parts(args: Any, part: str) -> list[Any]:
    """The arguments with each double-double replaced by one of its parts."""

    def one(x: Any) -> Any:
        if isinstance(x, list | tuple) and any(isinstance(y, DoubleDouble) for y in x):
            return [getattr(DoubleDouble(y), part) for y in x]
        return getattr(x, part) if isinstance(x, DoubleDouble) else x

    return [one(x) for x in args]


def moved(function: Any, *args: Any, **kwargs: Any) -> DoubleDouble:
    """What a function makes that only puts numbers elsewhere."""
    return DoubleDouble(*(function(*_parts(args, part), **kwargs) for part in ("high", "low")))


def normal(high: Any, excess: Any) -> DoubleDouble:
    """Their difference, the second being the smaller; both arrays are written to."""
    s = high - excess
    high -= s
    high -= excess
    return DoubleDouble(s, high)


def halves(a: DoubleDouble) -> tuple[Any, Any]:
    """The upper half of the digits, and what must be taken from it, rounded to a double."""
    high = upper(a.high)
    excess = high - a.high
    excess -= a.low
    return high, excess


def add(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    # The sum of the lower parts is rounded, by 2^-53 of what no double holds anyway.
    s = a.high + b.high
    t = s - a.high
    e = s - t
    e -= a.high
    t -= b.high
    e += t
    e -= a.low
    e -= b.low
    return normal(s, e)


def subtract(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    s = a.high - b.high
    t = s - a.high
    e = s - t
    e -= a.high
    t += b.high
    e += t
    e -= a.low
    e += b.low
    return normal(s, e)


def negative(a: DoubleDouble) -> DoubleDouble:
    return DoubleDouble(-a.high, -a.low)


def multiply(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    ah, ae = halves(a)
    bh, be = (ah, ae) if b.high is a.high else halves(b)
    e = ah * be
    e += ae * b.high
    return normal(ah * bh, e)


def divide(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    quotient, (bh, be) = upper(a.high / b.high), halves(b)
    rest = quotient * bh
    rest -= a.high
    rest -= quotient * be
    rest -= a.low
    rest /= b.high
    return normal(quotient, rest)


def sqrt(a: DoubleDouble) -> DoubleDouble:
    exact = np.sqrt(a.high)
    root = upper(exact)
    rest = root * root
    rest -= a.high
    rest -= a.low
    exact += root
    exact += SMALLEST
    rest /= exact
    return normal(root, rest)


def choose(condition: Any, a: Any, b: Any) -> DoubleDouble:
    a, b = DoubleDouble(a), DoubleDouble(b)
    return DoubleDouble(np.where(condition, a.high, b.high), np.where(condition, a.low, b.low))


def below(a: DoubleDouble, b: DoubleDouble) -> Any:
    return (a.high < b.high) | ((a.high == b.high) & (a.low < b.low))


def equal(a: DoubleDouble, b: DoubleDouble) -> Any:
    return (a.high == b.high) & (a.low == b.low)


def larger(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    return choose(below(b, a) | np.isnan(a.high), a, b)


def smaller(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    return choose(below(a, b) | np.isnan(a.high), a, b)


def absolute(a: DoubleDouble) -> DoubleDouble:
    turned = a.low.view(np.int64) ^ (a.high.view(np.int64) & SIGN)
    return DoubleDouble(abs(a.high), turned.view(np.float64))


def sign(a: DoubleDouble) -> DoubleDouble:
    return DoubleDouble(np.sign(a.high))


def floor(a: DoubleDouble) -> DoubleDouble:
    down = np.floor(a.high)
    return normal(down, np.where(down == a.high, -np.floor(a.low), 0.0))


def ceil(a: DoubleDouble) -> DoubleDouble:
    return negative(floor(negative(a)))


def nearest(a: DoubleDouble) -> DoubleDouble:
    """The nearest whole number, the even one of two."""
    down = floor(a)
    rest = add(a, negative(down))
    half = DoubleDouble(0.5)
    odd = np.mod(down.high, 2) == 1
    up = below(half, rest) | (equal(rest, half) & odd)
    return choose(up, add(down, DoubleDouble(1.0)), down)


LN2 = DoubleDouble(0.6931471805599453, 2.319046813846299e-17)
HALF_PI = DoubleDouble(1.5707963267948966, 6.123233995736766e-17)


def series(x: DoubleDouble, first: DoubleDouble, square: DoubleDouble, n: int) -> DoubleDouble:
    """The sum of `first`, `first` * square / (x (x + 1)) and so on, each term from the last."""
    term = total = first
    for k in range(n):
        divisor = (float(x.high) + 2 * k) * (float(x.high) + 2 * k + 1)
        term = divide(multiply(term, square), DoubleDouble(divisor))
        total = add(total, term)
    return total


def expm1(a: DoubleDouble) -> DoubleDouble:
    """exp(a) - 1 for small a."""
    r = multiply(a, DoubleDouble(2.0**-8))
    term = total = r
    for k in range(2, 15):
        term = divide(multiply(term, r), DoubleDouble(float(k)))
        total = add(total, term)
    for _ in range(8):
        total = add(multiply(DoubleDouble(2.0), total), multiply(total, total))
    return total


def exp(a: DoubleDouble) -> DoubleDouble:
    k = np.clip(np.rint(a.high / LN2.high), -1100, 1100)
    rest = add(a, negative(multiply(DoubleDouble(k), LN2)))
    found, n = add(expm1(rest), DoubleDouble(1.0)), k.astype(np.int64)
    return DoubleDouble(np.ldexp(found.high, n), np.ldexp(found.low, n))


def log(a: DoubleDouble) -> DoubleDouble:
    found = DoubleDouble(np.log(a.high))
    for _ in range(2):
        rest = add(multiply(a, exp(negative(found))), DoubleDouble(-1.0))
        found = add(found, rest)
    return choose(np.isfinite(np.log(a.high)), found, DoubleDouble(np.log(a.high)))


def waves(a: DoubleDouble) -> tuple[DoubleDouble, DoubleDouble]:
    """Cosine and sine."""
    k = np.rint(a.high / HALF_PI.high)
    r = add(a, negative(multiply(DoubleDouble(k), HALF_PI)))
    square = negative(multiply(r, r))
    one = DoubleDouble(np.ones_like(r.high))
    c, s = series(DoubleDouble(1.0), one, square, 14), series(DoubleDouble(2.0), r, square, 14)
    turn = np.mod(k, 4)
    cosine = choose(turn % 2 == 0, c, s)
    sine = choose(turn % 2 == 0, s, c)
    cosine = choose((turn == 1) | (turn == 2), negative(cosine), cosine)
    return cosine, choose(turn >= 2, negative(sine), sine)


def tanh(a: DoubleDouble) -> DoubleDouble:
    twice = absolute(multiply(DoubleDouble(2.0), a))
    twice = smaller(twice, DoubleDouble(200.0))
    grown = choose(twice.high < 1, expm1(twice), add(exp(twice), DoubleDouble(-1.0)))
    found = divide(grown, add(grown, DoubleDouble(2.0)))
    return choose(a.high < 0, negative(found), found)


def arctan2(y: DoubleDouble, x: DoubleDouble) -> DoubleDouble:
    rough = DoubleDouble(np.arctan2(y.high, x.high))
    c, s = waves(rough)
    far = sqrt(add(multiply(x, x), multiply(y, y)))
    off = divide(add(multiply(y, c), negative(multiply(x, s))), far)
    return choose(far.high > 0, add(rough, off), rough)


def power(a: DoubleDouble, y: DoubleDouble) -> DoubleDouble:
    whole = y.ndim == 0 and not y.low and float(y.high).is_integer() and abs(y.high) < 2**11
    if not whole:
        return choose((a.high == 0) & (y.high > 0), 0.0 * a.high, exp(multiply(y, log(a))))
    found, square, n = DoubleDouble(np.ones_like(a.high)), a, abs(int(y.high))
    while n:
        found = multiply(found, square) if n % 2 else found
        square, n = multiply(square, square), n // 2
    return divide(DoubleDouble(1.0), found) if y.high < 0 else found


def matmul(a: DoubleDouble, b: DoubleDouble) -> DoubleDouble:
    if b.ndim == 1:
        return matmul(a, b[:, None])[..., 0]
    if a.ndim == 1:
        return matmul(a[None], b)[..., 0, :]
    total = DoubleDouble(np.zeros(()))
    for k in range(b.shape[-2]):
        total = add(total, multiply(a[..., :, k, None], b[..., None, k, :]))
    return total


def reduced(operation: Callable[[Any, Any], DoubleDouble], empty: float | None) -> Any:
    """An operation over all elements, or along axes, in pairs of halves."""

    def reduce(a: DoubleDouble, *, axis: Any = None, keepdims: bool = False) -> DoubleDouble:
        every = list(range(a.ndim))
        front = every if axis is None else [every[i] for i in np.atleast_1d(axis)]
        last = [i for i in every if i not in front]
        kept = [1 if i in front else n for i, n in enumerate(a.shape)]
        high, low = (np.transpose(x, front + last) for x in (a.high, a.low))
        rest = [a.shape[i] for i in last]
        n = math.prod(a.shape[i] for i in front)
        b = DoubleDouble(high.reshape(n, *rest), low.reshape(n, *rest))
        if not n:
            b = DoubleDouble(np.full((1, *rest), empty))
        while b.shape[0] > 1:
            half, odd = b.shape[0] // 2, b.shape[0] % 2
            paired = operation(b[:half], b[half : 2 * half])
            b = moved(np.concatenate, [paired, b[-1:]]) if odd else paired
        return moved(np.reshape, b, kept) if keepdims else b[0]

    return reduce


def sort(a: DoubleDouble) -> DoubleDouble:
    order = np.lexsort((a.low, a.high))
    return DoubleDouble(*(np.take_along_axis(x, order, -1) for x in (a.high, a.low)))


def _full_like(a: Any, fill: Any) -> DoubleDouble:
    one = DoubleDouble(fill)
    return DoubleDouble(np.full(np.shape(a), one.high), np.full(np.shape(a), one.low))


def _not(f: Callable[[DoubleDouble, DoubleDouble], Any]) -> Callable[..., Any]:
    return lambda a, b: ~f(a, b)


OPERATIONS: dict[Any, Callable[..., Any]] = {
    np.add: add,
    np.subtract: subtract,
    np.multiply: multiply,
    np.divide: divide,
    np.negative: negative,
    np.positive: lambda a: a,
    np.absolute: absolute,
    np.sqrt: sqrt,
    np.power: power,
    np.exp: exp,
    np.log: log,
    np.cos: lambda a: waves(a)[0],
    np.sin: lambda a: waves(a)[1],
    np.tanh: tanh,
    np.arctan2: arctan2,
    np.floor: floor,
    np.ceil: ceil,
    np.rint: nearest,
    np.sign: sign,
    np.maximum: larger,
    np.minimum: smaller,
    np.matmul: matmul,
    np.less: below,
    np.greater: lambda a, b: below(b, a),
    np.less_equal: lambda a, b: below(a, b) | equal(a, b),
    np.greater_equal: lambda a, b: below(b, a) | equal(a, b),
    np.equal: equal,
    np.not_equal: _not(equal),
    np.isfinite: lambda a: np.isfinite(a.high),
}

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: choose,
    np.sum: reduced(add, 0.0),
    np.prod: reduced(multiply, 1.0),
    np.max: reduced(larger, None),
    np.min: reduced(smaller, None),
    np.round: nearest,
    np.sort: sort,
    np.full_like: _full_like,
    np.zeros_like: lambda a: _full_like(a, 0.0),
    np.shape: lambda a: a.shape,
    np.size: lambda a: a.size,
    np.ndim: lambda a: a.ndim,
}

MOVES = {
    np.empty_like,
    np.reshape,
    np.transpose,
    np.matrix_transpose,
    np.expand_dims,
    np.squeeze,
    np.broadcast_to,
    np.flip,
    np.roll,
    np.tril,
    np.triu,
    np.diagonal,
    np.ravel,
    np.concatenate,
    np.stack,
}

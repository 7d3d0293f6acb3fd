"""Arrays of 50 digits: the same equations and the same reference, without rounding to speak of.

A namespace of mpmath numbers in NumPy's object arrays, as far as the reference asks for one. What
only moves elements about is NumPy's own; what computes with them is here.
"""

import operator
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

DIGITS = 50
mp = mpmath.mp.clone()
mp.dps = DIGITS
Number = Any


def _divided(a: Number, b: Number) -> Number:
    """The quotient as IEEE 754 has it: infinite, or no number, where mpmath raises."""
    a, b = mp.mpf(a), mp.mpf(b)
    if b:
        return a / b
    return mp.nan if a == 0 or mp.isnan(a) else mp.inf * mp.sign(a)


def _power(a: Number, b: Number) -> Number:
    if a == 0 and b <= 0:
        return mp.one if b == 0 else mp.inf
    if a < 0 and b != int(b):
        return mp.nan
    return mp.mpf(a) ** b


def _root(a: Number) -> Number:
    return mp.nan if a < 0 else mp.sqrt(a)


def _log(a: Number) -> Number:
    return mp.nan if a < 0 else -mp.inf if a == 0 else mp.log(a)


def _real(x: Any) -> Any:
    """A number in 50 digits: a literal is the decimal that is written, all else exact."""
    if type(x) is float:
        return mp.mpf(repr(x))
    return mp.mpf(int(x) if isinstance(x, int | np.integer) else x)


_reals = np.frompyfunc(mp.mpf, 1, 1)
_quotients = np.frompyfunc(_divided, 2, 1)
_powers = np.frompyfunc(_power, 2, 1)


def plain(x: Any) -> Any:
    """The NumPy array, of objects where it holds numbers, that `x` stands for."""
    if isinstance(x, Digits):
        return x.x
    if isinstance(x, list | tuple):
        return type(x)(plain(a) for a in x)
    if type(x) is float:
        return _real(x)
    if isinstance(x, np.ndarray | np.floating) and x.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # what is no number stays none
            return _reals(x)
    return x


class Digits:
    """An array of numbers of 50 digits; where it is of booleans or indices it is NumPy's."""

    __slots__ = ("x",)
    __array_ufunc__ = None

    def __init__(self, x: Any) -> None:
        self.x = np.asarray(plain(x))

    def __array_namespace__(self, api_version: str | None = None) -> "Namespace":
        return namespace

    device = None
    dtype = property(lambda self: self.x.dtype)
    shape = property(lambda self: self.x.shape)
    ndim = property(lambda self: self.x.ndim)
    size = property(lambda self: self.x.size)
    T = property(lambda self: Digits(self.x.T))
    mT = property(lambda self: Digits(self.x.swapaxes(-1, -2)))  # noqa: N815

    def __getitem__(self, key: Any) -> "Digits":
        return Digits(self.x[plain(key)])

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"Digits({self.x.tolist()})"

    def __float__(self) -> float:
        return float(self.x)

    def __int__(self) -> int:
        return int(self.x)

    __index__ = __int__

    def __bool__(self) -> bool:
        return bool(self.x)

    def __neg__(self) -> "Digits":
        return Digits(-self.x)

    def __abs__(self) -> "Digits":
        return Digits(abs(self.x))

    def __invert__(self) -> "Digits":
        return Digits(~self.x)

    def __matmul__(self, other: "Digits") -> "Digits":
        return Digits(np.matmul(self.x, other.x))

    __hash__ = None  # type: ignore[assignment]


def _binary(f: Callable[[Any, Any], Any], *, swapped: bool = False) -> Callable[..., Digits]:
    def method(self: Digits, other: Any) -> Digits:
        a, b = (plain(other), self.x) if swapped else (self.x, plain(other))
        return Digits(f(a, b))

    return method


def _comparison(f: Callable[[Any, Any], Any]) -> Callable[..., Digits]:
    def method(self: Digits, other: Any) -> Digits:
        return Digits(np.asarray(f(self.x, plain(other)), bool))

    return method


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": _quotients,
    "pow": _powers,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "and": operator.and_,
    "or": operator.or_,
}
for _name, _f in _OPERATORS.items():
    setattr(Digits, f"__{_name}__", _binary(_f))
    setattr(Digits, f"__r{_name}__", _binary(_f, swapped=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Digits, f"__{_name}__", _comparison(getattr(operator, _name)))


def number(x: Any) -> Digits:
    """One number of 50 digits: of a decimal as it is written, of all else exactly."""
    return Digits(x if isinstance(x, Digits) else mp.mpf(x) if isinstance(x, str) else _real(x))


class Namespace:
    """The array namespace of `Digits`."""

    __name__ = "goldstep.oracle.digits"
    float64 = float32 = "digits"
    pi = Digits(+mp.pi)
    inf = float("inf")
    nan = float("nan")

    def __getattr__(self, name: str) -> Any:
        """NumPy's function, for what only moves elements about."""
        f = getattr(np, name)

        def moved(*args: Any, **kwargs: Any) -> Any:
            kwargs = {k: v for k, v in kwargs.items() if k not in {"dtype", "device"}}
            found = f(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})
            return [Digits(x) for x in found] if isinstance(found, list | tuple) else Digits(found)

        return moved

    def asarray(self, x: Any, **_: Any) -> Digits:
        return Digits(x)

    def astype(self, x: Digits, dtype: Any, **_: Any) -> Digits:
        if dtype in {object, "digits"} or np.dtype(dtype).kind in "fO":
            return Digits(np.asarray(_reals(x.x), object) if x.dtype.kind in "biu" else x)
        return Digits(x.x.astype(dtype))

    def finfo(self, _: Any) -> Any:
        return np.finfo(np.float64)

    def _elements(self, f: Callable[[Any], Any], x: Any) -> Digits:
        return Digits(np.frompyfunc(f, 1, 1)(plain(x)))

    def sqrt(self, x: Any) -> Digits:
        return self._elements(_root, x)

    def exp(self, x: Any) -> Digits:
        return self._elements(mp.exp, x)

    def log(self, x: Any) -> Digits:
        return self._elements(_log, x)

    def log2(self, x: Any) -> Digits:
        return self._elements(lambda a: _log(a) / mp.log(2), x)

    def cos(self, x: Any) -> Digits:
        return self._elements(mp.cos, x)

    def sin(self, x: Any) -> Digits:
        return self._elements(mp.sin, x)

    def tanh(self, x: Any) -> Digits:
        return self._elements(mp.tanh, x)

    def sign(self, x: Any) -> Digits:
        return self._elements(lambda a: mp.mpf(mp.sign(a)), x)

    def abs(self, x: Any) -> Digits:
        return self._elements(abs, x)

    def floor(self, x: Any) -> Digits:
        return self._elements(mp.floor, x)

    def ceil(self, x: Any) -> Digits:
        return self._elements(mp.ceil, x)

    def round(self, x: Any) -> Digits:
        return self._elements(mp.nint, x)

    def square(self, x: Any) -> Digits:
        return Digits(plain(x) * plain(x))

    def isnan(self, x: Any) -> Digits:
        return Digits(np.asarray(np.frompyfunc(mp.isnan, 1, 1)(plain(x)), bool))

    def isfinite(self, x: Any) -> Digits:
        return Digits(np.asarray(np.frompyfunc(mp.isfinite, 1, 1)(plain(x)), bool))

    def divide(self, a: Any, b: Any) -> Digits:
        return Digits(_quotients(plain(a), plain(b)))

    def pow(self, a: Any, b: Any) -> Digits:
        return Digits(_powers(plain(a), plain(b)))

    def argsort(
        self, x: Digits, *, axis: int = -1, descending: bool = False, stable: bool = True
    ) -> Digits:
        order = np.argsort(
            -x.x if descending else x.x, axis=axis, kind="stable" if stable else None
        )
        return Digits(order)

    def mean(self, x: Digits, *, axis: Any = None, keepdims: bool = False) -> Digits:
        total = np.asarray(np.sum(x.x, axis=axis, keepdims=keepdims))
        return Digits(_quotients(total, max(1, x.size // max(1, total.size))))

    def cumulative_sum(self, x: Digits, *, axis: Any = None, **_: Any) -> Digits:
        return Digits(np.cumsum(x.x, axis=axis))

    @property
    def linalg(self) -> "Linalg":
        return Linalg()


class Linalg:
    """Factorisations of matrices, by mpmath."""

    def eigh(self, a: Digits) -> tuple[Digits, Digits]:
        values, vectors = mp.eigsy(_matrix(a))
        return _flat(values), _array(vectors)

    def svd(self, a: Digits, *, full_matrices: bool = False) -> tuple[Digits, Digits, Digits]:
        u, s, v = mp.svd_r(_matrix(a), full_matrices=full_matrices)
        return _array(u), _flat(s), _array(v)

    def qr(self, a: Digits, mode: str = "reduced") -> tuple[Digits, Digits]:  # noqa: ARG002
        q, r = mp.qr(_matrix(a), mode="skinny")
        return _array(q), _array(r)

    def inv(self, a: Digits) -> Digits:
        return _array(_matrix(a) ** -1)

    def solve(self, a: Digits, b: Digits) -> Digits:
        return Digits(self.inv(a).x @ b.x)

    def trace(self, a: Digits) -> Digits:
        return Digits(np.trace(a.x))

    def diagonal(self, a: Digits) -> Digits:
        return Digits(np.diagonal(a.x))

    def matrix_transpose(self, a: Digits) -> Digits:
        return Digits(a.x.swapaxes(-1, -2))

    def vector_norm(self, x: Digits, *, axis: Any = None, keepdims: bool = False) -> Digits:
        return namespace.sqrt(Digits(np.sum(x.x * x.x, axis=axis, keepdims=keepdims)))

    def matrix_norm(self, x: Digits) -> Digits:
        return self.vector_norm(x)


def _matrix(a: Digits) -> Any:
    return mp.matrix(a.x.tolist())


def _array(m: Any) -> Digits:
    rows = [[m[i, j] for j in range(m.cols)] for i in range(m.rows)]
    return Digits(np.array(rows, object).reshape(m.rows, m.cols))


def _flat(m: Any) -> Digits:
    return Digits(np.array(list(m), object))


namespace = Namespace()

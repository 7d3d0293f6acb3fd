"""The error of a matrix iteration, by stochastic arithmetic.

Through five products of matrices a worst-case bound grows by 1e5 and more and sees nothing; the
real error, a sum of very many independent roundings, is close to normal. So an iteration runs
beside its truth on `SAMPLES` copies in which every result is off by a random half unit, and the
spread is its error. The running error analysis goes on after it.

A factorisation is off by what LAPACK is: its matrix is moved by a few units of its norm, its
factors by as much as they lose orthogonality. And each copy has singular vectors and eigenvectors
of signs of its own, turned at random within equal values, so that whatever depends on them has the
spread of what is arbitrary, and what does not, none. A rule that keeps such vectors in its state
runs on copies from end to end: `Sampled`.

Parker, "Monte Carlo Arithmetic", 1997, does this for whole programs.
"""

import functools
import math
from collections.abc import Callable, Mapping
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from .double import lifted
from .replay import Slots, Stepper, Tensors
from .rounding import BEYOND, HUGE, LIMIT, UNIT, Arithmetic, Bounded, fits, narrow
from .rules import Hyper, Pipeline

SAMPLES = 16
SIGMAS = 8.0
"""An implementation may be off by this many standard deviations. The most seen over 3000 matrices
of low rank, or all but, was 6.8 for the iteration as it is written; rearranged by Horner it was 5.3
where they have up to 24 rows and columns, but 10.7 where they have up to 64."""
FACTORED = 16.0
"""The same where there is a factorisation, whose truth is no better than float64 itself."""
FLOOR = 0.3
"""No element is held to less than this part of the whole matrix's root mean square."""
FINEST = 2.0**-40
"""Noise finer than this would drown in the sampling's own float64: it is drawn coarser, and the
spread, which is linear in it, is scaled back."""
FINEST_FACTORED = 2.0**-50
"""What is arbitrary is not linear in the noise: near a factorisation nothing is scaled back."""

UNIFORM = np.random.Generator(np.random.Philox(0)).uniform(-1, 1, 1048573)
"""Random numbers, the same in every run; so many, a prime, that they are never twice in step."""


@functools.cache
def factors(unit: float) -> Any:
    """What multiplies a result that is rounded somewhere: uniform within a unit of 1."""
    return 1 + unit * UNIFORM


class Noise:
    """A namespace whose results are off at random, each within a unit roundoff.

    With unit 0 it is exact: one copy, in the precision of what it is given. `operands` is the unit
    to which the operands of a product of matrices are rounded first. `host` is that of the scalars
    which an implementation computes outside its tensors.
    """

    __name__ = "goldstep.oracle.sampling"
    newaxis = None

    def __init__(self, unit: float, operands: float = 0.0, *, host: bool = False) -> None:
        self.unit, self.factors, self.at, self.host = unit, factors(unit), 0, host
        self.operands = operands if unit else 0.0
        self.copies = SAMPLES if unit else 1
        self.factored = False
        self.most = 0.0  # the largest number of the exact copy
        self.linalg = SimpleNamespace(svd=self.svd, eigh=self.eigh, qr=self.qr, solve=self.solve)

    def draw(self, pool: Any, shape: tuple[int, ...]) -> Any:
        """The next numbers of a pool, which begins again where it ends."""
        n = math.prod(shape)
        found = pool[self.at : self.at + n]
        if found.size < n:
            found = np.append(found, np.resize(pool, n - found.size))
        self.at = (self.at + n) % pool.size
        return found.reshape(shape)

    def uniform(self, shape: tuple[int, ...]) -> Any:
        return self.draw(UNIFORM, shape)

    def normal(self, shape: tuple[int, ...]) -> Any:
        """Numbers of variance 1, near enough to normal for what is added up of them."""
        return math.sqrt(3) * self.uniform(shape)

    def array(self, x: Any) -> "Noisy":
        if self.unit:
            return Noisy(self, x * self.draw(self.factors, x.shape))
        self.most = max(self.most, float(np.max(np.abs(x), initial=0.0)))
        return Noisy(self, x)

    def operand(self, x: "Noisy") -> Any:
        """A matrix as it goes into a product."""
        if not self.operands:
            return x.draws
        return x.draws * self.draw(factors(self.operands), x.draws.shape)

    def one(self, x: Any) -> Any:
        """A single array, off at random."""
        return x * self.draw(self.factors, np.shape(x))

    def copy(self, value: Any, error: Any = 0.0) -> "Noisy":
        """Copies of an array, each within its error, and rounded."""
        if not isinstance(value, np.ndarray | np.generic):
            value = value.astype(np.float64)  # two doubles have no LAPACK
        if not self.unit:
            return Noisy(self, np.asarray(value)[None])
        return Noisy(self, value + error * self.uniform((SAMPLES, *np.shape(value))))

    # The vocabulary of the reference, beside the operators.

    def zeros_like(self, x: "Noisy") -> "Noisy":
        return Noisy(self, np.zeros_like(x.draws))

    def full_like(self, x: "Noisy", fill: Any) -> "Noisy":
        return self.zeros_like(x) + fill  # type: ignore[no-any-return]

    def eye(self, n: int, **_: Any) -> "Noisy":
        return Noisy(self, np.repeat(np.eye(n)[None], self.copies, 0))

    def sqrt(self, x: "Noisy") -> "Noisy":
        return self.array(np.sqrt(x.draws))

    def sign(self, x: "Noisy") -> "Noisy":
        return Noisy(self, np.sign(x.draws))

    def abs(self, x: "Noisy") -> "Noisy":
        return Noisy(self, np.abs(x.draws))

    def max(self, x: "Noisy", *, axis: Any = None, keepdims: bool = False) -> "Noisy":
        return Noisy(self, np.max(x.draws, axis=over(x, axis), keepdims=keepdims))

    def maximum(self, x: Any, y: Any) -> "Noisy":
        return self._pair(x, y, np.maximum)

    def minimum(self, x: Any, y: Any) -> "Noisy":
        return self._pair(x, y, np.minimum)

    def _pair(self, x: Any, y: Any, choose: Callable[[Any, Any], Any]) -> "Noisy":
        a, b = aligned(*(v.draws if isinstance(v, Noisy) else np.full((1,), v) for v in (x, y)))
        return Noisy(self, choose(a, b))

    def where(self, condition: "Noisy", x: Any, y: Any) -> "Noisy":
        parts = (v.draws if isinstance(v, Noisy) else np.full((1,), v) for v in (condition, x, y))
        return Noisy(self, np.where(*aligned(*parts)))

    def reshape(self, x: "Noisy", shape: tuple[int, ...]) -> "Noisy":
        return Noisy(self, x.draws.reshape(self.copies, *shape))

    def triu(self, x: "Noisy") -> "Noisy":
        return Noisy(self, np.triu(x.draws))

    def flip(self, x: "Noisy", *, axis: int) -> "Noisy":
        return Noisy(self, np.flip(x.draws, over(x, axis)))

    def argsort(self, x: "Noisy", *, descending: bool = False, **_: Any) -> "Noisy":
        return Noisy(self, np.argsort(-x.draws if descending else x.draws, axis=-1, kind="stable"))

    def take(self, x: "Noisy", indices: "Noisy", *, axis: int) -> "Noisy":
        shape = [self.copies] + [1] * len(x.shape)
        shape[axis + 1] = -1
        return Noisy(self, np.take_along_axis(x.draws, indices.draws.reshape(shape), axis + 1))

    def sum(self, x: "Noisy", *, axis: Any = None, keepdims: bool = False) -> "Noisy":
        axes = over(x, axis)
        total = x.draws.sum(axes, keepdims=keepdims)
        # Terms are summed one by one, in float32 at least.
        unit = min(self.unit, UNIT["float32"])
        terms = x.draws.size / max(1, total.size)
        spread = unit * math.sqrt(terms / 3) * np.abs(total)
        return self.array(total + spread * self.normal(total.shape) if unit else total)

    def mean(self, x: "Noisy", *, axis: Any = None, keepdims: bool = False) -> "Noisy":
        total = self.sum(x, axis=axis, keepdims=keepdims)
        n = x.draws.size / max(1, total.draws.size)
        return Noisy(self, total.draws / n) if not self.unit else self.array(total.draws / n)

    # The factorisations, each of a matrix nearby.

    def svd(self, x: "Noisy", *, full_matrices: bool = False) -> tuple["Noisy", "Noisy", "Noisy"]:
        u, s, v = np.linalg.svd(self._nearby(x.draws), full_matrices=full_matrices)
        sign = self._signs(s.shape)
        u, v = self._factor(u) * sign[:, None, :], self._factor(v) * sign[:, :, None]
        return self._result(x, u), self._result(x, s), self._result(x, v)

    def eigh(self, x: "Noisy") -> tuple["Noisy", "Noisy"]:
        w, q = np.linalg.eigh(self._nearby(x.draws, symmetric=True))
        q = self._factor(q) * self._signs(w.shape)[:, None, :]
        return self._result(x, w), self._result(x, q)

    def qr(self, x: "Noisy") -> tuple["Noisy", "Noisy"]:
        q, r = np.linalg.qr(self._nearby(x.draws))
        sign = self._signs((len(q), q.shape[-1]))
        q, r = self._factor(q) * sign[:, None, :], r * sign[:, :, None]
        return self._result(x, q), self._result(x, r)

    def solve(self, a: "Noisy", b: "Noisy") -> "Noisy":
        return self._result(b, np.linalg.solve(self._nearby(a.draws), self._nearby(b.draws)))

    def _nearby(self, a: Any, *, symmetric: bool = False) -> Any:
        """What LAPACK factors instead of a matrix: within three units of its norm."""
        self.factored = True
        a = a.astype(np.float64)
        if not self.unit:
            return a
        norm = np.sqrt(np.sum(a * a, axis=(-2, -1), keepdims=True) / (a.shape[-1] * a.shape[-2]))
        noise = 3 * self.unit * norm * self.normal(a.shape)
        return a + ((noise + noise.swapaxes(-1, -2)) / math.sqrt(2) if symmetric else noise)

    def _factor(self, q: Any) -> Any:
        """An orthogonal factor as far from orthogonal as those of LAPACK are."""
        if not self.unit:
            return q
        n = max(q.shape[-2:])
        return q + self.unit * n / math.sqrt(q.shape[-2] * q.shape[-1]) * self.normal(q.shape)

    def _signs(self, shape: tuple[int, ...]) -> Any:
        return np.where(self.uniform(shape) < 0, -1.0, 1.0) if self.unit else np.ones(shape)

    def _result(self, like: "Noisy", found: Any) -> "Noisy":
        return self.array(found.astype(like.draws.dtype))


def over(x: "Noisy", axis: Any) -> Any:
    """The axes of all copies that an axis of each is; all but the first if None is named."""
    if axis is None:
        return tuple(range(1, x.draws.ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tuple(a % len(x.shape) + 1 for a in axes)


def aligned(*arrays: Any) -> list[Any]:
    """Arrays of copies, each with axes of length 1 before its own, so that they broadcast."""
    n = max(a.ndim for a in arrays)
    return [a.reshape(len(a), *(1,) * (n - a.ndim), *a.shape[1:]) for a in arrays]


class Noisy:
    """Copies of an array, along the first axis."""

    __slots__ = ("draws", "noise")
    __array_ufunc__ = None
    dtype, device = "float64", "cpu"

    def __init__(self, noise: Noise, draws: Any) -> None:
        self.noise, self.draws = noise, draws

    def __array_namespace__(self, api_version: str | None = None) -> Noise:
        return self.noise

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.draws.shape[1:])

    @property
    def ndim(self) -> int:
        return int(self.draws.ndim) - 1

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def T(self) -> "Noisy":  # noqa: N802
        return Noisy(self.noise, self.draws.swapaxes(-1, -2))

    def __getitem__(self, key: Any) -> "Noisy":
        keys = key if isinstance(key, tuple) else (key,)
        return Noisy(self.noise, self.draws[(slice(None), *keys)])

    def __bool__(self) -> bool:
        if not (self.draws.ndim == 1 and self.draws.all() == self.draws.any()):
            msg = "a branch may not depend on an array, nor on a comparison that rounding can turn"
            raise ValueError(msg)
        return bool(self.draws.all())

    def _of(self, other: Any) -> Noise:
        """Where the result of an operation is rounded: on the host only if both operands are."""
        return other.noise if self.noise.host and isinstance(other, Noisy) else self.noise

    def _draws(self, other: Any) -> tuple[Any, Any]:
        if isinstance(other, Noisy):
            b = other.draws
        elif self.noise.unit:  # a constant is rounded once in each copy
            b = other * self.noise.draw(self.noise.factors, (SAMPLES,))
        else:
            b = np.full((1,), other, np.result_type(self.draws, np.float64))
        a, b = aligned(self.draws, b)
        return a, b

    def _with(self, other: Any, operation: Callable[[Any, Any], Any]) -> "Noisy":
        return self._of(other).array(operation(*self._draws(other)))

    def _compare(self, other: Any, compare: Callable[[Any, Any], Any]) -> "Noisy":
        return Noisy(self._of(other), compare(*self._draws(other)))

    def __neg__(self) -> "Noisy":
        return Noisy(self.noise, -self.draws)

    def __add__(self, other: Any) -> "Noisy":
        return self._with(other, np.add)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Noisy":
        return self._with(other, np.subtract)

    def __rsub__(self, other: Any) -> "Noisy":
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> "Noisy":
        return self._with(other, np.multiply)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Noisy":
        return self._with(other, np.divide)

    def __rtruediv__(self, other: Any) -> "Noisy":
        return self._with(other, lambda a, b: b / a)

    def __pow__(self, exponent: float) -> "Noisy":
        return self.noise.array(self.draws**exponent)

    def __lt__(self, other: Any) -> "Noisy":
        return self._compare(other, np.less)

    def __le__(self, other: Any) -> "Noisy":
        return self._compare(other, np.less_equal)

    def __gt__(self, other: Any) -> "Noisy":
        return self._compare(other, np.greater)

    def __ge__(self, other: Any) -> "Noisy":
        return self._compare(other, np.greater_equal)

    def __matmul__(self, other: "Noisy") -> "Noisy":
        a, b, unit = self.noise.operand(self), self.noise.operand(other), self.noise.unit
        if not 0 < unit <= UNIT["float32"]:
            return self.noise.array(a @ b)  # products are summed in float32 at least
        own = unit * np.sqrt(a.shape[-1] / 2 * ((a * a) @ (b * b)))
        return self.noise.array(a @ b + own * self.noise.normal(own.shape))


def leave(arithmetic: Arithmetic) -> None:
    """Raise OverflowError where nothing can be asked any more: infinity has no factorisation.

    A finer type holds what is asked in it, or else the case is refused for want of a bound.
    """
    if narrow(arithmetic.dtype):
        raise OverflowError(BEYOND.format(arithmetic.dtype))


def bound(arithmetic: Arithmetic, true: Noisy, noisy: Noisy, sigmas: float) -> Bounded:
    """The truth with the spread of the copies about it for its error."""
    truth = true.draws[0]
    off = noisy.draws - truth.astype(np.float64)
    variance = np.einsum("k...,k...->...", off, off) / SAMPLES
    floor = FLOOR * math.sqrt(variance.sum() / max(1, variance.size))
    sigma = np.maximum(np.sqrt(variance), floor)
    if true.noise.most > HUGE[arithmetic.dtype]:
        if true.noise.factored:
            leave(arithmetic)
        sigma = np.full_like(sigma, np.inf)
    return Bounded(arithmetic, lifted(truth, arithmetic.truth), sigmas / LIMIT * sigma)


def each(f: Callable[..., Any], *found: Any) -> Any:
    """`f` of each result of an iteration, which has one or several."""
    if isinstance(found[0], tuple):
        return tuple(f(*parts) for parts in zip(*found, strict=True))
    return f(*found)


def node(arithmetic: Arithmetic) -> Callable[[FunctionType], Callable[..., Any]]:
    """What to wrap an iteration in so that it takes and gives back error-carrying arrays."""

    def wrap(iteration: FunctionType) -> Callable[..., Any]:
        def on(noise: Noise, given: tuple[Any, ...], coarser: float = 1.0) -> Any:
            def copied(a: Any) -> Any:
                if not isinstance(a, Bounded):
                    return a
                if a.host:
                    return float(a.value)
                if not noise.unit:
                    return noise.copy(a.value)
                spread = noise.copy(a.value.astype(np.float64), coarser * a.error)
                return noise.array(spread.draws)

            return iteration(*map(copied, given))

        def bounded(*given: Any) -> Any:
            if not all(np.isfinite(a.error).all() for a in given if isinstance(a, Bounded)):
                leave(arithmetic)
            exact = Noise(0.0)
            true = on(exact, given)
            if exact.factored:  # by no library in bfloat16
                unit, sigmas = max(UNIT[arithmetic.dtype], FINEST_FACTORED), FACTORED
                noisy = on(Noise(unit, arithmetic.operands), given)
            else:
                unit = UNIT[arithmetic.iteration]
                noise = Noise(max(unit, FINEST), arithmetic.operands)
                coarser = noise.unit / unit
                noisy, sigmas = on(noise, given, coarser), SIGMAS / coarser
            return each(lambda t, n: bound(arithmetic, t, n, sigmas), true, noisy)

        return bounded

    return wrap


def turned(x: Any, like: Any) -> Any:
    """A matrix of which the columns have arbitrary signs, with those that are nearer to another."""
    return x * np.where(np.sum(x * like, axis=-2, keepdims=True) < 0, -1, 1).astype(x.dtype)


class Sampled:
    """A stepper on error-carrying arrays whose errors are those of copies, from end to end.

    The copies agree with one another on nothing that is arbitrary, and each goes on from its own.
    """

    def __init__(
        self, arithmetic: Arithmetic, stages: Pipeline, hyper: Hyper, params: Tensors
    ) -> None:
        self.arithmetic, self.stages = arithmetic, stages
        units = [0.0, max(UNIT[arithmetic.dtype], FINEST_FACTORED)]
        scalars = [0.0, UNIT[arithmetic.scalar_dtype]]
        self.noises = [
            (Noise(u, arithmetic.operands), Noise(us, host=True))
            for u, us in zip(units, scalars, strict=True)
        ]
        self.runs = [
            Stepper(stages, self._lifted(hyper, *noise), self._lifted(params, *noise))
            for noise in self.noises
        ]

    def _lifted(self, x: Any, tensors: Noise, host: Noise) -> Any:
        """Copies of everything in what is given that carries an error."""
        if isinstance(x, Mapping):
            return {k: self._lifted(v, tensors, host) for k, v in x.items()}
        if not isinstance(x, Bounded):
            return x
        if not x.host:
            return tensors.copy(x.value, x.error)
        copies = host.copy(x.value)
        exact = fits(x.value, UNIT[self.arithmetic.scalar_dtype])
        return copies if exact else host.array(copies.draws)

    def _bounded(self, true: Any, noisy: Any) -> Any:
        if isinstance(true, Mapping):
            return {k: self._bounded(true[k], noisy[k]) for k in true}
        if not isinstance(true, Noisy):
            return true
        found = bound(self.arithmetic, true, noisy, FACTORED)
        found.host = true.noise.host
        return found

    def __call__(self, grads: Mapping[str, Any], /, **also: Any) -> Tensors:
        for run, noise in zip(self.runs, self.noises, strict=True):
            run(self._lifted(grads, *noise), **self._lifted(also, *noise))
        return self.params

    @property
    def params(self) -> Tensors:
        true, noisy = (run.params for run in self.runs)
        found: Tensors = self._bounded(true, noisy)
        return found

    def state(self) -> Slots:
        true, noisy = (run.state() for run in self.runs)
        for name, slots in noisy.items():
            for slot in self.stages.gauges & slots.keys():
                x = slots[slot]
                slots[slot] = Noisy(x.noise, turned(x.draws, true[name][slot].draws))
        found: Slots = self._bounded(true, noisy)
        return found

    def load(self, params: Tensors, state: Slots, /) -> None:
        for run, noise in zip(self.runs, self.noises, strict=True):
            for one in noise:
                one.most = 0.0
            run.load(self._lifted(params, *noise), self._lifted(state, *noise))

"""Legal ways to compute a rule otherwise than it is written: all of them must conform.

What is legal is what implementers do: another order of a sum, a product and a sum in one rounding,
a reciprocal, an average as a step towards its target, decay folded into a factor, host scalars in
float32. The first group are arrays on which the unchanged reference computes so (`WAYS`), the
second are other words for a line of it (`WORDS`).
"""

import ast
import functools
import operator
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from goldstep.oracle import Pipeline, Stepper, link, pipeline
from goldstep.oracle.replay import Gradients, Make, Slots, Step, Tensors
from goldstep.oracle.rules import Hyper, Readings

# ------------------------------------------------------------------- Other arithmetic.


def one_by_one(x: Any) -> Any:
    return np.cumsum(x, axis=0, dtype=x.dtype)[-1]


def backwards(x: Any) -> Any:
    return one_by_one(x[::-1])


def in_blocks(x: Any) -> Any:
    return one_by_one(np.stack([one_by_one(x[at : at + 8]) for at in range(0, len(x), 8)]))


def wide(x: Any) -> Any:
    """What holds a product of two such numbers, all but exactly."""
    return np.asarray(x, np.longdouble)


class Way:
    """How an array computes.

    `total` sums along the first axis, `reciprocal` divides by the inverse, `fused` rounds a product
    once with the sum that it goes into, `unsteady` rounds quotients and roots to the wrong side.
    """

    __name__ = "goldstep.conformance.rewrites"

    def __init__(
        self,
        total: Callable[[Any], Any] | None = None,
        *,
        reciprocal: bool = False,
        fused: bool = False,
        unsteady: bool = False,
    ) -> None:
        self.total, self.reciprocal, self.fused = total, reciprocal, fused
        self.unsteady = unsteady
        self.linalg = SimpleNamespace(
            **{name: self.lifted(getattr(np.linalg, name)) for name in np.linalg.__all__}
        )

    def lifted(self, function: Any) -> Callable[..., Any]:
        """A function of NumPy on such arrays."""

        @functools.wraps(function)
        def f(*args: Any, **kwargs: Any) -> Any:
            return self.held(function(*map(bare, args), **{k: bare(x) for k, x in kwargs.items()}))

        return f

    def held(self, x: Any) -> Any:
        if isinstance(x, tuple):
            return (
                type(x)(*map(self.held, x)) if hasattr(x, "_fields") else tuple(map(self.held, x))
            )
        return Other(self, x) if isinstance(x, np.ndarray | np.generic) else x

    def __getattr__(self, name: str) -> Any:
        return self.lifted(getattr(np, name))

    def off(self, function: Any, x: Any, *args: Any) -> Any:
        """The neighbour of x on the other side of what x rounds.

        It is off by less than a unit in the last place, its own rounding counted, as a GPU's may
        be. What is exact stays so.
        """
        if not self.unsteady:
            return x
        exact = function(*map(wide, args))
        to = np.where(exact > x, np.inf, -np.inf).astype(x.dtype)
        return np.where((x == 0) | (exact == x), x, np.nextafter(x, to))

    def sqrt(self, x: "Other") -> Any:
        return self.held(self.off(np.sqrt, np.sqrt(x.x), x.x))

    def sum(self, x: "Other", *, axis: Any = None, keepdims: bool = False, **_: Any) -> Any:
        if not self.total or not x.x.size:
            return self.held(np.sum(x.x, axis=axis, keepdims=keepdims))
        every = list(range(x.x.ndim))
        front = every if axis is None else [every[i] for i in np.atleast_1d(axis)]
        last = [i for i in every if i not in front]
        shape = x.x.shape
        rows = np.transpose(x.x, front + last).reshape(-1, *(shape[i] for i in last))
        found = self.total(rows)
        kept = [1 if i in front else n for i, n in enumerate(shape)]
        return self.held(found.reshape(kept) if keepdims else found)

    def mean(self, x: "Other", *, axis: Any = None, keepdims: bool = False) -> Any:
        found = self.sum(x, axis=axis, keepdims=keepdims)
        return found / (x.x.size // max(1, found.x.size))


def bare(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return type(x)(map(bare, x))
    return x.x if isinstance(x, Other) else x


class Other:
    """An array that computes in some way."""

    __array_ufunc__ = None

    def __init__(self, way: Way, x: Any, product: tuple[Any, Any] | None = None) -> None:
        self.way, self.x, self.product = way, np.asarray(x), product

    def __array_namespace__(self, api_version: str | None = None) -> Way:
        return self.way

    def __getattr__(self, name: str) -> Any:
        return self.way.held(getattr(self.x, name))

    def __getitem__(self, key: Any) -> "Other":
        return Other(self.way, self.x[key])

    def __bool__(self) -> bool:
        return bool(self.x)

    def __float__(self) -> float:
        return float(self.x)

    def _number(self, other: Any) -> Any:
        """A scalar from the host is rounded to the type of the array."""
        if isinstance(other, Other):
            return other.x
        return self.x.dtype.type(other) if self.x.dtype.kind == "f" else other

    def _sum(self, other: Any, sign: int) -> "Other":
        y = self._number(other)
        for product, rest, of, to in (
            (self.product, y, 1, sign),
            (getattr(other, "product", None), self.x, sign, 1),
        ):
            if self.way.fused and product:
                a, b = map(wide, product)
                return Other(self.way, (of * (a * b) + to * wide(rest)).astype(self.x.dtype))
        return Other(self.way, self.x + y if sign > 0 else self.x - y)

    def __add__(self, other: Any) -> "Other":
        return self._sum(other, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Other":
        return self._sum(other, -1)

    def __rsub__(self, other: Any) -> "Other":
        return Other(self.way, self._number(other) - self.x)

    def __mul__(self, other: Any) -> "Other":
        y = self._number(other)
        return Other(self.way, self.x * y, (self.x, y))

    __rmul__ = __mul__

    def _over(self, a: Any, b: Any) -> "Other":
        found = a * (1 / b) if self.way.reciprocal else a / b
        return Other(self.way, self.way.off(operator.truediv, found, a, b))

    def __truediv__(self, other: Any) -> "Other":
        return self._over(self.x, self._number(other))

    def __rtruediv__(self, other: Any) -> "Other":
        return self._over(self._number(other), self.x)

    def __pow__(self, other: Any) -> "Other":
        return Other(self.way, self.x ** bare(other))

    def __rpow__(self, other: Any) -> "Other":
        return Other(self.way, self._number(other) ** self.x)

    def __matmul__(self, other: Any) -> "Other":
        return Other(self.way, self.x @ other.x)

    def __neg__(self) -> "Other":
        return Other(self.way, -self.x)

    def __abs__(self) -> "Other":
        return Other(self.way, np.abs(self.x))

    def __invert__(self) -> "Other":
        return Other(self.way, ~self.x)


def _plain(name: str) -> Callable[[Other, Any], Any]:
    return lambda self, other: self.way.held(getattr(operator, name)(self.x, bare(other)))


for _name in ("lt", "le", "gt", "ge", "eq", "ne", "and_", "or_"):
    setattr(Other, f"__{_name.rstrip('_')}__", _plain(_name))

WAYS: dict[str, Way] = {
    "as written": Way(),
    "summed one by one": Way(one_by_one),
    "summed backwards": Way(backwards),
    "summed in blocks": Way(in_blocks),
    "by the reciprocal": Way(reciprocal=True),
    "fused": Way(fused=True),
    "off by a unit": Way(unsteady=True),
}

# ------------------------------------------------------------------- Other words.


def factors(node: ast.expr) -> list[ast.expr]:
    """What a product is a product of, from left to right."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*factors(node.left), node.right]
    return [node]


def times(parts: list[ast.expr]) -> ast.expr:
    return functools.reduce(lambda a, b: ast.BinOp(a, ast.Mult(), b), parts)


def same(a: ast.AST, b: ast.AST) -> bool:
    return ast.dump(a) == ast.dump(b)


class Words(ast.NodeTransformer):
    """Says an expression in other words, from the inside out."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        return self.said(node) or node

    def said(self, node: ast.BinOp) -> ast.expr | None:
        raise NotImplementedError


def one_minus(node: ast.expr) -> ast.expr | None:
    """b, of 1 - b."""
    found = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)
    return node.right if found and same(node.left, ast.Constant(1)) else None  # type: ignore[attr-defined]


class Towards(Words):
    """b m + (1 - b) x as m + (1 - b) (x - m)."""

    def said(self, node: ast.BinOp) -> ast.expr | None:
        old, new = factors(node.left), factors(node.right)
        b = one_minus(new[0])
        if not isinstance(node.op, ast.Add) or len(old) != 2 or not b or not same(old[0], b):
            return None
        gap = ast.BinOp(times(new[1:]), ast.Sub(), old[1])
        return ast.BinOp(old[1], ast.Add(), times([new[0], gap]))


class Folded(Words):
    """theta - c (u + w theta) as theta (1 - c w) - c u."""

    def said(self, node: ast.BinOp) -> ast.expr | None:
        parts = factors(node.right)
        inner = parts[-1]
        if not isinstance(node.op, ast.Sub) or not isinstance(inner, ast.BinOp):
            return None
        if not isinstance(inner.op, ast.Add) or not same(factors(inner.right)[-1], node.left):
            return None
        decay = times([*parts[:-1], *factors(inner.right)[:-1]])
        kept = ast.BinOp(node.left, ast.Mult(), ast.BinOp(ast.Constant(1), ast.Sub(), decay))
        return ast.BinOp(kept, ast.Sub(), times([*parts[:-1], inner.left]))


class Distributed(Words):
    """c (a + b) as c a + c b."""

    def said(self, node: ast.BinOp) -> ast.expr | None:
        if not isinstance(node.op, ast.Mult) or not isinstance(node.right, ast.BinOp):
            return None
        inner = node.right
        if not isinstance(inner.op, ast.Add) or not isinstance(node.left, ast.Name):
            return None
        each = (ast.BinOp(node.left, ast.Mult(), x) for x in (inner.left, inner.right))
        return ast.BinOp(next(each), inner.op, next(each))


class DividedFirst(Words):
    """c a / b as c (a / b)."""

    def said(self, node: ast.BinOp) -> ast.expr | None:
        parts = factors(node.left)
        if not isinstance(node.op, ast.Div) or len(parts) < 2:
            return None
        return times([*parts[:-1], ast.BinOp(parts[-1], ast.Div(), node.right)])


class Backwards(Words):
    """a b c as a (b c), and a + b as b + a."""

    def said(self, node: ast.BinOp) -> ast.expr | None:
        if isinstance(node.op, ast.Add):
            return ast.BinOp(node.right, node.op, node.left)
        parts = factors(node)
        if len(parts) != 3:
            return None
        return times([parts[0], times(parts[1:])])


WORDS: dict[str, type[Words]] = {
    "as a step towards": Towards,
    "with a folded decay": Folded,
    "term by term": Distributed,
    "divided first": DividedFirst,
    "in another order": Backwards,
}


def reworded(code: str, words: type[Words]) -> str:
    """A line in other words.

    >>> reworded("m = b1 * m + (1 - b1) * g", Towards)
    'm = m + (1 - b1) * (g - m)'
    >>> reworded("theta = theta - lr * (c + wd * theta)", Folded)
    'theta = theta * (1 - lr * wd) - lr * c'
    >>> reworded("v = g * g / (a + b)", DividedFirst)
    'v = g * (g / (a + b))'
    """
    try:
        tree = ast.parse(code.strip())
    except SyntaxError:  # the head of a loop
        return code.strip()
    return ast.unparse(ast.fix_missing_locations(words().visit(tree)))


def _modules(rule: str, meant: Readings | None, words: type[Words] | None) -> Pipeline:
    stages = pipeline(rule, meant)
    if words is None:
        return stages
    found = []
    for stage in stages.stages:
        kept = stage
        if hasattr(stage.module, "__file__"):
            lines = {tag: reworded(line, words) for tag, line in link.tagged(stage.module).items()}
            kept = stage._replace(module=link.variant(stage.module, lines, {}))
        found.append(kept)
    return stages._replace(stages=tuple(found))


class Rewritten:
    """A step of the reference, computed in some way."""

    def __init__(self, stages: Pipeline, way: Way, hyper: Hyper, params: Tensors) -> None:
        self.way = way
        self.step = Stepper(stages, hyper, self._held(params))

    def _held(self, x: Any) -> Any:
        if isinstance(x, Mapping):
            return {k: self._held(v) for k, v in x.items()}
        return self.way.held(x)

    def _bare(self, x: Any) -> Any:
        return {k: self._bare(v) for k, v in x.items()} if isinstance(x, Mapping) else bare(x)

    def __call__(self, grads: Gradients, /, **also: Any) -> Tensors:
        found: Tensors = self._bare(self.step(self._held(grads), **self._held(also)))
        return found

    def state(self) -> Slots:
        found: Slots = self._bare(self.step.state())
        return found

    def load(self, params: Tensors, state: Slots, /) -> None:
        self.step.load(self._held(params), self._held(state))


def rewrites() -> Iterator[str]:
    """Every way there is, by name."""
    yield from WAYS
    yield from WORDS
    yield "with host scalars in float32"


def rewritten(name: str, meant: Readings | None = None) -> Make:
    """The reference, computed in the way of that name, as an implementation."""
    way, words = WAYS.get(name, WAYS["as written"]), WORDS.get(name)
    host = np.float32 if name == "with host scalars in float32" else float

    def make(rule: str, hyper: Hyper, params: Tensors) -> Step:
        given = {k: host(x) if isinstance(x, float) else x for k, x in hyper.items()}
        return Rewritten(_modules(rule, meant, words), way, given, params)

    return make

r"""What an equation says of numbers: the tree that `tex` makes, computed.

It computes in whatever arrays it is given: NumPy's float64, or the 50 digits of `digits`.

>>> import numpy as np
>>> scope = Scope(np.float64, 3)
>>> scope.declare(r"\mu", 0.5)
>>> scope.declare("m", np.array([2.0, 4.0]), at=2)
>>> scope.declare("g", np.array([1.0, 1.0]), at=3)
>>> scope.say(r"m_t = \mu m_{t-1} + (1 - \mu)\, g_t")
>>> scope["m", 3]
array([1.5, 2.5])
"""

import difflib
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from goldstep.reference._array import namespace

from .tex import Equation, Node, TexError, Token, parse, symbol

Array = Any
FREE = "ijlpq"
"""Letters that stand for any component where they are the index of the left side."""


class Value(NamedTuple):
    kind: str
    """s(calar), t(ensor), m(atrix), or i: a multiple of the identity, of any size."""
    x: Any


KINDS = {"s": "a number", "t": "a tensor", "m": "a matrix", "i": "a multiple of the identity"}


def kind_of(x: Any, *, matrices: bool) -> str:
    ndim = getattr(x, "ndim", 0)
    return "s" if not ndim else "m" if matrices and ndim == 2 else "t"


def label(tokens: tuple[Token, ...]) -> str:
    return "".join(t.s[6:-1] if t.s.startswith(r"\text") else t.s for t in tokens)


def is_label(tokens: tuple[Token, ...], *, known: bool, more: bool) -> bool:
    r"""Whether the part of a subscript of a new symbol belongs to its name: L, \max, \text{old}.

    Of a letter that is `known` a capital or a number may be an index.
    """
    said = label(tokens)
    if tokens[0].s.startswith(r"\text") or said in {r"\infty", r"\max", r"\min"}:
        return True
    return (not known and (said.isalpha() and said.isupper())) or (said.isdigit() and more)


class Scope:
    """The symbols that are known, by index, and what follows from them by equations.

    `number` makes a number of a decimal. `step` is what t is in an index. `matrices` says that
    arrays of two axes are matrices. `functions` are called by name, with arrays.
    """

    def __init__(
        self,
        number: Callable[[Any], Any],
        step: int = 1,
        *,
        matrices: bool = False,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.number, self.step, self.matrices = number, step, matrices
        self.functions = dict(functions or {})
        self.table: dict[str, dict[int | None, Value]] = {}
        self.bound: dict[str, int] = {}
        self.tex = ""

    def copy(self) -> "Scope":
        new = Scope(self.number, self.step, matrices=self.matrices, functions=self.functions)
        new.table = {key: dict(slot) for key, slot in self.table.items()}
        new.bound = dict(self.bound)
        return new

    def __getitem__(self, key: tuple[str, int | None]) -> Any:
        return self.table[key[0]][key[1]].x

    @staticmethod
    @functools.cache
    def key(tex: str) -> str:
        """The name under which a declared symbol stands in the table."""
        base, primes, parts = symbol(tex).args
        labels = [label(p) for p in parts if label(p) != "t"]
        return str(base + "'" * primes + ("_" + ",".join(labels) if labels else ""))

    def declare(self, tex: str, x: Any, at: int | None = None, *, tensor: bool = False) -> None:
        """Make a symbol known, as the specification writes it; `at` is its index, if any.

        `tensor` says that it is one even if it has no axes.
        """
        x = x if getattr(x, "ndim", 0) else self.number(x)
        kind = kind_of(x, matrices=self.matrices)
        value = Value("t" if tensor and kind == "s" else kind, x)
        self.table.setdefault(self.key(tex), {})[at] = value

    def fail(self, what: str, node: Node) -> NoReturn:
        raise TexError(what, self.tex, node.at)

    # ---------------------------------------------------------------- Equations.

    def say(self, *equations: str) -> None:
        """Compute equations and keep what they say; neighbours with one range are one loop."""
        for equation in self.unrolled([parse(tex) for tex in equations]):
            for (key, at), value in zip(self.targets(equation), self.values(equation), strict=True):
                self.keep(key, at, value)

    def unrolled(self, equations: list[Equation]) -> Iterator[Equation]:
        """The equations one after the other, with their index bound where they are in a loop."""
        spans = [e.span and (e.span[0], *map(bare, e.span[1:])) for e in equations]
        i = 0
        while i < len(equations):
            j = i + 1
            if (span := equations[i].span) is None:
                yield equations[i]
            else:
                while j < len(equations) and spans[j] == spans[i]:
                    j += 1
                for k in self.range(equations[i]):
                    self.bound[span[0]] = k
                    yield from equations[i:j]
                self.bound.pop(span[0], None)
            i = j

    def range(self, equation: Equation) -> range:
        """What the index of a loop runs through; nothing where there is no loop."""
        if equation.span is None:
            return range(0)
        self.tex = equation.tex
        low, high = (int(self.scalar(n)) for n in equation.span[1:])
        return range(low, high + 1)

    def targets(self, equation: Equation) -> list[tuple[str, int | None]]:
        """Name and index of what an equation gives a value to."""
        self.tex, found = equation.tex, []
        for name in equation.left:
            key, rest = self.resolve(name, new=True)
            if rest and self.free(rest[-1]):
                rest = rest[:-1]
            at = self.index(rest[0]) if rest else None
            if len(rest) > 1:
                self.fail("the left side has a name, one index and components i, j", name)
            slot = self.table.get(key)
            if slot and at is None and None not in slot:
                self.fail(f"{key} has an index: write {key}_t", name)
            found.append((key, at))
        return found

    def values(self, equation: Equation) -> list[Value]:
        """What the right side of an equation is, one value for each name on its left."""
        self.tex = equation.tex
        if len(equation.left) > len(equation.right):
            return self.several(equation)
        sides = zip(equation.left, equation.right, strict=True)
        return [self.value(left, right) for left, right in sides]

    def value(self, left: Node, right: Node) -> Value:
        """What a symbol is given: a value, or one for each component."""
        key, rest = self.resolve(left, new=True)
        letters = [t.s for t in rest[-1]] if rest and self.free(rest[-1]) else []
        value = self.by_component(right, letters) if letters else self.of(right)
        for old in (v for at, v in self.table.get(key, {}).items() if at is not None or not rest):
            if {old.kind, value.kind} == {"s", "t"} and not shape_of(old) + shape_of(value):
                value = Value("t", value.x)
            if {old.kind, value.kind} <= {"s", "t", "m"} and old.kind != value.kind:
                self.fail(f"{key} was {KINDS[old.kind]} and this is {KINDS[value.kind]}", left)
        return value

    def several(self, equation: Equation) -> list[Value]:
        node = equation.right[0]
        known = {"largest": largest} | self.functions
        if node.op != "call" or node.args[0] not in known:
            self.fail("several names on the left take a function that gives several values", node)
        found = known[node.args[0]](*(self.of(a).x for a in node.args[1]))
        if len(found) != len(equation.left):
            self.fail(f"{node.args[0]} gives {len(found)} values", node)
        return [self.valued(x if getattr(x, "ndim", 0) else self.number(x)) for x in found]

    def keep(self, key: str, at: int | None, value: Value) -> None:
        self.table.setdefault(key, {})[at] = value

    def valued(self, x: Any) -> Value:
        return Value(kind_of(x, matrices=self.matrices), x)

    def by_component(self, node: Node, letters: list[str]) -> Value:
        """An array of all components, each of which `node` gives with `letters` bound."""
        shape = [self.extent(node, letter) for letter in letters]
        found = []
        for at in itertools.product(*(range(1, n + 1) for n in shape)):
            self.bound.update(zip(letters, at, strict=True))
            found.append(self.scalar(node))
        for letter in letters:
            self.bound.pop(letter, None)
        xp = namespace(self.an_array())
        return self.valued(xp.reshape(xp.stack([xp.asarray(x) for x in found]), tuple(shape)))

    def an_array(self) -> Any:
        values = (v.x for slot in self.table.values() for v in slot.values())
        return next((x for x in values if getattr(x, "ndim", 0)), np.zeros(1))

    def free(self, tokens: tuple[Token, ...]) -> bool:
        return all(t.s in FREE and t.s not in self.bound and t.s not in self.table for t in tokens)

    def extent(self, node: Node, letter: str) -> int:
        """How far a component's index runs: the length of the axes that it is an index of."""
        for name in names(node):
            key, rest = self.resolve(name)
            slot = self.table.get(key, {})
            for part in rest if None in slot else rest[1:]:
                for axis, token in enumerate(part):
                    if token.s == letter and slot:
                        return int(next(iter(slot.values())).x.shape[axis])
        return self.fail(f"{letter} is the index of nothing here", node)

    # ---------------------------------------------------------------- Names.

    def resolve(self, node: Node, *, new: bool = False) -> tuple[str, list[tuple[Token, ...]]]:
        """The name of a symbol in the table, and those parts of its subscript that are indices."""
        base, primes, parts = node.args
        key = base + "'" * primes
        for n in range(len(parts), 0, -1):
            full = key + "_" + ",".join(map(label, parts[:n]))
            if full in self.table:
                return full, list(parts[n:])
        n, known = 0, key in self.table
        while n < len(parts) and is_label(
            parts[n], known=known or not new, more=n + 1 < len(parts)
        ):
            n += 1
        return key + ("_" + ",".join(map(label, parts[:n])) if n else ""), list(parts[n:])

    def index(self, tokens: tuple[Token, ...]) -> int:
        """An index such as t-1, k+1, 0, N."""
        total, sign = 0, 1
        for token in tokens:
            s = token.s
            if s in {"+", "-"}:
                sign = 1 if s == "+" else -1
                continue
            if s == "t":
                part = self.step
            elif s in self.bound:
                part = self.bound[s]
            elif s.isdigit():
                part = int(s)
            elif None in self.table.get(s, {}):
                part = int(self.table[s][None].x)
            else:
                self.fail(f"{s} is no index that is known here", Node("", (), token.at))
            total, sign = total + sign * part, 1
        return total

    def name(self, node: Node) -> Value:
        base, primes, parts = node.args
        if not parts and not primes and base in self.bound:
            return Value("s", self.number(self.bound[base]))
        key, rest = self.resolve(node)
        if key not in self.table:
            if key == "I":
                return Value("i", self.number(1))
            if key == r"\pi":
                return Value("s", self.number(namespace(self.an_array()).pi))
            if parts and label(parts[0]).isdigit():
                key += "_" + label(parts[0])
            near = difflib.get_close_matches(key, self.table, 1, 0.5)
            self.fail(f"{key} is not declared" + (f"; is it {near[0]}?" if near else ""), node)
        slot = self.table[key]
        if None in slot and (not rest or len(slot) == 1):
            value = slot[None]
        else:
            if not rest:
                self.fail(f"{key} has an index: write {key}_t or {key}_{{t-1}}", node)
            at, rest = self.index(rest[0]), rest[1:]
            if at not in slot:
                said = label(node.args[2][-1 - len(rest)])
                known = ", ".join(self.clock(i) for i in slot if i is not None)
                self.fail(f"{key} is not known at {said} here; it is at {known}", node)
            value = slot[at]
        return self.component(value, rest[0], node) if rest else value

    def clock(self, at: int) -> str:
        return {0: "t", -1: "t-1", 1: "t+1"}.get(at - self.step, str(at))

    def component(self, value: Value, tokens: tuple[Token, ...], node: Node) -> Value:
        at = tuple(self.index((token,)) - 1 for token in tokens)
        shape = value.x.shape if value.kind in "tm" else ()
        if len(at) > len(shape) or not all(0 <= i < n for i, n in zip(at, shape, strict=False)):
            self.fail(f"there is no such component: the shape is {tuple(shape)}", node)
        x = value.x[at]
        return self.valued(x if getattr(x, "ndim", 0) else self.number(x))

    # ---------------------------------------------------------------- Values.

    def of(self, node: Node) -> Value:
        try:
            return HOW[node.op](self, node)
        except (TypeError, ValueError, ArithmeticError, IndexError, AttributeError) as e:
            if isinstance(e, TexError):
                raise
            what = f"{type(e).__name__}: {e}"
            raise TexError(what, self.tex, node.at) from e

    def scalar(self, node: Node) -> Any:
        value = self.of(node)
        if value.kind != "s":
            self.fail(f"a number is wanted, and this is {KINDS[value.kind]}", node)
        return value.x

    def group(self, node: Node) -> Value:
        return self.of(node.args[0])

    def constant(self, node: Node) -> Value:
        return Value("s", self.number(node.args[0]))

    def negative(self, node: Node) -> Value:
        value = self.of(node.args[0])
        return Value(value.kind, -value.x)

    def sum(self, node: Node) -> Value:
        a, b = self.of(node.args[0]), self.of(node.args[1])
        kinds = {a.kind, b.kind}
        if "i" in kinds and kinds != {"i"}:
            if kinds != {"i", "m"}:
                self.fail(f"{KINDS[a.kind]} and {KINDS[b.kind]} have no sum", node)
            a, b = self.sized(a, b), self.sized(b, a)
        self.alike(a, b, node)
        kind = "t" if "t" in kinds else "m" if "m" in kinds else a.kind
        return Value(kind, a.x + b.x if node.op == "+" else a.x - b.x)

    def sized(self, value: Value, like: Value) -> Value:
        if value.kind != "i":
            return value
        eye = namespace(like.x).eye(like.x.shape[0])
        return Value("m", value.x * eye)

    def alike(self, a: Value, b: Value, node: Node) -> None:
        if a.kind in "tm" and b.kind in "tm" and not (a.kind == b.kind and broadcast(a, b)):
            shapes = f"{tuple(a.x.shape)} and {tuple(b.x.shape)}"
            self.fail(f"{KINDS[a.kind]} and {KINDS[b.kind]} of shapes {shapes} do not match", node)

    def product(self, node: Node) -> Value:
        a, b = self.of(node.args[0]), self.of(node.args[1])
        kinds = a.kind + b.kind
        if "s" in kinds or kinds in {"im", "mi", "ii"}:
            kind = max(a.kind, b.kind, key="sitm".index)
            return Value(kind, a.x * b.x)
        if kinds != "mm":
            self.fail(r"a tensor beside a tensor: write \odot for the product by element", node)
        for part in node.args:
            if part.op in {r"\odot", r"\oslash"}:
                self.fail(r"\odot and a product of matrices in one term: use parentheses", node)
        if a.x.shape[1] != b.x.shape[0]:
            self.fail(f"shapes {tuple(a.x.shape)} and {tuple(b.x.shape)} do not multiply", node)
        return Value("m", a.x @ b.x)

    def by_element(self, node: Node) -> Value:
        a, b = self.of(node.args[0]), self.of(node.args[1])
        if a.kind not in "tm" or b.kind not in "tm":
            self.fail(f"{node.op} of {KINDS[a.kind]} and {KINDS[b.kind]}", node)
        self.alike(a, b, node)
        left = node.args[0]
        if left.op == "*" and all(self.of(part).kind == "m" for part in left.args):
            self.fail(r"\odot and a product of matrices in one term: use parentheses", node)
        return Value(a.kind, a.x * b.x if node.op == r"\odot" else a.x / b.x)

    def quotient(self, node: Node) -> Value:
        a, b = self.of(node.args[0]), self.of(node.args[1])
        if b.kind not in "st" or (a.kind, b.kind) == ("m", "t"):
            self.fail(r"division by a matrix: write \oslash, or ^{-1} on its side", node)
        self.alike(a, b, node)
        return Value("t" if b.kind == "t" else a.kind, a.x / b.x)

    def remainder(self, node: Node) -> Value:
        return Value("s", self.scalar(node.args[0]) % self.scalar(node.args[1]))

    def transpose(self, node: Node) -> Value:
        value = self.of(node.args[0])
        if value.kind != "m":
            self.fail(f"the transpose of {KINDS[value.kind]}", node)
        return Value("m", value.x.T)

    def power(self, node: Node) -> Value:
        value, p = self.of(node.args[0]), self.scalar(node.args[1])
        if value.kind != "m" or node.op == "^odot":
            return Value(value.kind, value.x**p)
        if value.x.shape[0] != value.x.shape[1]:
            self.fail(r"a power of a matrix that is not square: by element it is ^{\odot 2}", node)
        if p == int(p) and p > 0:
            x = value.x
            for _ in range(int(p) - 1):
                x = x @ value.x
            return Value("m", x)
        return Value("m", self.spectral(value.x, p, node))

    def spectral(self, x: Any, p: Any, node: Node) -> Any:
        """A power of a symmetric matrix that is not a whole number: that of its eigenvalues."""
        linalg = namespace(x).linalg
        if p == -1:
            return linalg.inv(x)
        if float(abs(x - x.T).sum() if isinstance(x, np.ndarray) else 0) > 1e-9 * float(
            namespace(x).sum(namespace(x).abs(x))
        ):
            self.fail("a broken power of a matrix that is not symmetric", node)
        values, vectors = linalg.eigh(x)
        return (vectors * values**p) @ vectors.T

    def fold(self, node: Node) -> Value:
        op, index, low, high, body = node.args
        first = 1 if low is None else int(self.scalar(low))
        last = self.extent(body, index) if low is None else int(self.scalar(high))
        kept, total = self.bound.get(index), None
        for k in range(first, last + 1):
            self.bound[index] = k
            value = self.of(body)
            total = value if total is None else self.folded(op, total, value)
        self.bound.pop(index, None)
        if kept is not None:
            self.bound[index] = kept
        if total is None and op in {"max", "min"}:
            self.fail(f"the {op} of nothing", node)
        return total or Value("s", self.number(0 if op == "sum" else 1))

    def folded(self, op: str, a: Value, b: Value) -> Value:
        if op == "sum":
            return Value(a.kind, a.x + b.x)
        if op == "prod":
            return Value(a.kind, a.x * b.x)
        return extreme(op)(self, a, b)

    def cases(self, node: Node) -> Value:
        """The value of the first arm that holds; by element, where a condition is of a tensor."""
        condition, node_of = node.args[0]
        if condition is None:
            return self.of(node_of)
        holds = self.true(condition)
        rest = Node("cases", node.args[1:], node.at)
        if not getattr(holds, "ndim", 0):
            return self.of(node_of) if holds else self.cases(rest)
        a, b = self.of(node_of), self.cases(rest)
        xp = namespace(holds)
        x = xp.where(holds, self.full(a.x, holds), self.full(b.x, holds))
        return self.valued(x)

    def full(self, x: Any, like: Any) -> Any:
        xp = namespace(like)
        return xp.broadcast_to(xp.asarray(x), tuple(like.shape))

    def true(self, node: Node) -> Any:
        if node.op in {r"\wedge", r"\vee"}:
            a, b = (self.true(n) for n in node.args)
            return (a & b) if node.op == r"\wedge" else (a | b)
        if node.op != "relation":
            return self.of(node).x != 0
        relation, *parts = node.args
        a, b = (self.of(n) for n in parts)
        if relation == r"\mid":
            return self.scalar(parts[1]) % self.scalar(parts[0]) == 0
        self.alike(a, b, node)
        return COMPARE[relation](a.x, b.x)

    def holds(self, node: Node) -> Value:
        """1 where a relation holds, and 0 where it does not."""
        found = self.true(node)
        if not getattr(found, "ndim", 0):
            return Value("s", self.number(int(bool(found))))
        xp = namespace(found)
        return self.valued(xp.where(found, self.full(self.number(1), found), self.full(0.0, found)))

    def along(self, node: Node) -> Value:
        """A sum or a mean along one axis, counted from 0, or along all from one on."""
        name, arguments, (which, axis) = node.args
        if name not in {"sum", "mean", "max"} or len(arguments) != 1:
            self.fail("along axes there are the sum, the mean and the max of one thing", node)
        value, first = self.of(arguments[0]), int(self.scalar(axis))
        ndim = len(value.x.shape) if value.kind in "tm" else 0
        axes = tuple(range(first, ndim)) if which == r"\ge" else (first,)
        if not axes:
            return value
        if axes[0] >= ndim:
            self.fail(f"there is no axis {first}", node)
        return Value(
            value.kind, getattr(namespace(value.x), name)(value.x, axis=axes, keepdims=True)
        )

    def call(self, node: Node) -> Value:
        name, arguments = node.args
        values = [self.of(a) for a in arguments]
        if name in self.functions:
            found = self.functions[name](*(v.x for v in values))
            if not getattr(found, "ndim", 0):  # a tensor without axes stays a tensor
                tensor = values and values[0].kind == "t" and not shape_of(values[0])
                return Value("t" if tensor else "s", self.number(found))
            return self.valued(found)
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name, FUNCTIONS | self.functions, 1, 0.6)
            self.fail(f"there is no {name}" + (f"; is it {near[0]}?" if near else ""), node)
        count, f = FUNCTIONS[name]
        if count and len(values) != count:
            self.fail(f"{name} takes {count} argument{'s' * (count > 1)}", node)
        found = f(self, *values)
        if not isinstance(found, Value):
            self.fail(found, node)
        return Value(*found)


def bare(node: Any) -> Any:
    """A tree without its positions, to compare two ranges."""
    if isinstance(node, Token):
        return node.s
    if isinstance(node, Node):
        return (node.op, bare(node.args))
    return tuple(map(bare, node)) if isinstance(node, tuple) else node


def shape_of(value: Value) -> tuple[int, ...]:
    return tuple(getattr(value.x, "shape", ()))


def broadcast(a: Value, b: Value) -> bool:
    """Whether shapes are equal, but for axes of length 1."""
    pairs = list(zip(a.x.shape, b.x.shape, strict=False))
    if len(a.x.shape) != len(b.x.shape):
        return False
    return all(m == n or 1 in {m, n} for m, n in pairs)


def names(node: Any) -> Iterator[Node]:
    """All names in a tree, in order."""
    if isinstance(node, Node) and node.op == "name":
        yield node
    elif isinstance(node, tuple):
        for part in node.args if isinstance(node, Node) else node:
            yield from names(part)


# -------------------------------------------------------------------- Functions.


SMOOTH = ("sqrt", "exp", "log", "cos", "sin", "tanh")
"""Functions that a matrix has another of than that of its elements."""


def by_element(name: str) -> Callable[..., Any]:
    def f(_: Scope, v: Value) -> Any:
        if v.kind == "m" and name in SMOOTH:
            return rf"{name} of a matrix: by element the root is ^{{\odot 1/2}}, else ^{{1/2}}"
        xp = namespace(v.x) if getattr(v.x, "__array_namespace__", None) else np
        return Value(v.kind, getattr(xp, name)(v.x))

    return f


def extreme(name: str) -> Callable[..., Value]:
    def f(scope: Scope, *values: Value) -> Value:
        found = values[0]
        if len(values) == 1 and found.kind in "tm":
            return Value("s", scope.number(getattr(namespace(found.x), name)(found.x)))
        for v in values[1:]:
            scope.alike(found, v, Node("", (), 0))
            xp = namespace(scope.an_array())
            both = xp.asarray(found.x), xp.asarray(v.x)
            kind = max(found.kind, v.kind, key="stm".index)
            x = getattr(xp, f"{name}imum")(*both)
            found = Value(kind, x if kind != "s" else scope.number(x))
        return found

    return f


def total(scope: Scope, v: Value) -> Value:
    if v.kind == "s":
        return v
    return Value("s", scope.number(namespace(v.x).sum(v.x)))


def root(scope: Scope, v: Value) -> Value:
    return Value("s", scope.number(by_element("sqrt")(scope, v).x))


def mean(scope: Scope, v: Value) -> Value:
    return Value("s", total(scope, v).x / scope.number(size(v)))


def rms(scope: Scope, v: Value) -> Value:
    return root(scope, mean(scope, Value(v.kind, v.x * v.x)))


def size(v: Value) -> int:
    return int(np.prod(v.x.shape)) if v.kind in "tm" else 1


def norm(which: str) -> Callable[..., Any]:
    def f(scope: Scope, v: Value) -> Any:
        if v.kind == "m" and which in {"1", "2"} and min(v.x.shape) > 1:
            return r"of a matrix: write \rVert_F for the root of all squares, or name the function"
        if v.kind == "m" and which == "*":
            return Value("s", scope.number(namespace(v.x).sum(namespace(v.x).linalg.svd(v.x)[1])))
        if which in {"2", "F"}:
            return root(scope, total(scope, Value(v.kind, v.x * v.x)))
        absolute = by_element("abs")(scope, v)
        if which == "1":
            return total(scope, absolute)
        return Value("s", scope.number(namespace(v.x).max(absolute.x)))

    return f


def extent(axis: int) -> Callable[..., Any]:
    def f(scope: Scope, v: Value) -> Any:
        if v.kind not in "tm" or len(v.x.shape) <= abs(axis + 1):
            return f"{KINDS[v.kind]} of no rows and columns"
        return Value("s", scope.number(int(v.x.shape[axis])))

    return f


def inner(scope: Scope, a: Value, b: Value) -> Any:
    scope.alike(a, b, Node("", (), 0))
    return total(scope, Value(a.kind, a.x * b.x))


def largest(x: Any) -> tuple[int, int]:
    """The two longest axes, counted from 0, of equal ones the last, in their order."""
    first, second = sorted(sorted(range(len(x.shape)), key=lambda i: x.shape[i])[-2:])
    return first, second


def trace(scope: Scope, v: Value) -> Any:
    if v.kind != "m":
        return f"the trace of {KINDS[v.kind]}"
    return Value("s", scope.number(namespace(v.x).linalg.trace(v.x)))


def diagonal(_: Scope, v: Value) -> Any:
    """A row of numbers as the diagonal of a matrix, and the diagonal of a matrix as a column."""
    if v.kind not in "tm" or len(v.x.shape) not in {1, 2}:
        return f"the diagonal of {KINDS[v.kind]}"
    xp = namespace(v.x)
    if len(v.x.shape) == 1:
        return Value("m", xp.eye(v.x.shape[0]) * v.x)
    if v.x.shape[1] == 1:
        return Value("m", xp.eye(v.x.shape[0]) * v.x)
    return Value("m", xp.reshape(xp.linalg.diagonal(v.x), (-1, 1)))


SIDES = (("row", -1), ("col", -2))
"""A sum of each row goes along the last axis, one of each column along that before it."""


def side_of(name: str, axis: int) -> Callable[..., Any]:
    def f(_: Scope, v: Value) -> Any:
        if v.kind not in "tm" or len(v.x.shape) < 2:
            return f"{KINDS[v.kind]} of no rows and columns"
        return Value(v.kind, getattr(namespace(v.x), name)(v.x, axis=axis, keepdims=True))

    return f


def first(scope: Scope, v: Value, count: Value) -> Any:
    """The first of a row of numbers, or the first columns of a matrix."""
    if v.kind not in "tm" or count.kind != "s":
        return f"the first of {KINDS[v.kind]}"
    return scope.valued(v.x[..., : int(count.x)])


def by_first_axis(x: Any) -> Any:
    """A tensor as the matrix of its first axis by all others."""
    return namespace(x).reshape(x, (x.shape[0] if x.ndim else 1, -1))


def reshaped(_: Scope, v: Value, like: Value) -> Value:
    return Value(like.kind, namespace(v.x).reshape(v.x, shape_of(like)))


def upper(_: Scope, v: Value) -> Any:
    if v.kind != "m":
        return f"the upper triangle of {KINDS[v.kind]}"
    return Value("m", namespace(v.x).triu(v.x))


def clip(scope: Scope, v: Value, low: Value, high: Value) -> Value:
    return extreme("min")(scope, extreme("max")(scope, v, low), high)


COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda a, b: a == b,
    r"\ne": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    r"\le": lambda a, b: a <= b,
    r"\ge": lambda a, b: a >= b,
}

FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    **{name: (1, by_element(name)) for name in (*SMOOTH, "sign", "abs", "floor", "ceil", "round")},
    "max": (0, extreme("max")),
    "min": (0, extreme("min")),
    "clip": (3, clip),
    "sum": (1, total),
    "mean": (1, mean),
    "rms": (1, rms),
    "RMS": (1, rms),
    "size": (1, lambda scope, v: Value("s", scope.number(size(v)))),
    "rows": (1, extent(-2)),
    "cols": (1, extent(-1)),
    "tr": (1, trace),
    "diag": (1, diagonal),
    "first": (2, first),
    "vec": (1, lambda _, v: Value(v.kind, namespace(v.x).reshape(v.x, (-1, 1)))),
    "flat": (1, lambda _, v: Value(v.kind, by_first_axis(v.x))),
    "reshape": (2, reshaped),
    "triu": (1, upper),
    **{f"{side}{f}": (1, side_of(f, axis)) for f in ("sum", "mean") for side, axis in SIDES},
    "ndim": (1, lambda scope, v: Value("s", scope.number(len(getattr(v.x, "shape", ()))))),
    "inner product": (2, inner),
    **{f"norm-{which}": (1, norm(which)) for which in ("1", "2", "F", "*", "infty")},
}
"""What can be called beside the iterations: how many arguments (0: any), and what it is."""

HOW: dict[str, Callable[[Scope, Node], Value]] = {
    "name": Scope.name,
    "number": Scope.constant,
    "group": Scope.group,
    "negative": Scope.negative,
    "+": Scope.sum,
    "-": Scope.sum,
    "*": Scope.product,
    r"\odot": Scope.by_element,
    r"\oslash": Scope.by_element,
    "/": Scope.quotient,
    r"\bmod": Scope.remainder,
    "transpose": Scope.transpose,
    "^": Scope.power,
    "^odot": Scope.power,
    "fold": Scope.fold,
    "cases": Scope.cases,
    "call": Scope.call,
    "along": Scope.along,
    "relation": Scope.holds,
}

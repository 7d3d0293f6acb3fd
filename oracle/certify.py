"""The equations against the code: what the TeX of every tag says, and what its line computes.

The reference runs with every tagged line watched. Each equation is then given what its line was
given, and has to say what its line computed, in float64 and with 50 digits: an error is that of
the equation where it is found, and of no other.

    python -m goldstep.oracle.certify adam lion     # or: --all
"""

import argparse
import functools
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from goldstep import spec
from goldstep.reference._array import namespace

from . import digits, link
from .evaluate import Scope, Value, kind_of
from .examples import Example, examples, inner
from .rules import iterations, module, readings
from .tex import Equation, Node, TexError, parse
from .watch import Record, assigned, beyond, called_by, watched

ULPS = 256
"""How far, in units in the last place of the largest element, float64 may part the two."""
EXACT = 1e-40
"""How far, relative to the largest element, they may be apart with 50 digits."""
WITH_DIGITS = 2
"""On how many kinds of shape 50 digits are asked, a wide one and a tall one among them: they are
there for what is small, such as a floor at another place, and float64 sees all shapes. One is
enough for a dialect, of which most lines have been seen."""
TURNED = 2.0**-20
"""More than this of one column in another is no rounding, but a turn."""
MATRICES = {"matrix", "gram"}
"""What is taken where products are those of matrices."""


class Said(NamedTuple):
    """The equations and the lines of a rule, by tag, in one reading of it."""

    rule: str
    tex: dict[str, str]
    code: dict[str, str]
    says_only: frozenset[str]
    file: str


def said(name: str, reading: str | None = None) -> Said:
    s = spec.load(spec.kind_of(name), name)
    other = readings(name)[reading] if reading else {}
    tex = {e["tag"]: e["tex"] for e in s["equation"]} | other.get("tex", {})
    only = {e["tag"] for e in s["equation"] if "says-only" in e}
    if "says-only" in other:
        only |= {*other["tex"], *other["code"]}
    code = link.tagged(module(name)) | other.get("code", {})
    return Said(name, tex, code, frozenset(only), f"spec/{spec.kind_of(name)}/{name}.toml")


def placed(rule: Said, tag: str, error: TexError) -> TexError:
    """The error, with the file, the line and the column in it, and the tag."""
    text = (spec.FOLDER.parent / rule.file).read_text("utf-8") if spec.FOLDER.name == "spec" else ""
    at = text.find(error.tex, max(0, text.find(f'"{tag}"')))
    at = at if at >= 0 else text.find(error.tex)
    where = ""
    if at >= 0:
        at += error.at
        where = f":{text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)}"
    return TexError(f"{rule.file}{where}: {tag}: {error.what}", error.tex, error.at)


def read(rule: Said, tag: str) -> Equation:
    """An equation; of one in words only the left side, if there is one."""
    only = tag in rule.says_only
    try:
        return parse(rule.tex[tag], left_only=only)
    except TexError as e:
        if only:
            return Equation(rule.tex[tag], (), (), None)
        raise placed(rule, tag, e) from None


def unreadable(rule: Said) -> Iterator[str]:
    """What is wrong with equations that cannot be read at all."""
    for tag in rule.tex:
        try:
            read(rule, tag)
        except TexError as e:
            yield str(e)


class Point(NamedTuple):
    """One passage through a line, and its equation with all that it is given there."""

    tag: str
    equation: Equation
    scope: Scope
    before: dict[str, Any]
    names: tuple[str, ...]
    computed: tuple[Any, ...]
    """What the line gave to its names."""
    stated: tuple[Value, ...]
    """What the equation says of them; nothing where it is not executed."""

    @property
    def difference(self) -> float:
        """How far the equation is from its line, relative to the largest element."""
        pairs = zip(self.stated, self.computed, strict=False)
        return max((difference(v.x, x) for v, x in pairs), default=0.0)

    def otherwise(self, tex: str) -> float:
        """How far another equation is from the line: infinitely, if it is of another symbol."""
        equation, scope = parse(tex), self.scope.copy()
        with np.errstate(all="ignore"):
            values = scope.values(equation)
            if scope.targets(equation) != self.scope.targets(self.equation):
                return math.inf
            if scope.range(equation) != self.scope.range(self.equation):
                return math.inf
            if [*turns(scope, equation)] != [*turns(self.scope.copy(), self.equation)]:
                return math.inf
        pairs = zip(values, self.computed, strict=True)
        return max(difference(sized(v, x).x, x) for v, x in pairs)


def values(x: Any, count: int) -> tuple[Any, ...]:
    """What a line gave to one name, or gave back of several: as many values as equations take."""
    several = isinstance(x, tuple) and count > 1
    return tuple(map(vector, x)) if several else (vector(x),)


def array(x: Any) -> Any:
    """The NumPy array of what is one, in whichever numbers it is."""
    return x.x if isinstance(x, digits.Digits) else np.asarray(x)


def vector(x: Any) -> Any:
    """The tensors of a model as one vector, what holds as 1 and what does not as 0."""
    if isinstance(x, bool | np.bool_) or str(getattr(x, "dtype", "")) == "bool":
        return 1.0 * array(x)
    if not isinstance(x, dict):
        return x
    parts = [np.ravel(array(v)) for v in x.values()]
    joined = np.concatenate(parts)
    return digits.Digits(joined) if joined.dtype == object else joined


def sized(value: Value, like: Any) -> Value:
    """A multiple of the identity, of the size that it has in the code."""
    if value.kind != "i":
        return value
    return Value("m", value.x * namespace(like).eye(like.shape[0]))


def turns(scope: Scope, equation: Equation) -> Iterator[bool]:
    """In which of the first steps there is an equation that has a condition."""
    if equation.when is not None:
        for t in range(1, 13):
            scope.table["t"] = {None: Value("s", scope.number(t))}
            yield bool(scope.true(equation.when))


class Passed:
    """The passages through the lines of a rule, taken out one by one, by tag."""

    def __init__(self, log: list[Record]) -> None:
        self.log, self.at, self.taken = list(log), 0, set[int]()

    def next(self, tag: str, times: int = 0) -> Record | None:
        """The next passage through the line of `tag`, if there is one.

        Of a line that is passed several times in each of the `times` that a loop says, it is all
        of those as one.
        """
        every = [i for i, record in enumerate(self.log) if record.tag == tag]
        left = [i for i in every if i not in self.taken]
        if not left:
            return None
        each = len(every) // times if times and len(every) % times == 0 else 1
        self.taken.update(left[:each])
        self.at = left[each - 1] + 1
        return self.log[left[0]]._replace(after=self.log[left[each - 1]].after)

    @property
    def now(self) -> dict[str, Any]:
        """The names as they stand after the passage that was taken last."""
        return self.log[self.at].before if self.at < len(self.log) else self.log[-1].after


def chooses(equation: Equation) -> bool:
    """Whether an equation says by itself, in cases, what holds where its line is not passed."""
    return any(node.op == "cases" for node in nodes(equation.right))


def nodes(tree: Any) -> Iterator[Node]:
    """Every node of a tree."""
    if isinstance(tree, Node):
        yield tree
    for part in tree.args if isinstance(tree, Node) else tree if isinstance(tree, tuple) else ():
        yield from nodes(part)


class Comparison:
    """A rule, in one reading, run on examples beside its equations."""

    def __init__(self, name: str, reading: str | None = None, *, exact: bool = False) -> None:
        self.name, self.kind, self.exact = name, spec.kind_of(name), exact
        self.spec = spec.load(self.kind, name)
        self.said = said(name, reading)
        self.equations = {tag: read(self.said, tag) for tag in self.said.tex}
        self.log: list[Record] = []
        self.module = watched(name, self.said.code, self.log, exact=exact)
        self.names = {tag: assigned(code) for tag, code in self.said.code.items()}
        self.number = digits.number if exact else np.float64

    def call(self, e: Example) -> dict[str, Any]:
        """Run the code, and give back what it does by the names of the specification."""
        self.log.clear()
        hyper = {k: self.held(v) for k, v in e.hyper.items()}
        if self.kind == "iterations":
            given = {k: self.held(x) for k, x in e.given.items()}
            return {"return": getattr(self.module, self.name)(**given, **hyper)}
        if self.kind == "schedules":
            return {"return": self.module.value(e.theta, self.module.Hyper(**hyper))}
        state = self.module.State(*map(self.held, e.state))
        given = {k: self.held(v) for k, v in e.given.items()}
        more = [self.module.Given(**given)] if given else []
        also = (self.module.Hyper(**hyper), *more, *inner(self.module))
        *out, state = self.module.update(self.held(e.theta), self.held(e.g), state, *also)
        return dict(state._asdict(), **dict(zip(("theta", "g"), out, strict=False)))

    def held(self, x: Any) -> Any:
        """What a caller hands to the code, in the numbers that it is to compute in."""
        if not self.exact or isinstance(x, int | str):
            return x
        if isinstance(x, dict):
            return {k: self.held(v) for k, v in x.items()}
        return digits.Digits(x)

    @functools.cached_property
    def functions(self) -> dict[str, Callable[..., Any]]:
        """What the equations call by name: of the file itself, iterations, and what is wrapped."""
        called: dict[str, Callable[..., Any]] = {
            k: f
            for k, f in vars(self.module).items()
            if isinstance(f, FunctionType) and f.__module__ == self.module.__name__
        }
        calls = iterations(self.name) | {i: i for i in beyond(self.said.code)}
        called |= {a: called_by(i, a, exact=self.exact) for a, i in calls.items()}
        if hasattr(self.module, "update"):
            wrapped = inner(self.module)
            names = list(inspect.signature(self.module.update).parameters)[-len(wrapped) :]
            called |= dict(zip(names, wrapped, strict=False))
        return called

    def scope(self, e: Example) -> Scope:
        """All that the equations are given."""
        count = next((k for k, row in self.spec["state"].items() if row["tex"] == "t"), None)
        step = 1 + (int(getattr(e.state, count)) if count else 6)
        matrices = self.spec["theta"] in MATRICES
        scope = Scope(self.number, step, matrices=matrices, functions=self.functions)
        for k, row in self.spec["hyper"].items():
            scope.declare(row["tex"], self.held(e.hyper[k]))
        if self.kind == "iterations":
            for argument, x in e.given.items():
                letter = argument.upper() if matrices and len(argument) == 1 else argument
                scope.declare(letter, self.held(x))
            for letter, k, x in self.coefficients(int(e.hyper.get("steps", 0))):
                scope.declare(letter, self.held(x), k)
            return scope
        if self.kind == "schedules":
            scope.declare("t", e.theta)
            return scope
        for k, row in self.spec["state"].items():
            self.declare(scope, row, getattr(e.state, k), step - 1)
        for k, row in self.spec["given"].items():
            self.declare(scope, row, e.given[k], step)
        self.declare(scope, {"tex": r"\theta", "like": "theta"}, e.theta, step - 1)
        for letter in "gG" if matrices else "g":
            self.declare(scope, {"tex": letter, "like": "theta"}, e.g, step)
        return scope

    def coefficients(self, steps: int) -> Iterator[tuple[str, int, float]]:
        """The set that the lines of this reading name, one row a step; the last goes on."""
        said_sets = re.findall(r"\bsets\.([A-Z_]+)", " ".join(self.said.code.values()))
        for rows in [
            c["rows"] for c in self.spec.get("coefficients", []) if c["name"] in said_sets
        ]:
            for k in range(steps):
                for letter, x in zip("abc", rows[min(k, len(rows) - 1)], strict=True):
                    yield letter, k, x

    def declare(self, scope: Scope, row: Mapping[str, Any], x: Any, at: int) -> None:
        key = scope.key(row["tex"])
        if key == "G" and key in scope.table:
            return  # a state of that name: the gradient is g
        index = None if key == "t" or key.endswith("_0") else at
        one = row["like"] == "1" or row["like"].startswith("a number")
        tensor = not one or "each" in row["like"]
        scope.declare(row["tex"], vector(self.held(x)), index, tensor=tensor)

    def points(self, e: Example) -> Iterator[Point]:
        """Every passage through a tagged line, in order; then what is given back is looked at.

        Raises TexError, with its place in the file, where an equation says nothing.
        """
        try:
            yield from self._points(e)
        except TexError as error:
            tag = next((t for t, x in self.said.tex.items() if x == error.tex), "")
            raise placed(self.said, tag, error) from None

    def _points(self, e: Example) -> Iterator[Point]:
        with np.errstate(all="ignore"):
            returned = self.call(e)
        scope, passed = self.scope(e), Passed(self.log)
        equations = list(self.equations.values())
        for equation in scope.unrolled(equations):
            tag = next(t for t, x in self.equations.items() if x is equation)
            record = passed.next(tag, len(scope.range(equation)))
            if equation.when and bool(scope.true(equation.when)) != bool(record):
                msg = f"the line of {tag} is passed when its equation is not, or is not when it is"
                raise LookupError(msg)
            if equation.when and not record:  # all stays as it was
                for key, at in scope.targets(equation):
                    slot = scope.table.get(key, {})
                    if at is not None and at not in slot and at - 1 in slot:
                        scope.keep(key, at, scope.table[key][at - 1])
            if record is None and (equation.span or not chooses(equation)):
                if equation.span:
                    msg = f"the line of {tag} is passed less often than its equation says"
                    raise LookupError(msg)
                continue  # the code has gone another way
            before, after = (record.before, record.after) if record else (passed.now, passed.now)
            names = self.names[tag][-len(equation.left) :] if equation.right else ()
            computed = tuple(x for n in names for x in values(after[n], len(equation.left)))
            stated = self.stated(scope, tag, equation, computed)
            yield Point(tag, equation, scope.copy(), before, names, computed, stated)
            self.keep(scope, equation, computed, stated)
            if not stated:
                self.keep_words(
                    scope, equation, {n: after[n] for n in self.names[tag] if n in after}
                )
        if more := [t for t, e in self.equations.items() if e.span and passed.next(t)]:
            msg = f"the line of {more[0]} is passed more often than its equation says"
            raise LookupError(msg)
        self.compare_returned(scope, returned)

    def keep(
        self,
        scope: Scope,
        equation: Equation,
        computed: tuple[Any, ...],
        stated: tuple[Value, ...],
    ) -> None:
        """Go on from what the line computed, so that no equation suffers from another."""
        for i, (key, at) in enumerate(scope.targets(equation) if stated else ()):
            x: Any = computed[i]
            if isinstance(x, tuple | list):
                continue  # of an equation in words: no value that another could be said of
            if stated and stated[i].kind == "s" and getattr(x, "ndim", 0) > 0:
                x = stated[i].x  # a number, of which the code has made an array
            x = x if getattr(x, "ndim", 0) else self.number(x)
            kind = stated[i].kind if stated else kind_of(x, matrices=scope.matrices)
            scope.keep(key, at, Value(kind, x))

    def keep_words(self, scope: Scope, equation: Equation, found: dict[str, Any]) -> None:
        """Go on from a line whose equation is not executed: by its left side, or by its letters."""
        keys = scope.targets(equation)
        if len(keys) == len(found) and not any(
            key in scope.table for key, at in keys if at is None
        ):
            for (key, at), x in zip(keys, found.values(), strict=True):
                self.keep_plain(scope, key, at, x)
            return
        for name, x in found.items():
            letter = name.removesuffix("t") if name[0].isupper() else name
            self.keep_plain(scope, letter, None, x.T if letter != name else x)

    def keep_plain(self, scope: Scope, key: str, at: int | None, x: Any) -> None:
        for y in values(x, 1):
            if not isinstance(y, tuple | list):
                plain = y if getattr(y, "ndim", 0) else self.number(y)
                scope.keep(key, at, Value(kind_of(plain, matrices=scope.matrices), plain))

    def stated(
        self, scope: Scope, tag: str, equation: Equation, computed: tuple[Any, ...]
    ) -> tuple[Value, ...]:
        """What the equation says, in the scope as it stands."""
        if not equation.right:
            return ()
        if len(computed) != len(equation.left):
            msg = (
                f"{tag} gives a value to {len(equation.left)} symbols, its line to {len(computed)}"
            )
            raise LookupError(msg)
        with np.errstate(all="ignore"):
            said_of = scope.values(equation)
        return tuple(sized(v, x) for v, x in zip(said_of, computed, strict=True))

    def compare_returned(self, scope: Scope, returned: dict[str, Any]) -> None:
        """The code gives back what its equations are of: no other variable, none left out."""
        rows = self.spec["state"]
        for name, x in returned.items():
            if name == "return":
                continue  # the line that gives it back has a tag of its own
            tex = rows[name]["tex"] if name in rows else {"theta": r"\theta", "g": "g"}[name]
            key = scope.key(tex)
            if name == "g" and scope.matrices and "G" in scope.table:
                key = "G"
            slot = scope.table[key]
            want = (
                slot[None]
                if None in slot
                else slot[max(i for i in slot if i is not None and i <= scope.step)]
            )
            if difference(want.x, vector(x)) != 0:
                msg = f"what is given back as {name} is not {key}_t"
                raise LookupError(msg)


def difference(a: Any, b: Any) -> float:
    """The largest difference of two arrays, relative to their largest element."""
    # A number of Python's is what it holds, and not the decimal that it is written as.
    a, b = (np.float64(v) if type(v) is float else v for v in (a, b))
    x, y = (array(v) for v in (a, b))
    if x.dtype == y.dtype == np.float64 and np.array_equal(x, y, equal_nan=True):
        return 0.0
    if x.ndim == 0:
        x = np.broadcast_to(x, y.shape)
    if [n for n in x.shape if n > 1] != [n for n in y.shape if n > 1]:
        return math.inf
    pairs = [(p, q) for p, q in zip(x.flat, y.flat, strict=True) if not alike(p, q)]
    if any(abs(p - q) == math.inf or p - q != p - q for p, q in pairs):
        return math.inf
    most = max((abs(v) for v in (*x.flat, *y.flat) if abs(v) < math.inf), default=0)
    return float(max((abs(p - q) for p, q in pairs), default=0) / (most or 1))


def alike(p: Any, q: Any) -> bool:
    """Whether two numbers are one, or both none."""
    return bool(p == q or (p != p and q != q))  # noqa: PLR0124


def limit(*, exact: bool) -> float:
    return EXACT if exact else ULPS * 2.0**-53


def failures(name: str, reading: str | None = None) -> Iterator[str]:
    """What is wrong with the equations of a rule, in one reading of it."""
    unread = list(unreadable(said(name, reading)))
    if unread:
        yield from unread
        return
    e = None
    try:
        for exact in (False, True):
            comparison, passed = Comparison(name, reading, exact=exact), set[str]()
            wrong: set[str] = set()
            shapes = None if not exact else 1 if reading else WITH_DIGITS
            for e in examples(name, reading, few=exact, shapes=shapes):
                for point in comparison.points(e):
                    if point.difference > limit(exact=exact) and point.tag not in wrong:
                        wrong.add(point.tag)
                        yield told(comparison, point, e)
                passed.update(record.tag for record in comparison.log)
            missed = [] if exact else sorted(comparison.equations.keys() - passed)
            yield from (f"{said(name).file}: {tag}: no example passes its line" for tag in missed)
            if wrong or missed:
                return
    except TexError as error:
        yield str(error)
    except Exception as error:  # noqa: BLE001 # a line may go wrong in any way
        where = f"{said(name).file}: {type(error).__name__}: {error}"
        yield f"{where} ({e.what if e else reading})"


def ulps(name: str) -> dict[str, float]:
    """By tag, how far float64 takes a line from its equation with 50 digits of the same inputs.

    In units in the last place of the largest element. What is far is ill-conditioned there.
    """
    plain, exact = Comparison(name), Comparison(name, exact=True)
    found: dict[str, float] = {}
    for e in examples(name, few=True):
        functions = exact.scope(e).functions
        for point in plain.points(e):
            if point.stated:
                said_of = in_digits(point.scope, functions).values(point.equation)
                pairs = [
                    (sized(v, x).x, digits.Digits(x))
                    for v, x in zip(said_of, point.computed, strict=True)
                ]
                if turns_freely(point.equation):
                    pairs = [(turned(v, x), x) for v, x in pairs]
                worst = max(difference(v, x) for v, x in pairs)
                found[point.tag] = max(found.get(point.tag, 0.0), worst * 2.0**52)
    return {tag: found[tag] for tag in plain.equations if tag in found}


def turns_freely(equation: Equation) -> bool:
    """Whether what an equation gives has columns whose signs are free, as a basis has."""
    called = {node.args[0] for node in nodes(equation.right) if node.op == "call"}
    every = called & set(spec.names("iterations"))
    return any("gauge" in spec.load("iterations", name) for name in every)


def turned(x: Any, like: digits.Digits) -> Any:
    """A matrix, each column with the sign of the same column of another.

    Of a basis whose columns are turned among themselves, as they may be within equal values, it is
    what the other one's have in their span.
    """
    if like.ndim != 2:
        return x
    a, b = array(x), like.x
    shared = a.T @ b
    if difference(digits.Digits(a.T @ a), np.eye(a.shape[1])) > EXACT:
        return digits.Digits(a * np.where(np.diag(shared) >= 0, 1, -1))
    together = np.abs(shared) > TURNED
    for _ in range(len(together)):  # what is turned with a column is turned with all of its own
        together = (together @ together.T @ together) > 0
    return digits.Digits(a @ np.where(together, shared, 0))


def in_digits(scope: Scope, functions: Mapping[str, Callable[..., Any]]) -> Scope:
    """The same scope, in which every number is that very number with 50 digits."""
    made = Scope(digits.number, scope.step, matrices=scope.matrices, functions=functions)
    made.bound = dict(scope.bound)
    for key, slot in scope.table.items():
        made.table[key] = {i: Value(v.kind, digits.Digits(v.x)) for i, v in slot.items()}
    return made


def told(comparison: Comparison, point: Point, e: Example) -> str:
    rule, off = comparison.said, point.difference
    how = "with 50 digits" if comparison.exact else "in float64"
    return (
        f"{rule.file}: {point.tag}: the equation and the line differ by {off:.1g} {how}\n"
        f"    {rule.tex[point.tag]}\n    {rule.code[point.tag]}\n    example: {e.what}"
    )


def report(rules: list[str]) -> int:
    """Say of each rule and dialect whether its equations are those of its lines; 1 if not all."""
    wrong = 0
    for name in rules:
        dialects = [d["name"] for d in spec.load(spec.kind_of(name), name)["dialect"]]
        for reading in [None, *dialects]:
            found = list(failures(name, reading))
            wrong += bool(found)
            sys.stdout.writelines(f"{line}\n" for line in found)
            if not found:
                only = sorted(said(name, reading).says_only)
                beside = f"; in words only: {', '.join(only)}" if only else ""
                whole = f"{name}, {reading}" if reading else name
                count = len(said(name, reading).tex) - len(only)
                sys.stdout.write(f"{whole}: {count} equations say what their lines do{beside}\n")
    return int(bool(wrong))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rule", nargs="*", help="rules by name")
    parser.add_argument("--all", action="store_true", help="every rule there is")
    options = parser.parse_args()
    return report([n for _, n in spec.every()] if options.all else options.rule)


if __name__ == "__main__":
    sys.exit(main())

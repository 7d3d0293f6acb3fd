"""The reference, watched: what every tagged line is given, and what it makes of it."""

import ast
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from goldstep import spec

from . import digits, link
from .rules import iterations, module, numbers


class Record(NamedTuple):
    """One passage through a tagged line: the names before it, and after it."""

    tag: str
    before: dict[str, Any]
    after: dict[str, Any]


class Decimals(ast.NodeTransformer):
    """Literals read as the decimals that they are written as, and exact quotients of integers."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, float):
            return node
        text = ast.Constant(repr(node.value))
        return ast.Call(ast.Name("__number__", ast.Load()), [text], [])

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Div):
            return node
        return ast.Call(ast.Name("__over__", ast.Load()), [node.left, node.right], [])


EXACTLY = {
    "__number__": digits.number,
    "__over__": lambda a, b: (digits.number(a) if isinstance(a, int) else a) / b,
}


def compiled(text: str, *, exact: bool, mode: str = "exec") -> Any:
    tree: Any = ast.parse(text, mode=mode)
    if exact:
        tree = ast.fix_missing_locations(Decimals().visit(tree))
    return compile(tree, "<watched>", mode)


def watched(name: str, lines: Mapping[str, str], log: list[Record], *, exact: bool) -> ModuleType:
    """The reference of a rule, which notes each passage through a tagged line in `log`."""

    def see(tag: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        log.append(Record(tag, before, after))

    def give_back(tag: str, before: dict[str, Any], value: Any) -> Any:
        log.append(Record(tag, before, before | {"return": value}))
        return value

    plain = module(name)

    def watch(tag: str, code: str) -> str:
        if code.startswith("return "):
            return f"return __give_back__({tag!r}, dict(locals()), ({code[7:]}))"
        return f"__was__ = dict(locals()); {code}; __see__({tag!r}, __was__, dict(locals()))"

    said = {**link.tagged(plain), **lines}
    copy = ModuleType(plain.__name__)
    copy.__package__ = plain.__package__
    vars(copy).update(numbers(name), **EXACTLY, __see__=see, __give_back__=give_back)
    text = link.said(plain, {tag: watch(tag, code) for tag, code in said.items()})
    exec(compiled(text, exact=exact), vars(copy))
    calls = iterations(name) | {i: i for i in beyond(lines)}
    vars(copy).update({a: function(i, a, exact=exact) for a, i in calls.items()})
    return copy


def beyond(lines: Mapping[str, str]) -> set[str]:
    """The iterations that lines call by name, as those of a dialect may that the rule has not."""
    said = set(re.findall(r"\w+", " ".join(lines.values())))
    return said & set(spec.names("iterations"))


@functools.cache
def function(name: str, called: str, *, exact: bool) -> Callable[..., Any]:
    """A function of an iteration as it is called, by rules and by equations."""
    if not exact:
        return getattr(module(name), called)  # type: ignore[no-any-return]
    return getattr(watched(name, {}, [], exact=True), called)  # type: ignore[no-any-return]


def called_by(name: str, called: str, *, exact: bool) -> Callable[..., Any]:
    """An iteration as an equation calls it: its counts are numbers there like any other."""
    f = function(name, called, exact=exact)
    rows = spec.load("iterations", name)["hyper"]
    order = inspect.signature(getattr(module(name), called)).parameters
    whole = [a in rows and isinstance(rows[a]["default"], int) for a in order]

    def call(*args: Any) -> Any:
        return f(*(int(a) if w else a for a, w in zip(args, whole, strict=False)))

    return call


def assigned(code: str) -> tuple[str, ...]:
    """The names that a tagged line gives values to; `return` where it gives one back."""
    if code.startswith("return "):
        return ("return",)
    found: list[str] = []
    for line in ast.parse(code).body:
        if not isinstance(line, ast.Assign):
            msg = f"a tagged line assigns: {code}"
            raise TypeError(msg)
        target = line.targets[0]
        parts = target.elts if isinstance(target, ast.Tuple) else [target]
        found = [n for n in found if n not in map(ast.unparse, parts)] + list(
            map(ast.unparse, parts)
        )
    return tuple(found)

"""What ties an equation of the specification to a line of the reference: its tag, in the margin."""

import ast
import functools
import inspect
import re
from collections.abc import Mapping
from types import ModuleType
from typing import NamedTuple

MARGIN = re.compile(r"(?P<indent> *)(?P<code>.*\S) +# \((?P<tag>[a-z0-9_]+\.[0-9]+[a-z]?)\)")
COLUMN = 72
"""Where the tag stands in a line of the reference, counted from 0."""


@functools.cache
def source(module: ModuleType) -> str:
    return inspect.getsource(module)


def tagged(module: ModuleType) -> dict[str, str]:
    """The code of every tagged line of a reference module, by tag, in the order written."""
    found = map(MARGIN.fullmatch, source(module).splitlines())
    return {m["tag"]: m["code"] for m in found if m}


def said(module: ModuleType, lines: Mapping[str, str]) -> str:
    """The text of `module` in which the lines that bear the tags of `lines` say that instead.

    Raises LookupError if a tag is not in the module.
    """
    if unknown := lines.keys() - tagged(module).keys():
        msg = f"{module.__name__} has no line tagged {', '.join(sorted(unknown))}"
        raise LookupError(msg)

    def say(line: str) -> str:
        m = MARGIN.fullmatch(line)
        return m["indent"] + lines[m["tag"]] if m and m["tag"] in lines else line

    return "\n".join(map(say, source(module).splitlines()))


def variant(
    module: ModuleType, lines: Mapping[str, str], names: Mapping[str, object] | None = None
) -> ModuleType:
    """A copy of `module` in which the lines that bear the tags of `lines` say that instead.

    `names` are globals of the copy that mean something else there, such as the iteration that
    it calls. Raises LookupError if a tag is not in the module.
    """
    text = said(module, lines)
    copy = ModuleType(module.__name__)
    copy.__package__ = module.__package__
    exec(compile(text, f"<{module.__name__}, other at {', '.join(lines)}>", "exec"), vars(copy))
    vars(copy).update(names or {})
    return copy


class Line(NamedTuple):
    tag: str
    assigns: frozenset[str]
    reads: frozenset[str]


def lines(module: ModuleType) -> list[Line]:
    """The tagged lines of a module with the names that each assigns and reads, in order."""

    def names(code: str, context: type[ast.expr_context]) -> frozenset[str]:
        nodes = ast.walk(ast.parse(code))
        return frozenset(
            n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, context)
        )

    return [
        Line(tag, names(code, ast.Store), names(code, ast.Load))
        for tag, code in tagged(module).items()
    ]


def suspects(module: ModuleType, wrong: set[str], right: set[str]) -> list[str]:
    """The equations that can explain why the outputs `wrong` are wrong although `right` are right.

    Outputs are `theta` (or `g`) and the slots of the state. An equation is suspect if a wrong
    output depends on it other than through an output that was seen to be right.

    >>> from goldstep.reference.optimizers import lion
    >>> suspects(lion, {"m"}, {"theta"})
    ['lion.3']
    """
    wanted, settled, found = set(wrong), set(right), []
    for line in reversed(lines(module)):
        if line.assigns & wanted:
            found.append(line.tag)
            wanted = wanted - line.assigns | (line.reads - settled)
        # An earlier line of the same name makes another value than the output that was seen.
        settled -= line.assigns
    return found[::-1]


def unpacked(module: ModuleType) -> list[str]:
    """How `update` calls the hyper-parameters, in the order of `Hyper`.

    >>> from goldstep.reference.optimizers import lion
    >>> unpacked(lion)
    ['lr', 'b1', 'b2', 'wd']
    """
    for node in ast.walk(ast.parse(source(module))):
        match node:
            case ast.Assign([ast.Tuple(parts)], ast.Name("hyper")):
                return [part.id for part in parts if isinstance(part, ast.Name)]
    return []

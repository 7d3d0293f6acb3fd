"""What each rule is, as data: one TOML file per rule, readable from any language.

>>> "lion" in names("optimizers")
True
>>> load("optimizers", "lion")["title"]
'Lion'
"""

import difflib
import functools
import tomllib
from pathlib import Path
from typing import Any

KINDS = ("optimizers", "iterations", "transforms", "wrappers", "schedules")
"""The kinds of rule, each a folder of `spec/` and of `reference/`."""

FOLDER = Path(__file__).parent


@functools.cache
def names(kind: str) -> tuple[str, ...]:
    """The rules of one kind, in alphabetical order. Discovery is by listing files."""
    return tuple(sorted(path.stem for path in (FOLDER / kind).glob("*.toml")))


@functools.cache
def load(kind: str, name: str) -> dict[str, Any]:
    """Everything that is specified of a rule, as its TOML file says it.

    Raises LookupError with the nearest names if there is no such rule.
    """
    if name not in names(kind):
        near = difflib.get_close_matches(name, names(kind), n=3, cutoff=0.5) or names(kind)
        msg = f"no rule {name!r} among spec/{kind}; there is {', '.join(near)}"
        raise LookupError(msg)
    rule = tomllib.loads((FOLDER / kind / f"{name}.toml").read_text(encoding="utf-8"))
    absent: dict[str, Any] = {"hyper": {}, "state": {}, "given": {}}
    absent |= {"dialect": [], "trap": [], "law": [], "witness": []}
    return absent | {"complex": "not covered", "scope": "tensor", "theta": "tensor"} | rule


def every() -> list[tuple[str, str]]:
    """Every rule there is, as (kind, name)."""
    return [(kind, name) for kind in KINDS for name in names(kind)]


@functools.cache
def kind_of(name: str) -> str:
    """The kind that a rule of this name is of. Names are unique across the kinds.

    >>> kind_of("newton_schulz")
    'iterations'
    """
    kinds = {n: kind for kind, n in every()}
    if name in kinds:
        return kinds[name]
    near = difflib.get_close_matches(name, kinds, n=3, cutoff=0.5) or kinds
    msg = f"no rule {name!r}; there is {', '.join(near)}"
    raise LookupError(msg)

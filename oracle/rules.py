"""From a name such as `l2+adam` to the specification and the code of its stages."""

import functools
import importlib
import inspect
import math
import operator
import re
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

from goldstep import spec

from . import link

Hyper = dict[str, Any]
"""Hyper-parameters by their names in the specification."""

Readings = Mapping[str, str]
"""Which dialect, or which trap, is meant for a rule: `{"adam": "epsilon-hat"}`."""

PROFILES = ("default", "dyadic", "amplified")
"""The values of hyper-parameters that a specification gives for each of its rows."""


def module(name: str) -> ModuleType:
    """The reference module of a rule, of whatever kind."""
    return importlib.import_module(f"goldstep.reference.{spec.kind_of(name)}.{name}")


def readings(name: str) -> dict[str, dict[str, Any]]:
    """The dialects and the traps of a rule, by name, as its specification lists them."""
    s = spec.load(spec.kind_of(name), name)
    return {r["name"]: r for r in s["dialect"] + s["trap"]}


def iterations(name: str) -> dict[str, str]:
    """The iterations that the reference of a rule calls: function name to rule name.

    >>> iterations("muon")
    {'newton_schulz': 'newton_schulz'}
    """
    prefix = "goldstep.reference.iterations."
    return {
        attribute: value.__module__.removeprefix(prefix)
        for attribute, value in vars(module(name)).items()
        if isinstance(value, FunctionType)
        and value.__module__.startswith(prefix)
        and value.__module__ != module(name).__name__
    }


@functools.cache
def _read(
    name: str,
    meant: frozenset[tuple[str, str]],
    wrap: Callable[[FunctionType], object] | None,
) -> ModuleType:
    plain, said = module(name), dict(meant).get(name)
    if said is not None and said not in readings(name):
        msg = f"{name} has no dialect or trap {said!r}; it has {', '.join(readings(name))}"
        raise LookupError(msg)
    lines = readings(name)[said]["code"] if said else {}
    # A reading may call another iteration than the rule does, by its name.
    other = {
        i for i in spec.names("iterations") if i in re.findall(r"\w+", " ".join(lines.values()))
    }
    calls = iterations(name) | {i: i for i in other}
    called = {a: getattr(_read(i, meant, None), a) for a, i in calls.items()}
    names = {a: wrap(f) if wrap else f for a, f in called.items()}
    if not lines and all(f is vars(plain).get(a) for a, f in names.items()):
        return plain
    return link.variant(plain, lines, names)


def read(
    name: str,
    meant: Readings | None = None,
    wrap: Callable[[FunctionType], object] | None = None,
) -> ModuleType:
    """The reference module of a rule in the dialects (or traps) that are meant.

    `wrap` is put around every iteration that the rule calls. Raises LookupError if a rule has no
    such dialect or trap.
    """
    return _read(name, frozenset((meant or {}).items()), wrap)


def alone(name: str) -> bool:
    """Whether an iteration can be asked by itself: of one matrix, and nothing of it is arbitrary."""
    _, *more = inspect.signature(getattr(module(name), name)).parameters
    said = spec.load("iterations", name)
    return more == list(said["hyper"]) and "gauge" not in said


def applied(name: str, f: Callable[..., Any]) -> Any:
    """An iteration as a rule: what it makes of the gradient becomes the parameter.

    Of several results it is the first.
    """
    rows = spec.load("iterations", name)["hyper"]
    Hyper, State = NamedTuple("Hyper", [(k, Any) for k in rows]), NamedTuple("State", [])  # noqa: N806

    def update(_: Any, g: Any, state: Any, hyper: Any) -> Any:
        found = f(g, *hyper)
        return (found[0] if isinstance(found, tuple) else found), state

    return SimpleNamespace(Hyper=Hyper, State=State, init=lambda *_: State(), update=update)


class Stage(NamedTuple):
    name: str
    spec: dict[str, Any]
    module: Any

    def hyper(self, values: Hyper) -> Any:
        return self.module.Hyper(**{k: values[k] for k in self.module.Hyper._fields})


class Pipeline(NamedTuple):
    """Transforms and, last, an optimizer, or an iteration by itself: what a name stands for."""

    name: str
    stages: tuple[Stage, ...]

    @property
    def scope(self) -> str:
        """`element` if every stage is, `model` if any is, else `tensor`."""
        scopes = {stage.spec["scope"] for stage in self.stages}
        return "model" if "model" in scopes else "tensor" if "tensor" in scopes else "element"

    @property
    def matrices_only(self) -> bool:
        return any(stage.spec["theta"] != "tensor" for stage in self.stages)

    @property
    def gram(self) -> bool:
        """Whether it takes matrices of the form G G^T only, as the inverse roots do."""
        return any(stage.spec["theta"] == "gram" for stage in self.stages)

    @property
    def alone(self) -> bool:
        """Whether it is an iteration by itself."""
        return not isinstance(self.stages[-1].module, ModuleType)

    @property
    def largest(self) -> float:
        """The most elements of a tensor that the suite gives it."""
        return min(stage.spec.get("largest", math.inf) for stage in self.stages)

    @property
    def arbitrary(self) -> bool:
        """Whether a state holds singular vectors or eigenvectors, which no equation determines."""
        return any("gauge" in row for stage in self.stages for row in stage.spec["state"].values())

    @property
    def given(self) -> dict[str, dict[str, Any]]:
        """The specification of what a step is given beside the gradients, by name."""
        return {k: row for stage in self.stages for k, row in stage.spec["given"].items()}

    def rows(self) -> dict[str, dict[str, Any]]:
        """The specification of every hyper-parameter, by name."""
        return {k: row for stage in self.stages for k, row in stage.spec["hyper"].items()}

    def profile(self, which: str) -> Hyper:
        """The hyper-parameters that a specification gives under one of `PROFILES`."""
        return {k: row[which] for k, row in self.rows().items()}

    def check(self, hyper: Hyper) -> Hyper:
        """`hyper` with defaults filled in. Raises TypeError and ValueError with the remedy."""
        rows = self.rows()
        if unknown := hyper.keys() - rows.keys():
            msg = f"{self.name} has no {', '.join(sorted(unknown))}; it takes {', '.join(rows)}"
            raise TypeError(msg)
        for name, value in hyper.items():
            if not within(value, rows[name]["domain"]):
                msg = (
                    f"{self.name}: {name} = {value!r} is not in its domain, {rows[name]['domain']}"
                )
                raise ValueError(msg)
        return self.profile("default") | hyper


def within(value: float, domain: str) -> bool:
    """Whether a number lies in a domain of the specification: `> 0`, `>= 1`, `[0, 1)`.

    >>> within(0.9, "[0, 1)"), within(1, "[0, 1)"), within(float("nan"), "> 0")
    (True, False, False)
    """
    compare = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
    if m := re.fullmatch(r"([<>]=?) (\S+)", domain):
        return bool(compare[m[1]](value, float(m[2])))
    m = re.fullmatch(r"([\[(])(\S+), (\S+)([\])])", domain)
    if not m:
        msg = f"a domain reads like '> 0' or '[0, 1)', not {domain!r}"
        raise ValueError(msg)
    above = operator.ge if m[1] == "[" else operator.gt
    below = operator.le if m[4] == "]" else operator.lt
    return bool(above(value, float(m[2])) and below(value, float(m[3])))


def pipeline(
    name: str,
    meant: Readings | None = None,
    wrap: Callable[[FunctionType], object] | None = None,
) -> Pipeline:
    """The stages that a name such as `adam` or `clip_by_global_norm+l2+adam` stands for.

    The learning rate is one for all stages. Raises LookupError for an unknown rule and ValueError
    for stages that do not compose.

    >>> [stage.name for stage in pipeline("l2+adam").stages]
    ['l2', 'adam']
    """
    if "+" not in name and spec.kind_of(name) == "iterations" and alone(name):
        f = getattr(read(name, meant), name)
        stage = Stage(name, spec.load("iterations", name), applied(name, wrap(f) if wrap else f))
        return Pipeline(name, (stage,))
    stages = tuple(
        Stage(n, spec.load(spec.kind_of(n), n), read(n, meant, wrap)) for n in name.split("+")
    )
    *before, last = stages
    for stage in before:
        if spec.kind_of(stage.name) != "transforms":
            msg = f"{name}: {stage.name} cannot stand before {last.name}; only transforms can"
            raise ValueError(msg)
    if spec.kind_of(last.name) != "optimizers":
        msg = f"{name}: the last stage is an optimizer, and {last.name} is none"
        raise ValueError(msg)
    for what in ("hyper", "state", "given"):
        names = [n for stage in stages for n in stage.spec[what] if n != "lr"]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            msg = f"{name} does not compose: two stages have a {what} named {', '.join(twice)}"
            raise ValueError(msg)
    return Pipeline(name, stages)

"""From a name such as `l2+adam` to the specification and the code of its stages."""

import functools
import importlib
import inspect
import math
import operator
import re
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

from goldstep import spec
from goldstep.reference import _scalar as scalar

from . import link

Hyper = dict[str, Any]
"""Hyper-parameters by their names in the specification."""

Lines = tuple[tuple[str, str], ...]
"""What some lines of a reference module say instead, as (tag, code)."""

Readings = Mapping[str, Any]
"""Which dialect, or which trap, is meant for a rule: `{"adam": "epsilon-hat"}`. A reading that the
specification does not name is given by its lines."""

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


def numbers(name: str) -> dict[str, Callable[..., Any]]:
    """The functions of numbers that a reading of a schedule may call, by name."""
    if spec.kind_of(name) != "schedules":
        return {}
    return {f.__name__: f for f in (scalar.cos, scalar.floor, scalar.maximum, scalar.minimum)}


@functools.cache
def _read(
    name: str,
    meant: frozenset[tuple[str, Any]],
    wrap: Callable[[FunctionType], object] | None,
) -> ModuleType:
    plain, said = module(name), dict(meant).get(name)
    if isinstance(said, str) and said not in readings(name):
        msg = f"{name} has no dialect or trap {said!r}; it has {', '.join(readings(name))}"
        raise LookupError(msg)
    lines = readings(name)[said]["code"] if isinstance(said, str) else dict(said or ())
    # A reading may call another iteration than the rule does, by its name.
    other = {
        i for i in spec.names("iterations") if i in re.findall(r"\w+", " ".join(lines.values()))
    }
    calls = iterations(name) | {i: i for i in other}
    called = {a: getattr(_read(i, meant, None), a) for a, i in calls.items()}
    names = {a: wrap(f) if wrap and on_matrices(calls[a]) else f for a, f in called.items()}
    if lines:
        names |= numbers(name)
    if not lines and all(f is vars(plain).get(a) for a, f in names.items()):
        return plain
    return link.variant(plain, lines, names)


def read(
    name: str,
    meant: Readings | None = None,
    wrap: Callable[[FunctionType], object] | None = None,
) -> ModuleType:
    """The reference module of a rule in the dialects (or traps) that are meant.

    `wrap` is put around every iteration on matrices that the rule calls. Raises LookupError if a
    rule has no such dialect or trap.
    """
    return _read(name, frozenset((meant or {}).items()), wrap)


def on_matrices(name: str) -> bool:
    """Whether an iteration is one on matrices, and not one that goes from number to number."""
    return bool(spec.load("iterations", name)["theta"] != "tensor")


def alone(name: str) -> bool:
    """Whether an iteration can be asked by itself: of one matrix, and nothing is arbitrary."""
    _, *more = inspect.signature(getattr(module(name), name)).parameters
    said = spec.load("iterations", name)
    return more == list(said["hyper"]) and "gauge" not in said


def applied(name: str, f: Callable[..., Any]) -> Any:
    """An iteration as a rule: what it makes of the gradient becomes the parameter.

    Of several results it is the first.
    """
    rows = spec.load("iterations", name)["hyper"]
    Hyper = namedtuple("Hyper", rows)  # type: ignore[misc]  # noqa: PYI024
    State = namedtuple("State", ())  # noqa: PYI024

    def update(_: Any, g: Any, state: Any, hyper: Any) -> Any:
        found = f(g, *hyper)
        return (found[0] if isinstance(found, tuple) else found), state

    return SimpleNamespace(Hyper=Hyper, State=State, init=lambda *_: State(), update=update)


class Stage(NamedTuple):
    name: str
    spec: dict[str, Any]
    module: Any

    @property
    def kind(self) -> str:
        return spec.kind_of(self.name)

    @property
    def matrices_only(self) -> bool:
        return self.spec["theta"] in {"matrix", "gram"}

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether it takes a tensor of this shape."""
        if self.matrices_only and len(shape) != 2:
            return False
        return 0 not in shape or self.spec["theta"] == "tensor"

    def hyper(self, values: Hyper) -> Any:
        return self.module.Hyper(**{k: values[k] for k in self.module.Hyper._fields})


ROUTE = "route"
"""The rule that a `|` in a name stands for."""

FACTOR = "factor"
"""What a schedule that stands alone gives: by how much it would multiply a learning rate."""

COUNT = "step"
"""The slot of the state that counts the steps of a pipeline with a schedule."""


class Pipeline(NamedTuple):
    """What a name such as `lookahead+l2+adam@cosine` stands for.

    From left to right: transforms, wrappers of all that follows, and an optimizer. The two rules of
    a `|` stand last, behind the route to them. A schedule stands alone, or behind an `@`, and an
    iteration stands alone.
    """

    name: str
    stages: tuple[Stage, ...]
    schedules: tuple[tuple[str, Stage], ...] = ()
    """Each with the hyper-parameter that it multiplies."""

    @property
    def parts(self) -> tuple[Stage, ...]:
        """Every rule that takes part, in the order of the name."""
        return (*self.stages, *(schedule for _, schedule in self.schedules))

    @property
    def rules(self) -> list[str]:
        """The names of all rules that take part, each with the iterations that it calls."""
        return [n for part in self.parts for n in [part.name, *iterations(part.name).values()]]

    @property
    def scope(self) -> str:
        """`tensor` if any stage is, `model` if any is, else `element`."""
        scopes = {stage.spec["scope"] for stage in self.stages}
        return "tensor" if "tensor" in scopes else "model" if "model" in scopes else "element"

    @property
    def matrices_only(self) -> bool:
        return not self.routed and any(stage.matrices_only for stage in self.stages)

    @property
    def routed(self) -> bool:
        """Whether its last two stages are the sides of a route."""
        return any(stage.name == ROUTE for stage in self.stages)

    @property
    def slots(self) -> dict[str, dict[str, Any]]:
        """The specification of every slot of the state, by name."""
        count = {"tex": "t", "like": "1", "init": 0, "is": "steps taken"}
        own = {k: row for stage in self.stages for k, row in stage.spec["state"].items()}
        return own | ({COUNT: count} if self.schedules else {})

    @property
    def gram(self) -> bool:
        """Whether it takes matrices of the form G G^T only, as the inverse roots do."""
        return any(stage.spec["theta"] == "gram" for stage in self.stages)

    @property
    def alone(self) -> bool:
        """Whether it is an iteration by itself."""
        return any(stage.kind == "iterations" for stage in self.stages)

    @property
    def diverges(self) -> bool:
        """Whether two runs that differ in the last place may part for good."""
        return any("diverges" in stage.spec for stage in self.stages)

    @property
    def largest(self) -> float:
        """The most elements of a tensor that the suite gives it."""
        return min((stage.spec.get("largest", math.inf) for stage in self.stages), default=math.inf)

    @property
    def sampled(self) -> bool:
        """Whether the error of whole steps is sampled: where a rule says so, and where a state
        holds singular vectors or eigenvectors, which no equation determines.
        """
        return bool(self.gauges) or any("sampled" in stage.spec for stage in self.stages)

    @property
    def gauges(self) -> set[str]:
        """The slots of the state of which the columns have arbitrary signs."""
        rows = (row for stage in self.stages for row in stage.spec["state"].items())
        return {slot for slot, row in rows if "gauge" in row}

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether every stage takes a tensor of this shape, and of a route either side."""
        takes = [stage.takes(shape) for stage in self.stages]
        return all(takes[:-2]) and any(takes[-2:]) if self.routed else all(takes)

    @property
    def given(self) -> dict[str, dict[str, Any]]:
        """The specification of what a step is given beside the gradients, by name."""
        return {k: row for stage in self.stages for k, row in stage.spec["given"].items()}

    def rows(self) -> dict[str, dict[str, Any]]:
        """The specification of every hyper-parameter, by name."""
        return {k: row for part in self.parts for k, row in part.spec["hyper"].items()}

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
    """The pipeline that a name such as `adam` or `lookahead+l2+adam@cosine` stands for.

    A transform acts on what follows it, a wrapper wraps all that follows it. `muon|adamw` takes
    matrices through the first rule and everything else through the second; what both have, such as
    the learning rate, is one. `@cosine` multiplies the learning rate by that schedule, and
    `@weight_decay=cosine` the decay. Raises LookupError for an unknown rule and ValueError for
    what does not compose.

    >>> [stage.name for stage in pipeline("lookahead+l2+signum|adam").stages]
    ['lookahead', 'l2', 'route', 'signum', 'adam']
    """
    if wrap is None and all(isinstance(x, str) for x in (meant or {}).values()):
        return _plain(name, frozenset((meant or {}).items()))
    return _made(name, meant, wrap)


@functools.lru_cache(maxsize=1024)
def _plain(name: str, meant: frozenset[tuple[str, Any]]) -> Pipeline:
    return _made(name, dict(meant), None)


def _made(
    name: str, meant: Readings | None, wrap: Callable[[FunctionType], object] | None
) -> Pipeline:
    def stage(rule: str) -> Stage:
        return Stage(rule, spec.load(spec.kind_of(rule), rule), read(rule, meant, wrap))

    if name in spec.names("iterations") and alone(name):
        f: Any = getattr(read(name, meant), name)
        f = wrap(f) if wrap and on_matrices(name) else f
        own = Stage(name, spec.load("iterations", name), applied(name, f))
        return Pipeline(name, (own,))
    chain, *behind = name.split("@")
    *before, last = chain.split("+")
    sides = last.split("|")
    chained = [stage(rule) for rule in [*before, *([ROUTE] if sides[1:] else []), *sides]]
    if len(chained) == 1 and chained[0].kind == "schedules":
        made = Pipeline(name, (), tuple((FACTOR, stage(rule)) for rule in (chain, *behind)))
    else:
        acts = (("lr", at) if "=" not in at else at.split("=", 1) for at in behind)
        made = Pipeline(name, tuple(chained), tuple((what, stage(rule)) for what, rule in acts))
    if wrong := next(_wrong(made, len(sides)), None):
        msg = f"{name} does not compose: {wrong}"
        raise ValueError(msg)
    return made


def _wrong(made: Pipeline, sides: int) -> Iterator[str]:
    """Why a pipeline does not compose, if it does not; the last `sides` of its stages are rules."""
    if sides > 2:
        yield "a | parts two rules, matrices to the first, everything else to the second"
    for stage in made.stages:
        if stage.kind == "schedules":
            yield f"{stage.name} is a schedule, and stands behind an @, as in adam@{stage.name}"
    for stage in made.stages[:-sides]:
        if stage.kind not in {"transforms", "wrappers"}:
            last = made.stages[-1].name
            yield f"{stage.name} cannot stand before {last}; only transforms and wrappers can"
    for stage in made.stages[-sides:]:
        if stage.kind != "optimizers":
            yield f"the last stage is an optimizer, and {stage.name} is none"
    yield from _untimely(made)
    yield from _twice(made, sides)


def _untimely(made: Pipeline) -> Iterator[str]:
    """What is wrong behind an @."""
    for what, schedule in made.schedules:
        if schedule.kind != "schedules":
            yield f"only a schedule stands behind an @, and {schedule.name} is none"
        if made.stages and what not in made.rows():
            yield f"there is no hyper-parameter {what} for {schedule.name} to multiply"


def _twice(made: Pipeline, sides: int) -> Iterator[str]:
    """What two parts of a pipeline call by one name, but for what both sides of a route have."""
    for what in ("hyper", "state", "given"):
        names = [n for part in made.parts for n in part.spec[what] if n != "lr"]
        if sides == 2:
            first, second = (stage.spec[what] for stage in made.stages[-2:])
            names = [n for n in names if n not in first or n not in second]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            yield f"two stages have a {what} named {', '.join(twice)}"

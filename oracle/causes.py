"""Why a recorded step is wrong: what else, in place of what was recorded, gives what it left.

A hyper-parameter, a scale of the gradient, one of its elements: each is solved for in the one place
that is most sensitive to it, and then must explain the whole tensor within its bound.
"""

import functools
import itertools
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from goldstep import spec

from . import link
from .mistakes import counted_otherwise, read_otherwise
from .pieces import Job, couples, engine, hyper_of, pieces
from .recording import alike
from .rounding import LIMIT, Bounded
from .rows import AS_RECORDED, Change, Row, place_of, row, stretches
from .rules import pipeline, readings, within
from .safetensors import round_to_bfloat16
from .truth import THETA
from .verify import Report

ROUNDS = 12
"""The most steps of Newton's method."""

FEW = 8
"""In how many elements a gradient may be other, to be told one by one."""

MANY = 12
"""How many other wrong rows a cause is tried on."""


class Cause(NamedTuple):
    """What explains a wrong row, and how many of the other wrong rows that were tried."""

    says: str
    tags: tuple[str, ...]
    explains: int
    tried: int


def causes(job: Job, report: Report) -> list[Cause]:
    """What explains the first wrong step, and best also the others that are wrong."""
    first = report.first
    if first is None:
        return []
    others = [r for r in report.rows if r.wrong and r is not first]
    step = max(1, len(others) // MANY)
    others = others[::step][:MANY]
    found = []
    for says, tags, explains in list(_tries(job, first)) or _others(job, first):
        many = sum(explains(r) for r in others)
        found.append(Cause(says, tags, many, len(others)))
    return sorted(found, key=lambda c: -c.explains)


Try = tuple[str, tuple[str, ...], Callable[[Row], bool]]


def _tries(job: Job, first: Row) -> Iterator[Try]:
    """What explains one row: in words, the tags of its equations, and how to try it on another."""
    stages = engine(job).stages
    if couples(stages) or not stages.stages:
        return
    parts = pieces(job, first.step, first.tensor)
    if stages.scope == "tensor" and len(parts) > 1:
        alone = Change(apart=True)
        if _fits(job, first, alone):
            says = (
                f"each of its {len(parts)} shards is computed alone, as if it were the whole tensor"
            )
            yield says, (), lambda r: _fits(job, r, alone)
    if _still(job, first):
        yield "no step at all: everything is left as it was", (), functools.partial(_still, job)
        return
    if stages.slots and _fits(job, first, Change(anew=True)):
        says = "a step from the state as it is before any step: the state was reset"
        yield says, (), functools.partial(_explains, job, Change(anew=True))
    yield from _readings(job, first)
    yield from _hyper(job, first)
    yield from _count(job, first)
    yield from _gradient(job, first)
    yield from _precision(job, first)


def _fits(job: Job, wrong: Row, change: Change, but: Collection[str] = ()) -> bool:
    """Whether a change explains a row, but for some slots."""
    try:
        found = row(job, wrong.step, wrong.tensor, change)
    except (LookupError, ValueError):
        return False
    if found is None or found.unjudged:
        return False
    return {w.slot for w in found.wrong} <= set(but)


def _still(job: Job, wrong: Row) -> bool:
    """Whether a step left every array of a tensor as it began with it."""
    pairs = [
        (piece.step.before.get(name), left)
        for piece in pieces(job, wrong.step, wrong.tensor)
        for name, left in piece.step.after.items()
        if name.split("/", 1 if name.startswith(THETA) else 2)[-1] == wrong.tensor
    ]
    return bool(pairs) and all(began and alike(began, left) for began, left in pairs)


def _readings(job: Job, first: Row) -> Iterator[Try]:
    """The dialects and the traps of the rule, and a count that is one off where it is used."""
    stages, meant = engine(job).stages, dict(job.meant)
    for other in (*read_otherwise(stages, meant), *counted_otherwise(stages, meant)):
        said = replace(job, meant=tuple(other.readings(meant).items()))
        if _fits(said, first, AS_RECORDED):
            known = other.kind in {"dialect", "trap"}
            what = f"the {other.kind} {other.name} of {other.rule}" if known else other.name
            says = f"plain {other.name}" if other.kind == "rule" else what
            yield says, tuple(other.tags), functools.partial(_explains, said, AS_RECORDED)


def _others(job: Job, first: Row) -> Iterator[Try]:
    """Other optimizers, in each of their dialects, that take what was recorded."""
    for name in [n for n in spec.names("optimizers") if n != job.rule]:
        dialects = [k for k, row in readings(name).items() if "seen" not in row]
        for said in (None, *dialects):
            other = replace(job, rule=name, meant=((name, said),) if said else ())
            if not couples(pipeline(name)) and _fits(other, first, AS_RECORDED):
                says = f"{name}, in its dialect {said}" if said else name
                yield f"the rule {says}", (), functools.partial(_explains, other, AS_RECORDED)


def _hyper(job: Job, first: Row) -> Iterator[Try]:
    """Another value of one hyper-parameter."""
    stages = engine(job).stages
    recorded = _recorded(job, first)
    for name, said in stages.rows().items():
        old = recorded[name]
        if isinstance(old, float):
            unknown = Unknown(functools.partial(_with_hyper, name), old, said["domain"])
            new = _solve(job, first, unknown)
            if new is not None:
                times = f", {new / old:.4g} times that" if old else ""
                ratio = _ratio(job, first, name, new / old) if old else 1.0
                lines = [(s, line) for s in stages.stages for line in link.lines(s.module)]
                tags = tuple(line.tag for s, line in lines if _uses(s, line, name))
                says = f"{name} = {new!r}, where {old!r} was recorded{times}"
                yield says, tags, functools.partial(_hyper_explains, job, name, new, ratio)


def _ratio(job: Job, first: Row, name: str, ratio: float) -> float:
    """A ratio to the recorded value that explains a row, in as few digits as will do."""
    old = _recorded(job, first)[name]
    for short in (float(f"{ratio:.{digits}g}") for digits in range(1, 7)):
        if short != 1 and _fits(job, first, _with_hyper(name, short * old)):
            return short
    return ratio


def _hyper_explains(job: Job, name: str, new: float, ratio: float, other: Row) -> bool:
    """Whether the same value, or the same multiple of what is recorded, explains another row."""
    values = dict.fromkeys((new, ratio * _recorded(job, other)[name]))
    return any(_explains(job, _with_hyper(name, x), other) for x in values)


def _with_hyper(name: str, x: float) -> Change:
    return Change(hyper=((name, x),))


def _explains(job: Job, change: Change, other: Row) -> bool:
    return _fits(job, other, change)


def _uses(stage: Any, line: link.Line, name: str) -> bool:
    """Whether an equation reads a hyper-parameter, under the name that `update` unpacks it to."""
    if name not in stage.module.Hyper._fields:
        return False
    unpacked = link.unpacked(stage.module)
    place = stage.module.Hyper._fields.index(name)
    return place < len(unpacked) and unpacked[place] in line.reads


def _recorded(job: Job, first: Row) -> dict[str, Any]:
    piece = pieces(job, first.step, first.tensor)[0]
    made = engine(job)
    return hyper_of(job, made.stages, made.parts[piece.rank], piece.step, first.tensor)


def _count(job: Job, first: Row) -> Iterator[Try]:
    """Another count of the steps."""
    rows = engine(job).stages.slots.values()
    if all(r["like"] != "1" for r in rows) or {w.slot for w in first.wrong} == {"t"}:
        return
    for later in dict.fromkeys((-1, 1, -2, 2, 1 - first.step, *range(3, 11), *range(-10, -2))):
        change = Change(later=later)
        if later and _fits(job, first, change, but={"t"}):
            says = f"the count of steps is {abs(later)} too {'high' if later > 0 else 'low'}"
            yield says, (), functools.partial(_fits, job, change=change, but={"t"})
            return


def _gradient(job: Job, first: Row) -> Iterator[Try]:
    """Another gradient: a multiple, or another in a few elements."""
    factor: float | None = -1.0
    if not _fits(job, first, Change(gradient=-1.0)):
        factor = _solve(job, first, Unknown(lambda x: Change(gradient=x), 1.0))
    if factor is not None:
        says = f"the gradient is {factor:.9g} times what was recorded"
        yield says, (), functools.partial(_explains, job, Change(gradient=factor))
        return
    elements = _elements(job, first)
    if not 0 < len(elements) <= FEW:
        return
    known, told, change = _grad(job, first), [], AS_RECORDED
    for at in elements:
        old = float(known.reshape(-1)[at])
        other = functools.partial(_with_element, change, at)
        new = _solve(job, first, Unknown(other, old, only=at))
        if new is None:
            return
        change = other(new)
        place = list(place_of(known.shape, at))
        told.append(f"{new:.9g} at {place}, where {old:.9g} was recorded")
    if _fits(job, first, change):
        many = f"{len(elements)} of {known.size} elements"
        says = f"the gradient is other than recorded in {many}: {'; '.join(told)}"
        yield says, (), lambda _: False


def _with_element(change: Change, at: int, x: float) -> Change:
    return change._replace(elements=(*change.elements, (at, x)))


def _grad(job: Job, first: Row) -> Any:
    """The recorded gradient of a tensor in one place."""
    (piece,) = pieces(job, first.step, first.tensor)
    return piece.step.grads[f"grad/{first.tensor}"].read().reshape(piece.shape)


def _elements(job: Job, first: Row) -> list[int]:
    """The elements in which anything is wrong, if the tensor lies in one place."""
    if len(pieces(job, first.step, first.tensor)) != 1:
        return []
    found: dict[int, None] = {}
    for stretch in stretches(job, first.step, first.tensor):
        for one in stretch.seen:
            if one.ratios.size == stretch.size:
                wrong = np.flatnonzero(one.ratios > 1)[: FEW + 1]
                found |= dict.fromkeys(stretch.start + int(i) for i in wrong)
        if len(found) > FEW:
            break
    return sorted(found)


class Unknown(NamedTuple):
    """A number that may be another than was recorded."""

    change: Callable[[float], Change]
    recorded: float
    domain: str = ""
    """Where it must lie, as a specification says it."""
    only: int | None = None
    """The one element that it has a say in, if so."""

    def possible(self, x: float) -> bool:
        return math.isfinite(x) and (not self.domain or within(x, self.domain))


def _solve(job: Job, first: Row, unknown: Unknown) -> float | None:
    """The value with which a row is right, in as few digits as will do; None if none does.

    Newton's method, on the slot and element that say most about it.
    """
    if unknown.possible(0.0) and unknown.recorded and _fits(job, first, unknown.change(0.0)):
        return 0.0
    place = _wrong_stretch(job, first, unknown.only)
    x, old = unknown.recorded, unknown.recorded
    h = abs(old) * 2.0**-10 or 2.0**-10
    for _ in range(ROUNDS):
        if not unknown.possible(x) or not unknown.possible(x + h):
            return None
        here, there = (_sample(job, first, unknown, place, at) for at in (x, x + h))
        step = _newton(here, there, h)
        if step is None:
            return None
        x += step
        h = abs(x) * 2.0**-20 or 2.0**-20
        if abs(step) <= 1e-12 * abs(x):
            break
    if unknown.only is not None:
        return x if unknown.possible(x) else None
    for short in [*(float(f"{x:.{digits}g}") for digits in range(1, 13)), x]:
        if short != old and unknown.possible(short) and _fits(job, first, unknown.change(short)):
            return short
    return None


class Sample(NamedTuple):
    """One slot of one stretch: truth, bound, and what was got."""

    true: Any
    bound: Any
    got: Any


def _newton(here: list[Sample], there: list[Sample], h: float) -> float | None:
    """By how much to change what differs by `h` between two samples; None if it has no say."""
    best, step = 0.0, None
    for a, b in zip(here, there, strict=False):
        slope = (b.true - a.true) / h
        sharp = np.where(slope == 0, 0.0, abs(slope) / np.maximum(a.bound, 1e-300))
        i = int(np.argmax(sharp)) if sharp.size else 0
        if sharp.size and best < sharp[i] < np.inf:
            best, step = float(sharp[i]), float((a.got[i] - a.true[i]) / slope[i])
    return step


def _wrong_stretch(job: Job, first: Row, only: int | None) -> int:
    """The number of a stretch in which a row is wrong, or which has a certain element."""
    for i, stretch in enumerate(stretches(job, first.step, first.tensor)):
        has = only is not None and stretch.start <= only < stretch.start + stretch.size
        if has or (only is None and any((s.ratios > 1).any() for s in stretch.seen)):
            return i
    return 0


def _sample(job: Job, first: Row, unknown: Unknown, place: int, x: float) -> list[Sample]:
    """The slots of one stretch of a row, if a number were another."""
    try:
        among = stretches(job, first.step, first.tensor, unknown.change(x))
        stretch = next(itertools.islice(among, place, None))
    except (OverflowError, ZeroDivisionError, StopIteration):
        return []
    found, only = [], unknown.only
    for seen in stretch.seen:
        if isinstance(seen.want, Bounded):
            true = np.ravel(seen.want.value).astype(np.float64)
            bound, got = LIMIT * np.ravel(seen.want.error), np.ravel(seen.got).astype(np.float64)
            at = slice(None)
            if only is not None and true.size == stretch.size:
                at = slice(only - stretch.start, only - stretch.start + 1)
            found.append(Sample(true[at], bound[at], got[at]))
    return found


def _precision(job: Job, first: Row) -> Iterator[Try]:
    """A slot that is right but for having been rounded to a shorter type."""
    slots = {w.slot for w in first.wrong}
    for kind in ("bfloat16", "float16"):
        if all(_rounded(job, first, slot, kind) for slot in slots):
            what = ", ".join("the parameters" if s == THETA else s for s in sorted(slots))
            yield (
                f"{what} rounded to {kind}",
                (),
                lambda r, kind=kind: all(_rounded(job, r, w.slot, kind) for w in r.wrong),  # type: ignore[misc]
            )


def _rounded(job: Job, wrong: Row, slot: str, kind: str) -> bool:
    """Whether a slot is what is true, rounded once to a type."""
    unit = {"bfloat16": 2.0**-8, "float16": 2.0**-11}[kind]
    found = False
    for stretch in stretches(job, wrong.step, wrong.tensor):
        for one in stretch.seen:
            if one.slot != slot or not isinstance(one.want, Bounded):
                continue
            got = np.ravel(one.got).astype(np.float64)
            with np.errstate(over="ignore"):
                short = round_to_bfloat16(got) if kind == "bfloat16" else got.astype(np.float16)
            room = LIMIT * np.ravel(one.want.error) + unit * abs(got) + 2.0**-25
            if not np.array_equal(short, got) or (abs(got - np.ravel(one.want.value)) > room).any():
                return False
            found = True
    return found

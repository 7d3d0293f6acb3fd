"""The numbers of a recording under the names of the specification, from wherever they lie.

A tensor can lie in pieces, each with other ranks: where each begins is declared, and what is asked
for as a whole is put together.
"""

import fnmatch
import functools
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .recording import Boxes, Held, Recording, Step, boxes, by_tensor, ranks
from .rounding import Arithmetic
from .rules import Hyper, Lines, Pipeline, pipeline
from .sampling import node
from .truth import THETA

SLOTS = {
    "m": ("exp_avg", "mu", "momentum_buffer", "momentum", "trace"),
    "v": ("exp_avg_sq", "nu", "square_avg", "momentum_buffer", "trace"),
    "t": ("step", "count"),
    "G": ("sum", "sum_of_squares"),
}
"""How libraries call the slots of the state."""

HYPER: dict[str, tuple[tuple[str, int | None], ...]] = {
    "lr": (("learning_rate", None),),
    "beta1": (("betas", 0), ("b1", None)),
    "beta2": (("betas", 1), ("b2", None)),
    "rho": (("alpha", None), ("decay", None)),
    "steps": (("ns_steps", None),),
    "initial_accumulator": (("initial_accumulator_value", None),),
}
"""How libraries call hyper-parameters: a name, or an element of a list under a name."""

DTYPES = {"F64": "float64", "F32": "float32", "BF16": "bfloat16"}


@dataclass(frozen=True)
class Job:
    """What a recording is held against."""

    folder: str
    rule: str
    meant: tuple[tuple[str, str | Lines], ...] = ()
    """The dialect (or the trap) that is meant, by rule."""
    hyper: tuple[tuple[str, float], ...] = ()
    """Hyper-parameters that hold in place of those that are recorded."""
    slots: tuple[tuple[str, str], ...] = ()
    """How the recording calls a slot of the specification, where that is not known here."""
    scalar: str | None = None
    iteration: str | None = None
    forced: bool = True
    """Whether each step begins where the recording says; if not, only the first one does."""
    tensors: tuple[str, ...] = ("*",)
    """Patterns of the names of the tensors that are looked at."""


def couples(stages: Pipeline) -> bool:
    """Whether a rule sees all tensors at once."""
    return any(stage.spec["scope"] == "model" for stage in stages.stages)


class Engine(NamedTuple):
    """What one process needs to examine a job, made once."""

    parts: list[Recording]
    stages: Pipeline
    arithmetics: dict[str, tuple[Arithmetic, Pipeline]]
    boxes: Boxes
    called: dict[str, str]


@functools.lru_cache(maxsize=64)
def engine(job: Job) -> Engine:
    parts, stages = ranks(Path(job.folder)), pipeline(job.rule, dict(job.meant))
    if not all(part.numbers for part in parts):
        msg = f"{job.folder}: nothing was recorded: there is no whole step"
        raise LookupError(msg)
    names = dict.fromkeys(
        name
        for part in parts
        for name in part.tensors
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in job.tensors)
    )
    arithmetics = {}
    for code, dtype in DTYPES.items():
        arithmetic = Arithmetic(dtype, job.scalar, job.iteration)
        arithmetics[code] = arithmetic, pipeline(job.rule, dict(job.meant), node(arithmetic))
    held = {name: found for name, found in boxes(parts).items() if name in names}
    return Engine(parts, stages, arithmetics, held, called(job, stages, parts))


def called(job: Job, stages: Pipeline, parts: list[Recording]) -> dict[str, str]:
    """How the recording calls each slot of the specification.

    Raises LookupError if a slot was not recorded, unless it counts the steps.
    """
    there = {
        name.split("/")[1]: None
        for part in parts
        if part.numbers
        for name in part.step(part.numbers[-1]).after
        if name.startswith("state/")
    }
    found = dict(job.slots)
    for slot, row in stages.slots.items():
        known = [n for n in (found.get(slot), slot, *SLOTS.get(slot, ())) if n in there]
        if known and known[0] is not None:
            found[slot] = known[0]
        elif row["like"] != "1" and there:
            msg = (
                f"the recording has no slot {slot} of {stages.name}, {row['is']}; it has "
                f"{', '.join(there)}: say --slot={slot}=NAME, or --free to do without the state"
            )
            raise LookupError(msg)
        elif row["like"] != "1" and job.forced:
            msg = f"the recording has no state: say --free to replay {stages.name} without it"
            raise LookupError(msg)
    return found


def hyper_of(job: Job, stages: Pipeline, recording: Recording, step: Step, tensor: str) -> Hyper:
    """The hyper-parameters of a tensor at a step, by their names in the specification."""
    group = recording.tensors[tensor]["group"]
    given = step.groups[group] if group < len(step.groups) else {}
    found: Hyper = {}
    for name, row in stages.rows().items():
        value = dict(job.hyper).get(name, given.get(name))
        for other, place in HYPER.get(name, ()) if value is None else ():
            if other in given:
                value = given[other] if place is None else given[other][place]
                break
        if value is None:
            known = ", ".join(k for k, v in given.items() if v is not None) or "none at all"
            msg = f"the recording says nothing of {name}, only {known}: say --hyper={name}=VALUE"
            raise LookupError(msg)
        found[name] = int(value) if isinstance(row["default"], int) else float(value)
    return stages.check(found)


@functools.lru_cache(maxsize=8)
def steps_of(job: Job, number: int) -> tuple[Step | None, ...]:
    """A step as each rank recorded it."""
    parts = engine(job).parts
    return tuple(p.step(number) if number in p.journal else None for p in parts)


@functools.lru_cache(maxsize=8)
def halves(job: Job, number: int) -> tuple[dict[str, dict[str, dict[str, Held]]], ...]:
    """What stands `before` and `after` a step, on each rank, by tensor and slot."""
    return tuple(
        {"before": by_tensor(step.before), "after": by_tensor(step.after)} if step else {}
        for step in steps_of(job, number)
    )


class Piece(NamedTuple):
    """Where one tensor, or the part of it that one rank holds, is at one step."""

    rank: int
    step: Step
    at: tuple[int, ...]
    shape: tuple[int, ...]
    before: dict[str, Held]
    """Parameter and state, by slot as the recording calls it."""
    after: dict[str, Held]

    def code(self, tensor: str) -> str:
        """The code of the type of the parameter."""
        code = self.after[THETA].entry.code
        if code not in DTYPES:
            msg = f"{tensor}: parameters of type {code} are not replayed; {', '.join(DTYPES)} are"
            raise LookupError(msg)
        return code

    def check(self, tensor: str) -> None:
        """Raise FormatError unless every array is as it was written."""
        for held in (*self.before.values(), *self.after.values()):
            held.check()
        if f"grad/{tensor}" in self.step.grads:
            self.step.grads[f"grad/{tensor}"].check()


def pieces(job: Job, number: int, tensor: str) -> list[Piece]:
    """The parts of a tensor at a step; of those that several ranks hold, the first one's."""
    steps, found = steps_of(job, number), []
    for (at, shape), held in engine(job).boxes[tensor].items():
        for rank in held:
            step, both = steps[rank], halves(job, number)[rank]
            if step is not None and tensor in both["after"]:
                before, after = both["before"].get(tensor, {}), both["after"][tensor]
                found.append(Piece(rank, step, at, shape, before, after))
                break
    return found


class Numbers(NamedTuple):
    """A tensor, or a stretch of it, at one step, as recorded; the slots as specified."""

    step: int
    hyper: Hyper
    grad: Any
    before: dict[str, Any]
    after: dict[str, Any]
    given: dict[str, Any]


def read(job: Job, piece: Piece, tensor: str, start: int, stop: int) -> Numbers | None:
    """The numbers of a piece from `start` to `stop`; None if it has no gradient there."""
    made = engine(job)
    if f"grad/{tensor}" not in piece.step.grads:
        return None
    grad = piece.step.grads[f"grad/{tensor}"].read(start, stop)
    named = {theirs: ours for ours, theirs in made.called.items()} | {THETA: THETA}

    def half(arrays: dict[str, Held]) -> dict[str, Any]:
        found = {}
        for slot, held in arrays.items():
            if slot in named and held.entry.shape == piece.shape:
                found[named[slot]] = held.read(start, stop)
            elif slot in named:
                found[named[slot]] = held.read().reshape(held.entry.shape)
        return found

    hyper = hyper_of(job, made.stages, made.parts[piece.rank], piece.step, tensor)
    given: dict[str, Any] = {}
    for name, row in made.stages.given.items():
        key = f"given/{name}" if row["like"] == "1" else f"given/{name}/{tensor}"
        if key not in piece.step.grads:
            msg = f"{job.rule} takes {name} beside the gradients, and the recording has none"
            raise LookupError(msg)
        x = piece.step.grads[key]
        if row["like"] == "1":
            given[name] = float(x.read()[0])
        elif x.entry.shape == piece.shape:
            given[name] = x.read(start, stop)
        else:
            given[name] = x.read().reshape(x.entry.shape)
    return Numbers(piece.step.number, hyper, grad, half(piece.before), half(piece.after), given)


class Whole(NamedTuple):
    """A tensor at a step, put together from its pieces."""

    numbers: Numbers
    shape: tuple[int, ...]
    code: str


def whole(job: Job, number: int, tensor: str) -> Whole | None:
    """A tensor at a step; None if it was not stepped.

    Raises LookupError if its pieces do not make up the whole.
    """
    parts = pieces(job, number, tensor)
    found = [read(job, piece, tensor, 0, prod(piece.shape)) for piece in parts]
    there = [numbers for numbers in found if numbers is not None]
    if not there or len(there) < len(parts):
        return None
    first, piece = there[0], parts[0]
    shape = tuple(engine(job).parts[piece.rank].tensors[tensor]["shape"])
    have = sum(prod(part.shape) for part in parts)
    if have != prod(shape):
        msg = f"{tensor}: its pieces have {have} elements, and the whole {shape} has others"
        raise LookupError(msg)

    def put(arrays: list[Any]) -> Any:
        if len(parts) == 1 or np.size(arrays[0]) != prod(piece.shape):
            return arrays[0]
        full = np.empty(shape, arrays[0].dtype)
        for part, x in zip(parts, arrays, strict=True):
            full[_box(part)] = x.reshape(part.shape)
        return full

    before = {slot: put([n.before[slot] for n in there]) for slot in first.before}
    after = {slot: put([n.after[slot] for n in there]) for slot in first.after}
    given = {
        k: x if isinstance(x, float) else put([n.given[k] for n in there])
        for k, x in first.given.items()
    }
    joined = first._replace(
        grad=put([n.grad for n in there]), before=before, after=after, given=given
    )
    return Whole(shaped(joined, shape), shape, piece.code(tensor))


def _box(piece: Piece) -> tuple[slice, ...]:
    """Where in the whole tensor a piece is."""
    return tuple(slice(a, a + n) for a, n in zip(piece.at, piece.shape, strict=True))


def shaped(numbers: Numbers, shape: tuple[int, ...]) -> Numbers:
    """The numbers of a whole tensor in its shape."""
    size = prod(shape)

    def form(x: Any) -> Any:
        return x.reshape(shape) if np.ndim(x) == 1 and np.size(x) == size else x

    before, after, given = (
        {k: form(x) for k, x in half.items()}
        for half in (numbers.before, numbers.after, numbers.given)
    )
    return numbers._replace(grad=form(numbers.grad), before=before, after=after, given=given)

"""What is wrong about a recorded step beside its arithmetic: between steps, or between ranks."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .pieces import Job, engine, steps_of
from .recording import Held, Recording, Step, alike
from .rows import place_of
from .safetensors import round_to_bfloat16
from .truth import THETA

BACK = 64
"""How many recorded steps are searched for what stands before one."""


class Note(NamedTuple):
    """Something that is wrong beside a step."""

    step: int
    tensor: str
    says: str


def notes(job: Job, number: int, tensors: Sequence[str]) -> list[Note]:
    """Where a step does not begin with what the step before it left, and where ranks disagree."""
    parts, found = engine(job).parts, []
    for rank, step in enumerate(steps_of(job, number)):
        for name, left in step.changed.items() if step else ():
            slot, tensor = _slot(name)
            if tensor in tensors and step:
                who = f" on rank {rank}" * (len(parts) > 1)
                how = _other(parts[rank], name, left, step.before.get(name), number)
                says = f"{slot}{who} is not what step {number - 1} left{how}"
                found.append(Note(number, tensor, says))
    if len(parts) > 1:
        for tensor in tensors:
            found += [Note(number, tensor, says) for says in _replicas(job, number, tensor)]
            found += [Note(number, tensor, says) for says in _counts(job, number, tensor)]
    return found


def _slot(name: str) -> tuple[str, str]:
    """The slot and the tensor of an array: `theta/w`, `state/exp_avg/w`."""
    first, _, rest = name.partition("/")
    slot, _, tensor = rest.partition("/")
    return (THETA, rest) if first == THETA else (slot, tensor)


def _other(recording: Recording, name: str, left: Held, now: Held | None, number: int) -> str:
    """In words, how an array differs from what the last step left."""
    if now is None:
        return ": it is gone"
    if (left.entry.shape, left.entry.code) != (now.entry.shape, now.entry.code):
        was, became = ((x.entry.code, list(x.entry.shape)) for x in (left, now))
        return f": it was {was[0]} {was[1]} and is {became[0]} {became[1]}"
    before = recording.numbers[: recording.numbers.index(number)]
    for earlier in reversed(before[-BACK:]):
        old = recording.step(earlier).after.get(name)
        if old and alike(old, now):
            return f", but what step {earlier} left"
    return _numbers(left.read().astype(np.float64), now.read().astype(np.float64), left.entry.shape)


def _numbers(a: Any, b: Any, shape: tuple[int, ...]) -> str:
    """In words, how the numbers `b` came of the numbers `a`, as far as that can be seen."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        short = {"bfloat16": round_to_bfloat16(a), "float16": a.astype(np.float16).astype(float)}
        factor = float(np.median((b / a)[a != 0])) if a.any() else 0.0
    if not b.any():
        return ": it is zero"
    for kind, rounded in short.items():
        if np.array_equal(rounded, b):
            return f", but that rounded to {kind}: it was kept in the wrong type"
    if abs(factor - 1) > 1e-5 and np.allclose(b, factor * a, rtol=1e-6, atol=0):
        return f", but {factor:.6g} times that"
    at = int(np.argmax(abs(a - b)))
    where = f"most at {list(place_of(shape, at))}: {b[at]:g}, not {a[at]:g}"
    return f": {int((a != b).sum())} of {a.size} elements differ, {where}"


def _replicas(job: Job, number: int, tensor: str) -> Iterator[str]:
    """Where ranks that hold the same part of a tensor do not hold the same numbers."""
    steps = steps_of(job, number)
    for (_, shape), held in engine(job).boxes[tensor].items():
        (first, model), *others = ((r, s) for r in held if (s := steps[r]) is not None)
        for rank, step in others:
            for half, when in (("grads", "at"), ("before", "before"), ("after", "after")):
                mine, theirs = getattr(model, half), getattr(step, half)
                for name in _of(mine, tensor, shape) & _of(theirs, tensor, shape):
                    if not alike(mine[name], theirs[name]):
                        what = name.removesuffix(f"/{tensor}").removeprefix("state/")
                        yield f"{what} {when} the step differs on rank {rank} from rank {first}"


def _of(arrays: dict[str, Held], tensor: str, shape: tuple[int, ...]) -> set[str]:
    """The names of the arrays of a tensor that have its shape."""
    return {n for n, x in arrays.items() if n.endswith(f"/{tensor}") and x.entry.shape == shape}


def _counts(job: Job, number: int, tensor: str) -> Iterator[str]:
    """Where ranks have counted different numbers of steps, whatever part of a tensor they hold."""
    found: dict[float, list[int]] = {}
    name = f"state/{engine(job).called.get('t')}/{tensor}"
    for rank, step in enumerate(steps_of(job, number)):
        count = _count(step, name)
        if count is not None:
            found.setdefault(count, []).append(rank)
    if len(found) > 1:
        told = [f"{count:g} on rank {', '.join(map(str, r))}" for count, r in sorted(found.items())]
        yield f"the count of steps differs by rank: {' and '.join(told)}"


def _count(step: Step | None, name: str) -> float | None:
    if step is None or name not in step.after or step.after[name].entry.shape not in {(), (1,)}:
        return None
    return float(step.after[name].read()[0])

"""Replay a recording against the truth, and find the first step that left it.

Every step of every tensor is forced to begin where the recording says it began, so that all of them
are independent: they can be examined in any order, by any number of workers, a part at a time.
"""

import functools
from collections.abc import Callable
from concurrent.futures import Executor
from math import prod
from typing import NamedTuple

from .notes import Note, notes
from .pieces import Job, couples, engine
from .rows import Row, free_rows, model_rows, row
from .spread import spread

PART = 1 << 21
"""How many elements one task examines, if it can."""


class Report(NamedTuple):
    rows: list[Row]
    notes: list[Note]

    @property
    def first(self) -> Row | None:
        """The first step and tensor that left the truth; of one step the furthest."""
        wrong = [row for row in self.rows if row.wrong]
        return min(wrong, key=lambda row: (row.step, -row.ratio), default=None)

    @property
    def conforms(self) -> bool:
        return not self.notes and self.first is None and any(not r.unjudged for r in self.rows)


class Part(NamedTuple):
    """What one task examines: these tensors at these steps."""

    steps: tuple[int, ...]
    tensors: tuple[str, ...]
    elements: int


def examine(job: Job, part: Part) -> tuple[list[Row], list[Note]]:
    """The rows and notes of one part. It is all that a worker is asked."""
    at_once = couples(engine(job).stages)
    if not job.forced:
        alone = [part.tensors] if at_once else [(t,) for t in part.tensors]
        return [r for tensors in alone for r in free_rows(job, part.steps, tensors)], []
    rows: list[Row] = []
    found: list[Note] = []
    for number in part.steps:
        found += notes(job, number, part.tensors)
        if at_once:
            rows += model_rows(job, number, part.tensors)
        else:
            rows += [r for t in part.tensors if (r := row(job, number, t)) is not None]
    return rows, found


def divided(job: Job) -> list[Part]:
    """A recording, as far as every rank has got, in parts of about the same size."""
    made = engine(job)
    steps = sorted(set.intersection(*(set(part.numbers) for part in made.parts)))
    size = {t: sum(prod(shape) for _, shape in found) for t, found in made.boxes.items() if found}
    whole = {t: tuple(info["shape"]) for part in made.parts for t, info in part.tensors.items()}
    size = {t: n for t, n in size.items() if made.stages.takes(whole[t])}
    if not steps or not size:
        msg = f"{job.folder}: nothing was recorded that {job.rule} could be held against"
        raise LookupError(msg)
    groups: list[list[str]] = [[]]
    for tensor, n in size.items():
        if not couples(made.stages) and sum(size[t] for t in groups[-1]) + n > PART:
            groups.append([])
        groups[-1].append(tensor)
    parts = []
    for group in filter(None, groups):
        one = max(1, sum(size[t] for t in group))
        many = max(1, PART // one) if job.forced else len(steps)
        for i in range(0, len(steps), many):
            some = tuple(steps[i : i + many])
            parts.append(Part(some, tuple(group), one * len(some)))
    return parts


Progress = Callable[[int, int], object]


def verify(
    job: Job, executors: Callable[[], Executor] | None = None, progress: Progress | None = None
) -> Report:
    """Hold a recording against the truth.

    `executors` makes what runs the parts, any `concurrent.futures.Executor`; this process itself
    if there is none. The report does not depend on it. `progress` is told how many elements there
    are, and how many are done.
    """
    parts = divided(job)
    total, done = sum(part.elements for part in parts), 0
    rows: list[Row] = []
    found: list[Note] = []
    for part, (some, more) in spread(functools.partial(examine, job), parts, executors):
        rows += some
        found += more
        done += part.elements
        if progress:
            progress(done, total)
    order = {tensor: i for i, tensor in enumerate(engine(job).boxes)}
    rows.sort(key=lambda r: (r.step, order[r.tensor]))
    found.sort(key=lambda n: (n.step, order[n.tensor], n.says))
    return Report(rows, found)

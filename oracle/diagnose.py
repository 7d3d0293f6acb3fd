"""Why an implementation is wrong: the equations that can explain it, and the mistake it makes."""

from collections.abc import Iterator
from typing import NamedTuple

from . import link
from .case import Layout
from .judge import Divergence, judge
from .observe import Seen, parted
from .rules import Pipeline, Readings, module, readings
from .truth import THETA, Moment, Truth


class Match(NamedTuple):
    """A reading of the specification that explains what an implementation did."""

    rule: str
    kind: str
    name: str
    ratio: float
    tags: tuple[str, ...]


def candidates(stages: Pipeline, meant: Readings) -> Iterator[tuple[str, str, str | None]]:
    """Every other reading of a pipeline, as (rule, kind, name); the plain rule has no name."""
    for rule in stages.rules:
        if rule in meant:
            yield rule, "rule", None
        for name, said in readings(rule).items():
            if meant.get(rule) != name:
                yield rule, "trap" if "seen" in said else "dialect", name


def diagnose(truth: Truth, seen: Seen) -> list[Match]:
    """The dialects and traps that explain all that was seen, best first.

    Each is replayed in place of the truth, one at a time, under the same bound.
    """
    # A mistake may see where a tensor ends although the rule does not.
    return _matches(truth, seen, truth.layout) or _matches(
        truth, seen, Layout(truth.case, apart=True)
    )


def _matches(truth: Truth, seen: Seen, layout: Layout) -> list[Match]:
    golden = [relaid(m, truth.layout, layout) for m in (truth.golden() if seen.forced else [])]
    free, forced = ([relaid(m, truth.layout, layout) for m in run] for run in seen[1:])
    matches = []
    for rule, kind, name in candidates(truth.case.pipeline, truth.meant):
        meant = {k: v for k, v in truth.meant.items() if k != rule} | ({rule: name} if name else {})
        other = Truth(truth.case, truth.arithmetic, meant, layout)
        try:
            verdict = judge(other, Seen(seen.level, free, forced), golden=golden)
        except (OverflowError, ZeroDivisionError):
            continue  # this reading leaves the numbers that the type can hold
        if verdict.conforms:
            tags = tuple(readings(rule)[name]["code"]) if name else ()
            matches.append(Match(rule, kind, name or rule, verdict.ratio, tags))
    return sorted(matches, key=lambda m: m.ratio)


def relaid(moment: Moment, old: Layout, new: Layout) -> Moment:
    """A moment as another layout has it."""
    if old.groups == new.groups:
        return moment
    params, slots = parted(old, moment)
    groups = {group: names[0] for group, names in new.groups.items()}
    state = moment.state and {group: slots[name] for group, name in groups.items()}
    return Moment({group: params[name] for group, name in groups.items()}, state)


def explain(truth: Truth, divergence: Divergence) -> list[str]:
    """The tags of the equations that can have gone wrong, in the order of the pipeline."""
    wrong = {w.slot for w in divergence.wrong}
    found: list[str] = []
    for _, schedule in truth.case.pipeline.schedules:
        found += link.suspects(schedule.module, {"f"} if THETA in wrong else set(), set())
    for stage in reversed(truth.case.pipeline.stages):
        outputs = wrong & {*stage.spec["state"], THETA} | (wrong & {"g"})
        if truth.case.pipeline.alone:
            return list(link.tagged(module(stage.name)))
        found = link.suspects(stage.module, outputs, divergence.right) + found
        wrong |= {"g"}  # what a transform hands on is not seen
    return found

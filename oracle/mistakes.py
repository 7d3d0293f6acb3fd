"""What may have been done instead: every reading of a rule, and every mix-up of its numbers.

Each suspicion turns a case into the one that the implementation may have worked on, and the rule
into the one that it may have followed. It can then be replayed like any other.
"""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from . import link
from .case import Case
from .rules import Hyper, Lines, Pipeline, Readings, module, readings, within

KINDS = ("rule", "dialect", "trap", "count", "hyper", "fit", "pair")
"""What a suspicion may be; of two that explain as much, the kind that stands first is named."""


@dataclass(frozen=True)
class Suspicion:
    """One thing, or two, that may have been done instead."""

    rule: str
    kind: str
    name: str
    meant: tuple[tuple[str, str | Lines | None], ...] = ()
    """The reading of each rule that is suspected; None is the plain rule."""
    hyper: Callable[[Hyper], Hyper] | None = None
    """What it takes the hyper-parameters to be."""
    frozen: bool = False
    """Whether it does not see that a hyper-parameter changes."""
    factor: Callable[[Hyper], float] | None = None
    """What it multiplies each gradient by."""
    says: str = ""
    parts: tuple["Suspicion", ...] = ()
    """The two of a pair."""

    def readings(self, meant: Readings) -> Readings:
        changed = {k: v for k, v in meant.items() if k not in dict(self.meant)}
        return changed | {k: v for k, v in self.meant if v is not None}

    def case(self, case: Case) -> Case:
        """The case that it worked on, if this is what was done."""
        if self.hyper is None and self.factor is None and not self.frozen:
            return case
        hyper, now, changes, grads = case.hyper, dict(case.hyper), [], []
        take = self.hyper or dict
        for given, change in zip(case.grads, case.changes, strict=True):
            now |= {} if self.frozen else change
            c = self.factor(now) if self.factor else 1.0
            changes.append(take(now))
            grads.append({k: None if g is None else c * g for k, g in given.items()})
        return dataclasses.replace(
            case, hyper=take(hyper), changes=changes, grads=grads if self.factor else case.grads
        )

    @property
    def tags(self) -> dict[str, str]:
        """The lines that say something else, by tag."""
        found: dict[str, str] = {}
        for rule, said in self.meant:
            if isinstance(said, str):
                found |= readings(rule)[said]["code"]
            elif said is not None:
                found |= dict(said)
        return found


def singles(stages: Pipeline, case: Case, meant: Readings) -> Iterator[Suspicion]:
    """Every single suspicion, the readings that the specification lists first."""
    yield from read_otherwise(stages, meant)
    yield from counted_otherwise(stages, meant)
    yield from given_otherwise(stages, case)


def read_otherwise(stages: Pipeline, meant: Readings) -> Iterator[Suspicion]:
    """Every other reading of a pipeline's rules, and each trap on a dialect that is meant."""
    for rule in stages.rules:
        if rule in meant:
            yield Suspicion(rule, "rule", rule, ((rule, None),))
        for name, said in readings(rule).items():
            kind = "trap" if "seen" in said else "dialect"
            if meant.get(rule) == name:
                continue
            why = said.get("seen") or said["says"]
            yield Suspicion(rule, kind, name, ((rule, name),), says=why)
            claimed = meant.get(rule)
            if kind == "trap" and isinstance(claimed, str):
                lines = merged(readings(rule)[claimed]["code"], said["code"])
                if lines:
                    yield Suspicion(rule, kind, name, ((rule, lines),), says=why)


def merged(one: dict[str, str], other: dict[str, str]) -> Lines | None:
    """The lines of two readings at once; None where both replace the same line."""
    return None if one.keys() & other.keys() else tuple((one | other).items())


def counted_otherwise(stages: Pipeline, meant: Readings) -> Iterator[Suspicion]:
    """A step count that is one more or less where it is used, although it is kept right."""
    for stage in stages.stages:
        if "t" not in stage.spec["state"]:
            continue
        code = link.tagged(module(stage.name))
        claimed = meant.get(stage.name)
        if isinstance(claimed, str):
            code = code | readings(stage.name)[claimed]["code"]
        order = list(link.lines(module(stage.name)))
        counting = [i for i, line in enumerate(order) if "t" in line.assigns]
        if not counting:
            continue
        used = [line.tag for line in order[counting[0] + 1 :] if "t" in line.reads]
        for shift, said in (("+ 1", "one too many"), ("- 1", "one too few")):
            lines = tuple((tag, re.sub(r"\bt\b", f"(t {shift})", code[tag])) for tag in used)
            if lines:
                name = f"the step is counted {said}"
                yield Suspicion(stage.name, "count", name, ((stage.name, lines),))


def given_otherwise(stages: Pipeline, case: Case) -> Iterator[Suspicion]:
    """Every mix-up of what an implementation is given: hyper-parameters, changes, gradients."""
    rule, rows, hyper = stages.name, stages.rows(), case.hyper
    for name, f in mixups(rows, hyper):
        taken = f(hyper)
        if taken != hyper and all(within(x, rows[k]["domain"]) for k, x in taken.items()):
            yield Suspicion(rule, "hyper", name, hyper=f)
    if any(case.changes):
        yield Suspicion(rule, "hyper", "a learning rate that changes is ignored", frozen=True)
    yield Suspicion(rule, "hyper", "the gradient is negated", factor=lambda _: -1.0)
    if "lr" in hyper:
        yield Suspicion(
            rule,
            "hyper",
            "the learning rate multiplies the gradient, not the step",
            hyper=lambda h: h | {"lr": 1.0},
            factor=lambda h: float(h["lr"]),
        )


def mixups(rows: dict[str, Any], hyper: Hyper) -> Iterator[tuple[str, Callable[[Hyper], Hyper]]]:
    """What hyper-parameters may be taken to be, in words and as a function of what is given."""

    def swap(a: str, b: str) -> Callable[[Hyper], Hyper]:
        return lambda h: h | {a: h[b], b: h[a]}

    def put(k: str, f: Callable[[float, Hyper], float]) -> Callable[[Hyper], Hyper]:
        return lambda h: h | {k: f(h[k], h)}

    def constant(x: float) -> Callable[[float, Hyper], float]:
        return lambda _, __: x

    numbers = [k for k, x in hyper.items() if isinstance(x, float)]
    for k in numbers:
        default = rows[k]["default"]
        yield f"{k} is ignored: it is {default!r}, its default", put(k, constant(default))
        for name, f in MIXUPS.items():
            if "{lr}" not in name or (k != "lr" and "lr" in hyper):
                yield name.format(k, lr="lr"), put(k, f)
    for a, b in itertools.combinations(numbers, 2):
        yield f"{a} and {b} are swapped", swap(a, b)
    for k in [k for k, x in hyper.items() if isinstance(x, int)]:
        for n in sorted({rows[k]["default"], hyper[k] - 1, hyper[k] + 1}):
            yield f"{k} is {n} instead of {hyper[k]}", put(k, constant(n))


MIXUPS: dict[str, Callable[[float, Hyper], float]] = {
    "{} is squared": lambda x, _: x * x,
    "{} is its own root": lambda x, _: x**0.5,
    "1 - {0} is taken for {0}": lambda x, _: 1 - x,
    "{} is doubled": lambda x, _: 2 * x,
    "{} is halved": lambda x, _: x / 2,
    "{} is zero": lambda _, __: 0.0,
    "{} is one": lambda _, __: 1.0,
    "{} is multiplied by {lr}": lambda x, h: x * float(h["lr"]),
    "{} is divided by {lr}": lambda x, h: x / float(h["lr"]),
}


def pairs(found: list[Suspicion]) -> Iterator[Suspicion]:
    """Every two suspicions that can both be true."""
    for a, b in itertools.combinations(found, 2):
        if both := together(a, b):
            yield both


def together(a: Suspicion, b: Suspicion) -> Suspicion | None:
    said: dict[str, Any] = dict(a.meant)
    for rule, lines in b.meant:
        if rule not in said:
            said[rule] = lines
            continue
        if lines is None or said[rule] is None:
            return None
        one, other = (_lines(rule, x) for x in (said[rule], lines))
        both = merged(one, other)
        if both is None:
            return None
        said[rule] = both
    if a.hyper and b.hyper and a.rule == b.rule and a.name.split()[0] == b.name.split()[0]:
        return None
    if a.factor and b.factor:
        return None
    f, g = a.hyper, b.hyper
    both_hyper = (lambda h: g(f(h))) if f and g else f or g
    name, says = f"{a.name}, and {b.name}", " ".join(filter(None, [a.says, b.says]))
    return Suspicion(
        b.rule if not a.meant else a.rule,
        "pair",
        name,
        tuple(said.items()),
        both_hyper,
        frozen=a.frozen or b.frozen,
        factor=a.factor or b.factor,
        says=says,
        parts=(a, b),
    )


def _lines(rule: str, said: str | Lines) -> dict[str, str]:
    return dict(readings(rule)[said]["code"] if isinstance(said, str) else said)


def fitted(rule: str, k: str, value: float) -> Suspicion:
    """One hyper-parameter that has a value of its own, whatever is given."""
    name = f"{k} behaves as {value:.6g}"
    return Suspicion(rule, "fit", name, hyper=lambda h: h | {k: value})

"""Why an implementation is wrong: the equations that can explain it, and the mistake it makes.

Every suspicion is replayed against what was seen, at first in plain float64 with the truth's own
bound as the unit; what comes near is then judged under a bound of its own.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import link
from .case import Layout
from .judge import Divergence, judge
from .mistakes import KINDS, Suspicion, fitted, pairs, read_otherwise, singles
from .observe import Seen, parted
from .replay import Stepper
from .rounding import HUGE, LIMIT, UNIT, Bounded
from .rules import module, pipeline, within
from .truth import THETA, Moment, Truth

CLEARLY = 100.0
"""What is named without explaining all explains this many times more than the truth, and than
whatever comes second."""
ENOUGH = 12
"""How many steps are looked at to tell suspicions apart."""
SAME = 2.0
"""In units of the truth's bound: two suspicions are not told apart by less, which is rounding."""
WORTH = 1e6
"""In units of the truth's bound: what comes nearer than this is judged under its own bound, which
may be that much wider."""


@dataclass(frozen=True)
class Match:
    """A reading of the specification that explains what an implementation did, or comes near."""

    suspicion: Suspicion
    ratio: float
    """The largest error over the bound, if this is what was done; at most 1 if it explains all."""
    rivals: tuple[str, ...] = ()
    """What explains as much on this case."""

    @property
    def rule(self) -> str:
        return self.suspicion.rule

    @property
    def kind(self) -> str:
        return self.suspicion.kind

    @property
    def name(self) -> str:
        return self.suspicion.name

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.suspicion.tags)

    @property
    def explains(self) -> bool:
        return self.ratio <= 1


def diagnose(
    truth: Truth, seen: Seen, known: Sequence[Suspicion] = (), *, deep: bool = True
) -> list[Match]:
    """What explains all that was seen, best first; else the nearest alone, if it clearly is.

    `known` are suspicions that explained the same implementation elsewhere: if one of them explains
    this too, no other is looked for. What is not to be looked at so `deep`, since it takes seconds,
    is only compared with the readings that the specification lists.
    """
    looked = Look(truth, seen)
    if seen.forced and seen.free and looked.itself <= 1:
        looked = Look(truth, seen._replace(forced=[]))  # each step is right: the run went wrong
    listed = list(read_otherwise(truth.case.pipeline, truth.meant))
    if looked.mute:
        return looked.confirmed(known)
    # A mistake may see where a tensor ends although the rule does not.
    found = looked.confirmed(known) or looked.confirmed(listed) or looked.apart().confirmed(listed)
    return found if found or not deep or looked.itself == math.inf else _searched(looked)


def _searched(looked: "Look") -> list[Match]:
    """What explains it of all that can be thought of, two at a time if one does not do."""
    truth = looked.truth
    every = list(singles(truth.case.pipeline, truth.case, truth.meant))
    if found := looked.confirmed(every):
        return found
    fits = list(looked.fits())
    two = list(pairs([*every, *fits]))
    tried = [*every, *fits, *two]
    return looked.confirmed(fits) or looked.confirmed(two) or looked.nearest(tried)


class Look:
    """A case that went wrong, and what can be asked of each suspicion."""

    def __init__(self, truth: Truth, seen: Seen, layout: Layout | None = None) -> None:
        self.truth, self.layout = truth, layout or truth.layout
        self.golden = truth.golden() if seen.forced else []
        if self.layout.groups != truth.layout.groups:
            self.golden = [relaid(m, truth.layout, self.layout) for m in self.golden]
        free, forced = ([relaid(m, truth.layout, self.layout) for m in run] for run in seen[1:])
        self.seen = Seen(seen.level, free, forced)
        case, join = truth.case, self.layout.join
        self.beside = [
            {k: x if isinstance(x, float) else join(x) for k, x in given.items()}
            for given in case.given
        ] or [{} for _ in case.grads]
        self.units = list(self._units())
        self.steps = self._telling()
        rule = Suspicion(case.rule, "rule", case.rule)
        self.itself = self.residual(rule)
        if self.itself <= 1:  # what went wrong did so at none of these steps
            self.steps = list(range(len(self.units)))
            self.itself = self.residual(rule)
        self.mute = self.itself == math.inf and self.residual(rule, gone=0.0) <= 1
        """Whether nothing that is wrong is a number: any mistake may give none."""
        self._screened: dict[int, float] = {}

    def apart(self) -> "Look":
        return Look(
            self.truth,
            self.seen,
            Layout(self.truth.case, apart=True),
        )

    def _units(self) -> Iterator[dict[tuple[str, str], Any]]:
        """By moment, group and slot: what an error is measured in."""
        truth = self.truth
        own = truth
        if self.layout.groups != truth.layout.groups:
            own = Truth(truth.case, truth.arithmetic, truth.meant, self.layout)
        moments = own.forced(self.golden) if self.seen.forced else own.free()
        u = UNIT[truth.arithmetic.dtype]
        for moment in moments:
            units = {}
            for group, slot, x in moment.slots():
                if isinstance(x, Bounded):
                    size = float(np.max(np.abs(x.value), initial=0))
                    units[group, slot] = LIMIT * x.error + u * size + 1e-300
                else:
                    units[group, slot] = 1e-6
            yield units

    def _telling(self) -> list[int]:
        """The steps that tell suspicions apart: the first ones, and a few later."""
        n = len(self.units)
        if not self.seen.forced:
            return list(range(min(n, 2 * ENOUGH)))
        return sorted({*range(min(n, ENOUGH)), *range(n // 2, min(n, n // 2 + 4))})

    def residual(
        self, suspicion: Suspicion, *, least: float = math.inf, gone: float = math.inf
    ) -> float:
        """How far what was seen is from a suspicion, in units of the truth's bound.

        It stops where that is more than `least`. What was seen and is no number is `gone` away from
        one, and not at all from what has left the type as well.
        """
        truth = self.truth
        case = suspicion.case(truth.case)
        stages = pipeline(case.rule, suspicion.readings(truth.meant))
        start = {k: np.asarray(x, np.float64) for k, x in self.layout.join(case.params).items()}
        step = Stepper(stages, stages.profile("default") | case.hyper, start)
        moments, worst = self.seen.forced or self.seen.free, 0.0
        with np.errstate(all="ignore"):
            for t in self.steps:
                if self.seen.forced:
                    before = self.golden[t]
                    step.load(_wide(before.params), _wide_state(before))
                try:
                    params = step(
                        self.layout.join(case.grads[t]), **case.changes[t], **self.beside[t]
                    )
                except (ArithmeticError, ValueError):
                    return math.inf
                got, did = moments[t], Moment(params, step.state() if moments[t].state else None)
                worst = max(worst, self.distance(t, got, did, gone=gone))
                if not worst <= least:
                    return worst
        return worst

    def distance(self, t: int, got: Moment, did: Moment, *, gone: float = math.inf) -> float:
        """How far two moments after step `t` are from each other, in those units."""
        done = {(group, slot): x for group, slot, x in did.slots()}
        worst = 0.0
        for group, slot, x in got.slots():
            if not np.size(x):
                continue
            if (group, slot) not in done:  # what keeps no such state did something else
                return math.inf
            if (group, slot) not in self.units[t]:  # the truth went another way
                continue
            # Zero-dimensional where the type is one of the host, as a count is.
            was, now = (np.asarray(a, np.float64) for a in (x, done[group, slot]))
            error = np.abs(was - now)
            ratio = np.where(error == 0, 0.0, error / self.units[t][group, slot])
            within = np.abs(now) <= HUGE[self.truth.arithmetic.dtype]
            ratio = np.where(np.isfinite(was), ratio, np.where(within, gone, 0.0))
            worst = max(worst, float(np.max(np.where(np.isnan(ratio), np.inf, ratio))))
        return worst

    def screened(self, suspicions: Iterable[Suspicion]) -> list[tuple[float, Suspicion]]:
        """The suspicions with their residuals, the nearest first."""
        found = []
        for s in suspicions:
            if id(s) not in self._screened:
                self._screened[id(s)] = self.residual(s, least=self.itself)
            found.append((self._screened[id(s)], s))
        return sorted(found, key=lambda one: (one[0], KINDS.index(one[1].kind)))

    def confirmed(self, suspicions: Sequence[Suspicion]) -> list[Match]:
        """Those that explain all, under a bound of their own, best first."""
        found: list[Match] = []
        for residual, s in self.screened(suspicions):
            if residual >= min(WORTH, self.itself / 2) or len(found) >= 8:
                break
            ratio = self._judged(s)
            if ratio <= 1:
                found.append(Match(s, ratio))
        found.sort(key=lambda m: (KINDS.index(m.kind), m.ratio))
        return [
            Match(m.suspicion, m.ratio, tuple(o.name for o in found if o is not m)) for m in found
        ]

    def _judged(self, s: Suspicion) -> float:
        truth = self.truth
        other = Truth(s.case(truth.case), truth.arithmetic, s.readings(truth.meant), self.layout)
        try:
            return judge(other, self.seen, golden=self.golden or None).ratio
        except (OverflowError, ZeroDivisionError, ValueError):
            # It has no bound, or leaves its type: it explains what is, at the steps looked at, the
            # same to the last bit.
            return math.inf if self._screened[id(s)] else 0.0

    def nearest(self, suspicions: Iterable[Suspicion]) -> list[Match]:
        """The nearest, if it is clearly nearer than the truth, and than what comes second.

        What is simpler is preferred: a fitted number, or a pair, is no second to what comes as
        near, and no pair to one of its two. What differs from it by rounding alone is a rival.
        """
        ranked = self.screened(suspicions)
        if len(ranked) < 2:
            return []
        best, _ = ranked[0]
        near = [(r, s) for r, s in ranked if r <= best + SAME or r < best * CLEARLY]
        for least, s in sorted(near, key=lambda one: (KINDS.index(one[1].kind), one[0])):
            others = [(r - least, o) for r, o in near if o is not s and s not in o.parts]
            harder = KINDS[max(KINDS.index("fit"), KINDS.index(s.kind) + 1) :]
            clear = all(more >= -SAME and (more <= SAME or o.kind in harder) for more, o in others)
            if clear and least * CLEARLY <= self.itself:
                rivals = [o.name for more, o in others if more <= SAME and o.kind not in harder]
                return [Match(s, max(least, math.nextafter(1, 2)), tuple(rivals))]
        return []

    def fits(self) -> Iterator[Suspicion]:
        """For each hyper-parameter the one value that comes nearest, if it helps at all."""
        case, rows = self.truth.case, self.truth.case.pipeline.rows()
        for k, given in case.hyper.items():
            if not isinstance(given, float) or k == "lr":
                continue
            unit = rows[k]["domain"].endswith(("1)", "1]"))
            off = functools.partial(self._fitted, k)
            value, least = minimum(off, unit=unit)
            if least * CLEARLY < self.itself and within(value, rows[k]["domain"]):
                yield fitted(case.rule, k, shortest(value, off, 2 * least + 1))

    def _fitted(self, k: str, x: float) -> float:
        return self.residual(fitted(self.truth.case.rule, k, x))


def minimum(f: Callable[[float], float], *, unit: bool) -> tuple[float, float]:
    """Where a function is least, and how small it is there.

    It is looked for on a grid of orders of magnitude, of the number or of what it lacks to the
    `unit`, then by golden section.
    """

    def value(x: float) -> float:
        return 1 - math.pow(10, -x) if unit else math.pow(10, x)

    def at(x: float) -> float:
        return f(value(x))

    grid = list(np.arange(0.0, 5.01, 0.5) if unit else np.arange(-10.0, 1.01, 1.0))
    found = [at(float(x)) for x in grid]
    i = int(np.argmin(found))
    low, high = float(grid[max(i - 1, 0)]), float(grid[min(i + 1, len(grid) - 1)])
    golden = (math.sqrt(5) - 1) / 2
    a, b = high - golden * (high - low), low + golden * (high - low)
    fa, fb = at(a), at(b)
    for _ in range(60):
        if fa < fb:
            high, b, fb = b, a, fa
            a = high - golden * (high - low)
            fa = at(a)
        else:
            low, a, fa = a, b, fb
            b = low + golden * (high - low)
            fb = at(b)
    return value((low + high) / 2), float(min(fa, fb))


def shortest(value: float, f: Callable[[float], float], most: float) -> float:
    """The shortest number near a value where a function is so small: not 0.99900000003."""
    for digits in range(1, 10):
        for short in (float(f"{value:.{digits}g}"), 1 - float(f"{1 - value:.{digits}g}")):
            if f(short) <= most:
                return short
    return value


def _wide(arrays: dict[str, Any]) -> dict[str, Any]:
    return {k: np.asarray(x, np.float64) for k, x in arrays.items()}


def _wide_state(moment: Moment) -> dict[str, dict[str, Any]]:
    return {
        group: {
            k: x if isinstance(x, int | float) else np.asarray(x, np.float64) for k, x in s.items()
        }
        for group, s in (moment.state or {}).items()
    }


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

"""Whether an implementation conforms: what it did against the truth and its bound, by step."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import link
from .case import Case, Layout
from .replay import Forced, Gradients, Make, Open, Slots, Step, Stepper, Tensors
from .rounding import LIMIT, Arithmetic, Bounded
from .rules import Pipeline, Readings, iterations, pipeline, readings
from .sampling import node

THETA = "theta"
"""How the parameters are called among the slots of the state."""


class Moment(NamedTuple):
    """Parameters and state at one moment, side by side by group; `state` is None if unread."""

    params: dict[str, Any]
    state: Slots | None

    def slots(self) -> Iterator[tuple[str, str, Any]]:
        """Every array as (group, slot, array); the parameters are the slot `theta`."""
        for group, theta in self.params.items():
            for slot, x in (self.state or {}).get(group, {}).items():
                yield group, slot, x
            yield group, THETA, theta


class Seen(NamedTuple):
    """What an implementation did with a case: free-running, and from each golden moment."""

    level: int
    free: list[Moment]
    forced: list[Moment]


class Worst(NamedTuple):
    """Where one array is furthest from the truth, and how far, as a multiple of its bound."""

    slot: str
    tensor: str
    element: tuple[int, ...]
    got: float
    expected: float
    bound: float
    ratio: float


class Divergence(NamedTuple):
    """The first step at which something left its bound, with the worst of each slot there."""

    mode: str
    step: int
    wrong: list[Worst]
    right: set[str]
    """The slots that were compared at that step and lie within their bound."""


class Verdict(NamedTuple):
    ratio: float
    """The largest error over its bound, over all steps, tensors and elements."""
    divergence: Divergence | None

    @property
    def conforms(self) -> bool:
        return self.divergence is None


class ContractError(Exception):
    """An implementation broke the contract: it cannot be judged as it stands."""


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    if dtype not in {"float64", "float32"}:
        msg = f"dtype {dtype!r} is not one that cases are replayed in: float64, float32"
        raise ValueError(msg)
    return np.dtype(dtype)


class Truth:
    """The truth of one case, in the arithmetic and the dialect that an implementation declares."""

    def __init__(
        self,
        case: Case,
        arithmetic: Arithmetic,
        meant: Readings | None = None,
        layout: Layout | None = None,
    ) -> None:
        self.case, self.arithmetic, self.meant = case, arithmetic, dict(meant or {})
        self.layout = layout or Layout(case)
        self.grads = [self._tensors(self.layout.join(g)) for g in case.grads]
        self.changes = [self._scalars(c) for c in case.changes]
        self._golden: tuple[list[Moment], list[Moment]] | None = None

    def _tensors(self, joined: dict[str, Any]) -> dict[str, Any]:
        return {k: x if x is None else self.arithmetic.tensor(x) for k, x in joined.items()}

    def _scalars(self, hyper: dict[str, Any]) -> dict[str, Any]:
        scalar = self.arithmetic.scalar
        return {k: scalar(v) if isinstance(v, float) else v for k, v in hyper.items()}

    def _stepper(self) -> Stepper:
        stages = pipeline(self.case.rule, self.meant, node(self.arithmetic))
        hyper = self._scalars(stages.check(self.case.hyper))
        return Stepper(stages, hyper, self._tensors(self.layout.join(self.case.params)))

    def _advance(self, step: Stepper, t: int) -> Moment:
        # An unbounded error is infinite, and so is one too large for float64.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return Moment(step(self.grads[t], **self.changes[t]), step.state())

    def free(self) -> Iterator[Moment]:
        """The moments after each step, each with the error gathered since the first."""
        step = self._stepper()
        for t in range(len(self.grads)):
            yield self._advance(step, t)

    def forced(self, golden: list[Moment]) -> Iterator[Moment]:
        """The moment one step after each of the `golden` ones, which are held exactly."""
        if self._golden and golden is self._golden[0]:
            yield from self._golden[1]
            return
        step = self._stepper()
        for t, before in enumerate(golden):
            step.load(*self._exact(before))
            yield self._advance(step, t)

    def golden(self) -> list[Moment]:
        """Where teacher forcing starts each step: the truth so far, rounded to the type under test.

        The type holds these moments exactly, so that the error of each step is its own.
        """
        if self._golden is None:
            before, after, step = [], [], self._stepper()
            for t in range(len(self.grads)):
                before.append(self._rounded(Moment(step.params, step.state())))
                step.load(*self._exact(before[-1]))
                after.append(self._advance(step, t))
            self._golden = before, after
        return self._golden[0]

    def _exact(self, moment: Moment) -> tuple[Tensors, Slots]:
        state = {g: self._held(slots) for g, slots in (moment.state or {}).items()}
        return self._held(moment.params), state

    def _held(self, arrays: dict[str, Any]) -> dict[str, Any]:
        tensor = self.arithmetic.tensor
        return {k: x if isinstance(x, int) else tensor(x) for k, x in arrays.items()}

    def _rounded(self, moment: Moment) -> Moment:
        dtype = numpy_dtype(self.arithmetic.dtype)

        def held(x: Any) -> Any:
            return x.value.astype(dtype) if isinstance(x, Bounded) else x

        state = {g: {k: held(x) for k, x in s.items()} for g, s in (moment.state or {}).items()}
        return Moment({g: held(x) for g, x in moment.params.items()}, state)


def level(step: Any) -> int:
    """How much of the contract a step offers: 0 parameters, 1 reads its state, 2 loads it."""
    return 2 if isinstance(step, Forced) else 1 if isinstance(step, Open) else 0


def observe(truth: Truth, make: Make, *, free: bool = True) -> Seen:
    """Put a case to an implementation and write down what it does.

    It runs free, and is forced at each step if it can be; `free=False` leaves out the free run of
    one that can be forced. Every array that it is given is its own to keep. Raises ContractError
    if what it gives back has not the names, shapes and type of what it was given.
    """
    case, layout = truth.case, truth.layout
    dtype = numpy_dtype(truth.arithmetic.dtype)
    hyper = case.pipeline.check(case.hyper)

    def fresh(arrays: Gradients) -> dict[str, Any]:
        return {k: None if x is None else np.array(x, dtype) for k, x in arrays.items()}

    def taken(step: Step, t: int, *, read: bool) -> Moment:
        params = step(fresh(case.grads[t]), **case.changes[t])
        checked(params, case.params, dtype)
        state = read and isinstance(step, Open) and joined_state(layout, step.state(), case)
        return Moment(layout.join(params), state or None)

    steps = range(len(case.grads))
    step = make(case.rule, dict(hyper), fresh(case.params))
    offers, ran, forced = level(step), [], []
    if free or offers < 2:
        # Where each step is forced, and its state seen, the end of a free run tells enough.
        ran = [taken(step, t, read=offers == 1 or t == steps[-1]) for t in steps]
        step = make(case.rule, dict(hyper), fresh(case.params))
    if isinstance(step, Forced):
        for t, before in enumerate(truth.golden()):
            step.load(*parted(layout, before))
            forced.append(taken(step, t, read=True))
    return Seen(offers, ran, forced)


def checked(params: Tensors, like: Tensors, dtype: np.dtype[Any]) -> None:
    """Raise ContractError unless `params` has the names and shapes of `like`, in `dtype`."""
    if params.keys() != like.keys():
        msg = f"step gave back the parameters {sorted(params)}, not {sorted(like)}"
        raise ContractError(msg)
    for name, x in params.items():
        got = np.asarray(x)
        if got.shape != np.shape(like[name]) or got.dtype != dtype:
            msg = (
                f"step gave back {name!r} as {got.dtype} of shape {got.shape}, not as "
                f"{dtype} of shape {np.shape(like[name])}"
            )
            raise ContractError(msg)


def joined_state(layout: Layout, state: Slots, case: Case) -> Slots:
    """The state side by side by group; slots that the specification does not know are left out."""
    stages = case.pipeline.stages
    like = {slot: row["like"] for stage in stages for slot, row in stage.spec["state"].items()}
    joined: Slots = {}
    for group, names in layout.groups.items():
        if missing := [n for n in names if n not in state]:
            msg = f"state() has nothing for {missing[0]!r}; it has {sorted(state)}"
            raise ContractError(msg)
        joined[group] = {}
        for slot in [slot for slot in like if slot in state[names[0]]]:
            if like[slot] != "theta":
                joined[group][slot] = np.array([float(state[name][slot]) for name in names])
                continue
            parts = {name: np.asarray(state[name][slot]) for name in names}
            for name, x in parts.items():
                if x.shape != layout.shapes[name]:
                    shapes = f"{x.shape}, not {layout.shapes[name]}"
                    msg = f"state() gave {slot!r} of {name!r} in shape {shapes}"
                    raise ContractError(msg)
            flat = [np.ravel(x) for x in parts.values()]
            joined[group][slot] = (
                np.array(parts[names[0]]) if not flat[1:] else np.concatenate(flat)
            )
    return joined


def parted(layout: Layout, moment: Moment) -> tuple[Tensors, Slots]:
    """Parameters and state of a moment by name, in arrays that are the receiver's own."""
    params: Tensors = {}
    slots: Slots = {name: {} for name in layout.shapes}
    for group, slot, x in moment.slots():
        names = layout.groups[group]
        if isinstance(x, int) or x.shape != moment.params[group].shape:
            parts = dict.fromkeys(names, x)
        else:
            parts = layout.split(group, x)
        if slot == THETA:
            params |= parts
        else:
            for name in names:
                slots[name][slot] = parts[name]
    return params, slots


def excess(got: Any, true: Any) -> Any:
    """|error| over its bound, by element; infinite where what was got is not a number."""
    if not isinstance(true, Bounded):
        return np.where(np.equal(got, true), 0.0, np.inf)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        error = np.abs(got.astype(true.value.dtype) - true.value).astype(np.float64)
        ratio = np.where(error == 0, 0.0, error / (LIMIT * true.error))
    return np.where(np.isfinite(error), ratio, np.inf)


class Comparison:
    """What was got at one moment against the truth, slot by slot."""

    def __init__(self, layout: Layout, got: Moment, true: Moment) -> None:
        self.layout, self.params = layout, got.params
        truths = {(group, slot): x for group, slot, x in true.slots()}
        self.arrays = [(g, slot, x, truths[g, slot]) for g, slot, x in got.slots() if x.size]
        self.ratios = [np.ravel(excess(x, want)) for _, _, x, want in self.arrays]
        self.worst = [float(r.max()) for r in self.ratios]

    def ratio(self) -> float:
        return max(self.worst, default=0.0)

    def wrong(self) -> list[Worst]:
        """The worst element of each slot that is outside its bound, the furthest first."""
        found: dict[str, Worst] = {}
        for (group, slot, x, want), ratios, worst in zip(
            self.arrays, self.ratios, self.worst, strict=True
        ):
            if worst <= 1 or (slot in found and found[slot].ratio >= worst):
                continue
            at, like_theta = int(np.argmax(ratios)), np.shape(x) == self.params[group].shape
            names = self.layout.groups[group]
            tensor, index = self.layout.where(group, at) if like_theta else (names[0], ())
            bounded = isinstance(want, Bounded)
            value = np.ravel(want.value)[at] if bounded else want
            bound = LIMIT * np.ravel(want.error)[at] if bounded else 0.0
            got = float(np.ravel(x)[at])
            found[slot] = Worst(slot, tensor, index, got, float(value), float(bound), worst)
        return sorted(found.values(), key=lambda w: -w.ratio)

    def right(self) -> set[str]:
        """The slots that lie within their bound throughout."""
        slots = {slot for _, slot, _, _ in self.arrays}
        return slots - {w.slot for w in self.wrong()}


def judge(truth: Truth, seen: Seen, *, golden: list[Moment] | None = None) -> Verdict:
    """Compare what was seen with the truth. Teacher-forced steps come first: they are sharpest.

    `golden` is where the forced steps began, if not where this truth would have them begin.
    """
    ratio, first = 0.0, None
    runs = [("free-running", seen.free, truth.free)] if seen.free else []
    if seen.forced:
        starts = golden or truth.golden()
        runs = [("teacher-forced", seen.forced, lambda: truth.forced(starts)), *runs]
    for mode, moments, true in runs:
        for t, (got, want) in enumerate(zip(moments, true(), strict=False), 1):
            comparison = Comparison(truth.layout, got, want)
            ratio = max(ratio, comparison.ratio())
            if comparison.ratio() > 1:
                first = first or Divergence(mode, t, comparison.wrong(), comparison.right())
                break  # what follows a wrong step free-running is wrong for its sake
    return Verdict(ratio, first)


class Match(NamedTuple):
    """A reading of the specification that explains what an implementation did."""

    rule: str
    kind: str
    name: str
    ratio: float
    tags: tuple[str, ...]


def candidates(stages: Pipeline, meant: Readings) -> Iterator[tuple[str, str, str | None]]:
    """Every other reading of a pipeline, as (rule, kind, name); the plain rule has no name."""
    for stage in stages.stages:
        for rule in [stage.name, *iterations(stage.name).values()]:
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
    for stage in reversed(truth.case.pipeline.stages):
        outputs = wrong & {*stage.spec["state"], THETA} | (wrong & {"g"})
        found = link.suspects(stage.module, outputs, divergence.right) + found
        wrong |= {"g"}  # what a transform hands on is not seen
    return found


__all__ = [
    "Case",
    "ContractError",
    "Divergence",
    "Gradients",
    "Match",
    "Seen",
    "Truth",
    "Verdict",
    "Worst",
    "diagnose",
    "explain",
    "judge",
    "observe",
]

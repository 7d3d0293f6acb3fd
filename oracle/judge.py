"""Whether an implementation conforms: what it did against the truth and its bound, by step."""

from typing import Any, NamedTuple

import numpy as np

from .case import Layout
from .observe import Seen
from .place import Place, here
from .rounding import LIMIT, Bounded, narrow, size
from .sampling import turned
from .truth import Moment, Truth


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


def excess(got: Any, true: Any, *, lost: bool = False, place: Place | None = None) -> Any:
    """|error| over its bound, by element; infinite where what was got is not a number.

    What has no bound judges nothing. In a coarse type that may be, and where a run can be `lost`;
    else such a case is refused. At a `place` only the largest is found, and there.
    """
    if not isinstance(true, Bounded):
        return np.where(np.equal(got, true), 0.0, np.inf)
    judged = np.isfinite(true.error)
    if not judged.all() and not lost and not narrow(true.arithmetic.dtype):
        msg = "the truth has no bound, or leaves its type, somewhere: such a case judges nothing"
        raise OverflowError(msg)
    if place:
        return place.excess(got, true)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        error = size(got.astype(np.float64) - true.value)
        ratio = np.where(error == 0, 0.0, error / (LIMIT * true.error))
    return np.where(judged, np.where(np.isfinite(error), ratio, np.inf), 0.0)


class Comparison:
    """What was got at one moment against the truth, slot by slot."""

    def __init__(self, layout: Layout, got: Moment, true: Moment, *, lost: bool = False) -> None:
        self.layout, self.params = layout, got.params
        truths = {(group, slot): x for group, slot, x in true.slots()}
        # A tensor that went another way has a state that the truth does not know.
        known = [(g, slot, x) for g, slot, x in got.slots() if x.size and (g, slot) in truths]
        self.arrays = [
            (
                g,
                slot,
                turned(x, truths[g, slot].value) if slot in layout.gauges else x,
                truths[g, slot],
            )
            for g, slot, x in known
        ]
        self.ratios = [np.ravel(excess(x, want, lost=lost)) for _, _, x, want in self.arrays]
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
            if like_theta:
                tensor, index = self.layout.where(group, at)
            elif np.ndim(x) == 1 and not np.ndim(getattr(want, "value", want)):
                tensor, index = names[at], ()  # one number of each parameter
            else:
                shape = np.shape(x)
                tensor, index = names[0], tuple(int(i) for i in np.unravel_index(at, shape))
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


def judge(
    truth: Truth, seen: Seen, *, golden: list[Moment] | None = None, place: Place | None = None
) -> Verdict:
    """Compare what was seen with the truth. Teacher-forced steps come first: they are sharpest.

    `golden` is where the forced steps began, if not where this truth would have them begin. Of
    iterations in bfloat16 it is the nearest way to round them that counts. What was seen at a
    `place` is compared there.
    """
    starts = golden or (truth.golden() if seen.forced else [])
    found: list[Verdict] = []
    for way in truth.in_bfloat16():
        found.append(_judged(way, seen, starts, place))
        if found[-1].conforms:
            break
    return min(found, key=lambda v: v.ratio)


def _judged(truth: Truth, seen: Seen, starts: list[Moment], place: Place | None) -> Verdict:
    ratio, first = 0.0, None
    runs = [("free-running", seen.free, truth.free)] if seen.free else []
    if seen.forced:
        runs = [("teacher-forced", seen.forced, lambda: truth.forced(starts)), *runs]
    for mode, moments, true in runs:
        lost = mode == "free-running" and may_be_lost(truth)
        wants = list(true())
        most = at_once(truth.layout, moments, wants, lost=lost, place=place)
        if most is not None and most <= 1:
            ratio = max(ratio, most)
            continue
        for t, (got, want) in enumerate(zip(here(moments, place), wants, strict=True), 1):
            comparison = Comparison(truth.layout, got, want, lost=lost or first is not None)
            ratio = max(ratio, comparison.ratio())
            if comparison.ratio() > 1:
                first = first or Divergence(mode, t, comparison.wrong(), comparison.right())
                if mode == "free-running":
                    break  # what follows a wrong step is wrong for its sake
    return Verdict(ratio, first)


def at_once(
    layout: Layout,
    got: list[Moment],
    true: list[Moment],
    *,
    lost: bool = False,
    place: Place | None = None,
) -> float | None:
    """The largest ratio of a whole run, as a `Comparison` of each step finds it, but each slot of
    all steps in one go: nearly every run is right. None where that cannot be.
    """
    columns: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
    for now, then in zip(got, true, strict=True):
        truths = {(group, slot): x for group, slot, x in then.slots()}
        for group, slot, x in now.slots():
            if 0 not in x.shape and (group, slot) in truths:
                columns.setdefault((group, slot), []).append((x, truths[group, slot]))
    most = 0.0
    for (_, slot), pairs in columns.items():
        want = stacked([w for _, w in pairs], np.ndim(pairs[0][0]))
        if want is None or len({(np.shape(x), x.dtype) for x, _ in pairs}) > 1:
            return None
        elsewhere = place if not isinstance(pairs[0][0], np.ndarray) else None
        turn, stack = (elsewhere.turned, elsewhere.stack) if elsewhere else (turned, np.stack)
        gauge = slot in layout.gauges
        seen = stack([turn(x, w.value) if gauge else x for x, w in pairs])
        try:
            found = excess(seen, want, lost=lost, place=elsewhere)
            most = max(most, float(found if elsewhere else found.max()))
        except OverflowError:  # perhaps only behind a step that is wrong
            return None
    return most


def stacked(column: list[Any], ndim: int) -> Any:
    """What a slot should be, of all steps in one array; None if it is not of one kind in all.

    A number gets axes to stand beside an array of `ndim` of them.
    """
    first = column[0]
    parts = [(x.value, x.error) if isinstance(x, Bounded) else (x,) for x in column]
    shape = np.shape(parts[0][0])
    plain = (np.ndarray, np.generic, int, float)  # and no pairs of doubles
    if any(
        type(x) is not type(first) or not isinstance(y, plain) or np.shape(y) != shape
        for x, (y, *_) in zip(column, parts, strict=True)
    ):
        return None
    aligned = (len(column), *(1,) * (ndim - len(shape)), *shape)
    laid = [np.reshape(np.array(part), aligned) for part in zip(*parts, strict=True)]
    return Bounded(first.arithmetic, *laid) if isinstance(first, Bounded) else laid[0]


def may_be_lost(truth: Truth) -> bool:
    """Whether a run may come to where its truth has no bound any more.

    It may in float32, where a direction can nearly vanish of which the length or the sign is asked:
    in float64 the same run is judged to its end.
    """
    return truth.case.pipeline.diverges or truth.arithmetic.dtype != "float64"


def curves(truth: Truth, seen: Seen) -> dict[str, list[float | None]]:
    """The largest error over its bound at each step, by mode; None where it is not a number."""
    found: dict[str, list[float | None]] = {}
    runs = [("free-running", seen.free, truth.free)] if seen.free else []
    if seen.forced:
        runs = [("teacher-forced", seen.forced, lambda: truth.forced(truth.golden())), *runs]
    for mode, moments, true in runs:
        lost = mode == "free-running" and may_be_lost(truth)
        found[mode] = []
        for got, want in zip(moments, true(), strict=True):
            try:
                r = Comparison(truth.layout, got, want, lost=lost).ratio()
            except OverflowError:  # from here on the truth has no bound
                break
            found[mode].append(float(f"{r:.4g}") if np.isfinite(r) else None)
    return found

"""The truth of a case, with its bound: along a whole run, and one step from each golden moment."""

import functools
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from .bfloat16 import Around, near
from .case import Case, Layout
from .double import DoubleDouble
from .replay import Given, Slots, Stepper, Tensors
from .rounding import NONE, Arithmetic, Bounded, numpy_dtype
from .rules import Readings, iterations, pipeline
from .sampling import Sampled, node

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


START = 1.0
"""So many roundings has the rate that a schedule alone goes on from: it is given rounded, and
torch's schedules compute the next one from it, where the equation does not look at it."""

BLOCK = 1 << 16
"""So many elements are computed at a time: what comes and goes between stays in a cache."""


def unbounded() -> np.errstate:
    """An unbounded error is infinite, and so is one too large for float64: neither is a mistake."""
    return np.errstate(divide="ignore", invalid="ignore", over="ignore")


def same(part: Bounded, whole: Bounded) -> Bounded:
    """A part, or a whole of parts, that counts as the array which it is of in what is added up."""
    part.mark, part.terms = whole.mark, whole.terms
    return part


def room(part: Bounded, n: int) -> Bounded:
    """A vector for `n` numbers of which a part is found, in one piece: then its pages are large."""
    *value, error = np.empty((3 if isinstance(part.value, DoubleDouble) else 2, n))
    return Bounded(part.arithmetic, part.arithmetic.truth(*value), error)


def in_blocks(module: ModuleType) -> ModuleType:
    """A rule that updates each coordinate on its own, computed block by block, within a cache."""

    def update(theta: Bounded, g: Bounded, state: Any, hyper: Any) -> Any:
        if theta.size <= BLOCK:
            return module.update(theta, g, state, hyper)

        def cut(x: Any, part: slice) -> Any:
            if not isinstance(x, Bounded) or x.host:
                return x
            return same(x.moved(lambda a: np.reshape(a, -1)[part]), x)

        whole: list[Any] = []
        for at in range(0, theta.size, BLOCK):
            part = slice(at, at + BLOCK)
            held = type(state)(*(cut(x, part) for x in state))
            *out, new = module.update(cut(theta, part), cut(g, part), held, hyper)
            found = [*out, *new]
            for i, x in enumerate(found):
                if not isinstance(x, Bounded) or x.host:
                    whole[i:] = whole[i:] or [x]
                    continue
                if not at:
                    whole.append(same(room(x, theta.size), x))
                whole[i].value[part], whole[i].error[part] = x.value, x.error
        shaped = [
            same(x.moved(lambda a: np.reshape(a, theta.shape)), x)
            if isinstance(x, Bounded) and not x.host
            else x
            for x in whole
        ]
        return (*shaped[: len(out)], type(new)(*shaped[len(out) :]))

    copy = ModuleType(module.__name__)
    vars(copy).update(vars(module), update=update)
    return copy


class Truth:
    """The truth of one case, in the arithmetic and the dialect that an implementation declares."""

    def __init__(
        self,
        case: Case,
        arithmetic: Arithmetic,
        meant: Readings | None = None,
        layout: Layout | None = None,
        around: Around | None = None,
    ) -> None:
        self.case, self.arithmetic, self.meant = case, arithmetic, dict(meant or {})
        stages = case.pipeline
        called = stages.alone or any(iterations(stage.name) for stage in stages.stages)
        self.ways = [around] if around else []
        if called and not around and not stages.sampled:
            self.ways = list(near(arithmetic))
        self.layout = layout or Layout(case)
        if self._in_blocks and sum(map(np.size, case.params.values())) > BLOCK:
            self.arithmetic = arithmetic.long()
        self.like = {slot: row["like"] for slot, row in stages.slots.items()}
        """What each slot of the state is shaped like."""
        self.dtype = numpy_dtype(arithmetic.dtype)
        self._golden: tuple[list[Moment], list[Moment]] | None = None

    @functools.cached_property
    def _asked(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """By step: the gradients, and what else it is given."""
        case = self.case
        beside = [self._beside(given) for given in case.given] or [{} for _ in case.grads]
        return [
            (self._tensors(self.layout.join(g)), self._scalars(change) | more)
            for g, change, more in zip(case.grads, case.changes, beside, strict=True)
        ]

    @property
    def _in_blocks(self) -> bool:
        """Whether each coordinate is updated on its own, by nothing but its gradients."""
        stages = self.case.pipeline
        return stages.scope == "element" and not stages.given

    def in_bfloat16(self) -> Iterator["Truth"]:
        """Itself, and by the other ways to iterate in bfloat16 if that is what is declared."""
        yield self
        for around in self.ways[1:]:
            yield Truth(self.case, self.arithmetic, self.meant, self.layout, around)

    def _tensors(self, joined: dict[str, Any]) -> dict[str, Any]:
        tensor = self.arithmetic.tensor
        return {k: x if x is None else tensor(x.astype(self.dtype)) for k, x in joined.items()}

    def _beside(self, given: Given) -> dict[str, Any]:
        """What is given beside the gradients, by name, and by group where it is no number."""
        return {
            k: self.arithmetic.scalar(x)
            if isinstance(x, float)
            else self._tensors(self.layout.join(x))
            for k, x in given.items()
        }

    def _scalars(self, hyper: dict[str, Any]) -> dict[str, Any]:
        scalar = self.arithmetic.scalar
        return {k: scalar(v) if isinstance(v, float) else v for k, v in hyper.items()}

    def _stepper(self) -> Stepper | Sampled:
        stages = pipeline(
            self.case.rule, self.meant, self.ways[0] if self.ways else node(self.arithmetic)
        )
        hyper = self._scalars(stages.check(self.case.hyper))
        params = self._tensors(self.layout.join(self.case.params))
        if stages.sampled:
            return Sampled(self.arithmetic, pipeline(self.case.rule, self.meant), hyper, params)
        if self._in_blocks:
            blocks = (
                s if s.kind == "wrappers" else s._replace(module=in_blocks(s.module))
                for s in stages.stages
            )
            stages = stages._replace(stages=tuple(blocks))
        return Stepper(stages, hyper, params, self.arithmetic.scalar)

    def _advance(self, step: Stepper | Sampled, t: int) -> Moment:
        grads, more = self._asked[t]
        with unbounded():
            step(grads, **more)
            moment = Moment(step.params, step.state())
            for _, _, x in moment.slots():
                if isinstance(x, Bounded):
                    x.terms = NONE  # what one step starts from is no sum to it
            if not self.case.pipeline.stages:
                for x in moment.params.values():
                    start = START * self.arithmetic.unit * np.abs(x.value)
                    x.error = x.error + start.astype(np.float64)
            if not self.arithmetic.coarser:
                return moment
            params, state = self._stored(moment)
        step.load(params, state)
        return Moment(params, state)

    def _stored(self, moment: Moment) -> tuple[Tensors, Slots]:
        """A moment as it is written, where tensors or states are coarser than what is computed."""

        def written(arrays: dict[str, Any], dtype: str) -> dict[str, Any]:
            tensors = {k: x for k, x in arrays.items() if isinstance(x, Bounded) and not x.host}
            return arrays | {k: self.arithmetic.stored(x, dtype) for k, x in tensors.items()}

        own, state = self.arithmetic, moment.state or {}
        kept = {group: written(slots, own.state) for group, slots in state.items()}
        return written(moment.params, own.dtype), kept

    def free(self) -> Iterator[Moment]:
        """The moments after each step, each with the error gathered since the first."""
        step = self._stepper()
        for t in range(len(self.case.grads)):
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
            for t in range(len(self.case.grads)):
                before.append(self._rounded(Moment(step.params, step.state())))
                step.load(*self._exact(before[-1]))
                after.append(self._advance(step, t))
            self._golden = before, after
        return self._golden[0]

    def _exact(self, moment: Moment) -> tuple[Tensors, Slots]:
        state = {g: self._held(slots) for g, slots in (moment.state or {}).items()}
        return self._held(moment.params), state

    def _held(self, arrays: dict[str, Any]) -> dict[str, Any]:
        def exact(x: Any) -> Any:
            if type(x) is float:  # and no tensor without dimensions
                return self.arithmetic.scalar(x)
            return x if isinstance(x, int) else self.arithmetic.tensor(x)

        return {k: exact(x) for k, x in arrays.items()}

    def _rounded(self, moment: Moment) -> Moment:
        scalar, kept = map(numpy_dtype, (self.arithmetic.scalar_dtype, self.arithmetic.state))

        def held(x: Any, dtype: np.dtype[Any]) -> Any:
            if not isinstance(x, Bounded):
                return x
            with unbounded():
                return (
                    float(x.value.astype(scalar)) if x.host else np.asarray(x.value.astype(dtype))
                )

        state = {
            g: {k: held(x, kept) for k, x in s.items()} for g, s in (moment.state or {}).items()
        }
        return Moment({g: held(x, self.dtype) for g, x in moment.params.items()}, state)

    def coefficients(self, golden: list[Moment]) -> Iterator[dict[tuple[str, str], list[Any]]]:
        """By group and slot after each step: E_u, E_s and E_eta, by which the units of the tensors
        and of the host and the smallest number are multiplied in the bound of any arithmetic.

        Of rules without matrix iterations, and where no branch or sign is in doubt.
        """
        own = self.arithmetic
        units = own.unit, own.scalar_unit, own.tiny
        truths = [Truth(self.case, part, self.meant, self.layout) for part in own.parts()]
        for moments in zip(*(truth.forced(golden) for truth in truths), strict=True):
            found: dict[tuple[str, str], list[Any]] = {}
            for moment, unit in zip(moments, units, strict=True):
                for group, slot, x in moment.slots():
                    if isinstance(x, Bounded):
                        found.setdefault((group, slot), []).append(x.error / unit)
            yield found

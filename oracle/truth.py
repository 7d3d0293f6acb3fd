"""The truth of a case, with its bound: along a whole run, and one step from each golden moment."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .case import Case, Layout
from .replay import Given, Slots, Stepper, Tensors
from .rounding import Arithmetic, Bounded
from .rules import Readings, pipeline
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


def unbounded() -> np.errstate:
    """An unbounded error is infinite, and so is one too large for float64: neither is a mistake."""
    return np.errstate(divide="ignore", invalid="ignore", over="ignore")


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
        self.given = [self._beside(given) for given in case.given] or [{} for _ in case.grads]
        self._golden: tuple[list[Moment], list[Moment]] | None = None

    def _tensors(self, joined: dict[str, Any]) -> dict[str, Any]:
        return {k: x if x is None else self.arithmetic.tensor(x) for k, x in joined.items()}

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
        stages = pipeline(self.case.rule, self.meant, node(self.arithmetic))
        hyper = self._scalars(stages.check(self.case.hyper))
        params = self._tensors(self.layout.join(self.case.params))
        if stages.arbitrary:
            return Sampled(self.arithmetic, pipeline(self.case.rule, self.meant), hyper, params)
        return Stepper(stages, hyper, params)

    def _advance(self, step: Stepper | Sampled, t: int) -> Moment:
        with unbounded():
            return Moment(step(self.grads[t], **self.changes[t], **self.given[t]), step.state())

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
        def exact(x: Any) -> Any:
            if isinstance(x, float):
                return self.arithmetic.scalar(x)
            return x if isinstance(x, int) else self.arithmetic.tensor(x)

        return {k: exact(x) for k, x in arrays.items()}

    def _rounded(self, moment: Moment) -> Moment:
        dtype = numpy_dtype(self.arithmetic.dtype)
        scalar = numpy_dtype(self.arithmetic.scalar_dtype)

        def held(x: Any) -> Any:
            if not isinstance(x, Bounded):
                return x
            with unbounded():
                return float(x.value.astype(scalar)) if x.host else x.value.astype(dtype)

        state = {g: {k: held(x) for k, x in s.items()} for g, s in (moment.state or {}).items()}
        return Moment({g: held(x) for g, x in moment.params.items()}, state)

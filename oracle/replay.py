"""The reference as an implementation: the contract's `make`, `step`, `state` and `load`.

It runs on whatever arrays it is given: NumPy, CuPy, or the error-carrying ones of `rounding`.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .rules import COUNT, FACTOR, ROUTE, Hyper, Pipeline, Readings, Stage, pipeline

Array = Any
Tensors = dict[str, Array]
Gradients = Mapping[str, Array | None]
Given = Mapping[str, Any]
"""What a step takes beside the gradients, by name: a number, or arrays by the parameter's name."""
Slots = dict[str, dict[str, Array]]
"""The state: slot by name, of each parameter by name."""


FLOATING = ("float", "double")
"""What the names of types of real floating-point numbers have in them, in every array library."""


class Step(Protocol):
    """What an implementation's `make` gives back: level 0 of the contract."""

    def __call__(self, grads: Gradients, /, **changes: Any) -> Tensors: ...


@runtime_checkable
class Open(Step, Protocol):
    """A step whose state can be read: level 1."""

    def state(self) -> Slots: ...


@runtime_checkable
class Forced(Open, Protocol):
    """A step that can be put anywhere: level 2, for teacher forcing."""

    def load(self, params: Tensors, state: Slots, /) -> None: ...


Make = Callable[[str, Hyper, Tensors], Step]


class Stepper:
    """The reference of a pipeline, with its parameters and state. Nothing given is mutated.

    `number` makes the count of steps that a schedule sees a number of the arithmetic at hand.
    """

    def __init__(
        self,
        stages: Pipeline,
        hyper: Hyper,
        params: Tensors,
        number: Callable[[int], Any] = operator.index,
    ) -> None:
        self.pipeline, self.hyper, self.params = stages, dict(hyper), dict(params)
        self.step, self._number = 0, number
        self._now: Hyper = dict(hyper)
        self._also: Given = {}
        self._state: list[Any] = []
        self._covers = [set(own) for own in self.shares()]
        for stage, own in zip(stages.stages, self.shares(), strict=True):
            for name, theta in own.items():
                self._covered(stage, f"parameter {name!r}", theta)
                if not stage.takes(tuple(theta.shape)):
                    what = "tensors with at least one element"
                    if stage.matrices_only:
                        what = "matrices, (rows, cols) with at least one of each"
                    msg = (
                        f"{stages.name}: parameter {name!r} has shape {tuple(theta.shape)}; "
                        f"the rule takes {what}: give the other tensors to another rule"
                    )
                    raise ValueError(msg)
                if stage.spec["theta"] == "gram" and theta.shape[0] != theta.shape[1]:
                    msg = (
                        f"{stages.name}: {name!r} has shape {tuple(theta.shape)}, and is not square"
                    )
                    raise ValueError(msg)
            self._state.append(self._each(stage, own, self._init(stage)))

    def _covered(self, stage: Stage, what: str, x: Array) -> None:
        """Raise TypeError unless `x` is of numbers that a stage has a meaning for."""
        pairs = stage.spec["complex"] == "as pairs of reals"
        words = (*FLOATING, *["complex"] * pairs)
        if not hasattr(x, "dtype"):
            said = f"is a {type(x).__name__} and no array"
        elif x.dtype is None or any(word in str(x.dtype) for word in words):
            return  # copies that carry errors have no type
        else:
            said = f"is of {x.dtype}"
        takes = "floating-point arrays, real or complex" if pairs else "real floating-point arrays"
        msg = f"{self.pipeline.name}: {what} {said}; {stage.name} takes {takes}"
        raise TypeError(msg)

    def _init(self, stage: Stage) -> Callable[..., Any]:
        return lambda theta: stage.module.init(theta, stage.hyper(self.hyper))

    @staticmethod
    def _each(stage: Stage, theta: Tensors, f: Callable[..., Any], *also: Tensors) -> Any:
        """`f` of the whole model, or of each tensor by name: as the rule's scope says."""
        if stage.spec["scope"] == "model":
            return f(theta, *also)
        return {name: f(x, *(a[name] for a in also)) for name, x in theta.items()}

    def shares(self) -> list[Tensors]:
        """The parameters that each stage gets to see: all, but for the two sides of a route."""
        shares = [self.params for _ in self.pipeline.stages]
        for i, stage in enumerate(self.pipeline.stages):
            if stage.name == ROUTE:
                state = {name: stage.module.State() for name in self.params}
                asked = self._heard(i, self.params, self.params, state)
                shares[i + 1 :] = [{name: x for name, (x, _) in side.items()} for side in asked]
        return shares

    def __call__(self, grads: Gradients, /, **also: Any) -> Tensors:
        """Take one step and give back all parameters.

        `also` are hyper-parameters, which hold from this step on, and whatever else the rule is
        given beside the gradients. A parameter without a gradient (None, or absent) is left as it
        is, its state as well. Raises TypeError if what the rule takes is missing.
        """
        rows = self.pipeline.given
        if missing := rows.keys() - also.keys():
            name = min(missing)
            what = f"step(grads, {name}=...): {rows[name]['is']}"
            msg = f"{self.pipeline.name} takes {name} beside the gradients: {what}"
            raise TypeError(msg)
        self.hyper |= {k: x for k, x in also.items() if k not in rows}
        self._now, self._also = self.hyper | self._scheduled(), also
        self.step += 1
        g = {name: grads[name] for name in self.params if grads.get(name) is not None}
        for stage, own in zip(self.pipeline.stages, self._covers, strict=True):
            for name in own & g.keys():
                self._covered(stage, f"the gradient of {name!r}", g[name])
        if FACTOR in self._now:
            self.params = {name: 0 * x + self._now[FACTOR] for name, x in self.params.items()}
        elif g:
            self.params = self.params | self._from(0, {name: self.params[name] for name in g}, g)
        return dict(self.params)

    def _scheduled(self) -> Hyper:
        """The hyper-parameters of this step that are under a schedule."""
        now: Hyper = {}
        for what, schedule in self.pipeline.schedules:
            t = self._number(schedule.spec["first"] + self.step)
            factor = schedule.module.value(t, schedule.hyper(self.hyper))
            now[what] = factor * now.get(what, self.hyper.get(what, 1))
        return now

    def _from(self, i: int, theta: Tensors, g: Tensors) -> Tensors:
        """The parameters after one step of stage `i` and all that follow it."""
        stage = self.pipeline.stages[i]
        if stage.kind == "wrappers":
            return self._wrapped(i, theta, g)
        out = self._updated(i, theta, g)
        return self._from(i + 1, *out) if stage.kind == "transforms" else out[0]

    def _updated(self, i: int, theta: Tensors, g: Tensors, *inner: Any) -> list[Tensors]:
        """What the update of one stage gives back beside its state, which is kept."""
        stage = self.pipeline.stages[i]
        update, h, state = stage.module.update, stage.hyper(self._now), self._state[i]
        if stage.spec["scope"] == "model":
            more = self._given(stage, self._also, None)
            out: list[Tensors]
            *out, new = update(theta, g, state, h, *more, *inner)
            both = zip(state, new, strict=True)
            kept = (old | x if isinstance(x, dict) else x for old, x in both)
            self._state[i] = type(new)(*kept)
            return out
        each = []
        for name, x in theta.items():
            asks = (functools.partial(f, name) for f in inner)
            more = self._given(stage, self._also, name)
            *out, state[name] = update(x, g[name], state[name], h, *more, *asks)
            each.append(out)
        return [dict(zip(theta, xs, strict=True)) for xs in zip(*each, strict=True)]

    def _wrapped(self, i: int, theta: Tensors, g: Tensors) -> Tensors:
        """The parameters after one step of a wrapper and of what it wraps, which is what follows.

        It asks its `inner` for a step of the parameters and gradients that it gives. One that sees
        a tensor at a time, around rules that see all of them, is heard twice: it is a pure
        function, so that it asks the same again.
        """
        inner = [functools.partial(self._from, i + 1 + k) for k in range(self._sides(i))]
        if self.pipeline.stages[i].spec["scope"] == "model":
            return self._updated(i, theta, g, *inner)[0]
        told = []
        for f, asked in zip(inner, self._heard(i, theta, g, self._state[i]), strict=True):
            x = {name: x for name, (x, _) in asked.items()}
            told.append(f(x, {name: dx for name, (_, dx) in asked.items()}) if asked else {})
        return self._updated(i, theta, g, *(_telling(after) for after in told))[0]

    def _heard(self, i: int, theta: Tensors, g: Tensors, state: Any) -> list[dict[str, Any]]:
        """What a wrapper asks of each inner step, tensor by tensor: parameter and gradient."""
        stage = self.pipeline.stages[i]
        h = stage.hyper(self._now)
        asked: list[dict[str, Any]] = [{} for _ in range(self._sides(i))]
        for name, x in theta.items():
            inner = (_hearing(side, name) for side in asked)
            more = self._given(stage, self._also, name)
            stage.module.update(x, g[name], state[name], h, *more, *inner)
        return asked

    def _sides(self, i: int) -> int:
        return 2 if self.pipeline.stages[i].name == ROUTE else 1

    @staticmethod
    def _given(stage: Stage, also: Given, name: str | None) -> tuple[Any, ...]:
        """The last argument of a rule that takes more than gradients, for one tensor or for all."""
        rows = stage.spec["given"]
        if not rows:
            return ()
        one = {
            k: also[k] if row["like"] == "1" or name is None else also[k][name]
            for k, row in rows.items()
        }
        return (stage.module.Given(**one),)

    def state(self) -> Slots:
        """Every slot of the state, under the names of the specification, by parameter."""
        count = {COUNT: self.step} if self.pipeline.schedules else {}
        slots: Slots = {name: dict(count) for name in self.params}
        for stage, state in zip(self.pipeline.stages, self._state, strict=True):
            if stage.spec["scope"] == "model":
                for name in self.params:
                    # A number for the whole model is shown with each of its parameters.
                    every = state._asdict().items()
                    slots[name] |= {k: x[name] if isinstance(x, dict) else x for k, x in every}
            else:
                for name, own in state.items():
                    slots[name] |= own._asdict()
        return slots

    def load(self, params: Tensors, state: Slots, /) -> None:
        """Stand where `params` and `state` (as `state()` gives it) say."""
        self.params, one = dict(params), next(iter(params))
        self.step = state[one].get(COUNT, 0)
        for i, (stage, share) in enumerate(zip(self.pipeline.stages, self.shares(), strict=True)):
            State, slots = stage.module.State, stage.module.State._fields  # noqa: N806
            if stage.spec["scope"] == "model":
                rows = stage.spec["state"]
                self._state[i] = State(
                    **{
                        k: {n: state[n][k] for n in params}
                        if rows[k]["like"] == "theta"
                        else state[one][k]
                        for k in slots
                    }
                )
            else:
                was = self._state[i]
                self._state[i] = {
                    n: State(
                        **{k: state[n][k] if k in state[n] else getattr(was[n], k) for k in slots}
                    )
                    for n in share
                }


def _hearing(asked: dict[str, Any], name: str) -> Callable[..., Any]:
    """An inner step that only notes what it is asked."""

    def inner(theta: Array, g: Array) -> Array:
        asked[name] = theta, g
        return theta

    return inner


def _telling(after: Tensors) -> Callable[..., Any]:
    """An inner step that has been taken."""
    return lambda name, *_: after[name]


def make(
    rule: str,
    hyper: Hyper,
    params: Tensors,
    meant: Readings | None = None,
    wrap: Callable[[FunctionType], object] | None = None,
) -> Stepper:
    """The reference of `rule`, ready to step `params` (arrays by name).

    Hyper-parameters that are not given have the defaults of the specification. `meant` names a
    dialect (or a trap) by rule.

    >>> import numpy as np
    >>> step = make("l2+sgd", {"lr": 0.5, "weight_decay": 0.1}, {"w": np.array([1.0, 2.0])})
    >>> step({"w": np.array([0.0, 2.0])})
    {'w': array([0.95, 0.9 ])}
    """
    stages = pipeline(rule, meant, wrap)
    return Stepper(stages, stages.check(hyper), params)


class Rounded:
    """A step of tensors in a type that NumPy does not compute in, as libraries take it: in float32,
    and what is kept is rounded once.
    """

    def __init__(
        self, made: Callable[..., Stepper], rule: str, hyper: Hyper, params: Tensors
    ) -> None:
        self.dtype = next(iter(params.values())).dtype
        self.step = made(rule, hyper, self._wide(params))

    def _wide(self, arrays: Any) -> Any:
        if isinstance(arrays, Mapping):
            return {k: self._wide(x) for k, x in arrays.items()}
        return arrays.astype(np.float32) if hasattr(arrays, "astype") else arrays

    def _kept(self, arrays: Any) -> Any:
        if isinstance(arrays, Mapping):
            return {k: self._kept(x) for k, x in arrays.items()}
        return arrays.astype(self.dtype) if hasattr(arrays, "astype") else arrays

    def __call__(self, grads: Gradients, /, **also: Any) -> Tensors:
        kept: Tensors = self._kept(self.step(self._wide(grads), **self._wide(also)))
        self.load(kept, self.state())
        return kept

    def state(self) -> Slots:
        kept: Slots = self._kept(self.step.state())
        return kept

    def load(self, params: Tensors, state: Slots, /) -> None:
        self.step.load(self._wide(params), self._wide(state))


def implementation(meant: Readings | None = None) -> Make:
    """The reference, in some dialect or trap, as an implementation of tensors of any type."""
    made = functools.partial(make, meant=meant)

    def begin(rule: str, hyper: Hyper, params: Tensors) -> Step:
        coarse = any(str(x.dtype).endswith("float16") for x in params.values())
        return Rounded(made, rule, hyper, params) if coarse else made(rule, hyper, params)

    return begin


def replay(
    step: Step, grads: Iterable[Gradients], changes: Iterable[Hyper] | None = None
) -> list[Tensors]:
    """The parameters after each step of a trajectory of gradients."""
    if changes is None:
        return [step(g) for g in grads]
    return [step(g, **c) for g, c in zip(grads, changes, strict=True)]

"""The reference as an implementation: the contract's `make`, `step`, `state` and `load`.

It runs on whatever arrays it is given: NumPy, CuPy, or the error-carrying ones of `rounding`.
"""

from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, Protocol, runtime_checkable

from .rules import Hyper, Pipeline, Readings, Stage, pipeline

Array = Any
Tensors = dict[str, Array]
Gradients = Mapping[str, Array | None]
Given = Mapping[str, Any]
"""What a step takes beside the gradients, by name: a number, or arrays by the parameter's name."""
Slots = dict[str, dict[str, Array]]
"""The state: slot by name, of each parameter by name."""


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
    """The reference of a pipeline, with its parameters and state. Nothing given is mutated."""

    def __init__(self, stages: Pipeline, hyper: Hyper, params: Tensors) -> None:
        self.pipeline, self.hyper, self.params = stages, dict(hyper), dict(params)
        for name, theta in params.items():
            if not stages.takes(tuple(theta.shape)):
                what = "tensors with at least one element"
                if stages.matrices_only:
                    what = "matrices, (rows, cols) with at least one of each"
                msg = (
                    f"{stages.name}: parameter {name!r} has shape {tuple(theta.shape)}; the rule "
                    f"takes {what}: give the other tensors to another rule"
                )
                raise ValueError(msg)
            if stages.gram and theta.shape[0] != theta.shape[1]:
                msg = f"{stages.name}: {name!r} has shape {tuple(theta.shape)}, and is not square"
                raise ValueError(msg)
        self._state = [self._each(stage, self.params, self._init(stage)) for stage in stages.stages]

    def _init(self, stage: Stage) -> Callable[..., Any]:
        return lambda theta: stage.module.init(theta, stage.hyper(self.hyper))

    @staticmethod
    def _each(stage: Stage, theta: Tensors, f: Callable[..., Any], *also: Tensors) -> Any:
        """`f` of the whole model, or of each tensor by name: as the rule's scope says."""
        if stage.spec["scope"] == "model":
            return f(theta, *also)
        return {name: f(x, *(a[name] for a in also)) for name, x in theta.items()}

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
        g = {name: grads[name] for name in self.params if grads.get(name) is not None}
        theta = {name: self.params[name] for name in g}
        if not g:
            return dict(self.params)
        for i, stage in enumerate(self.pipeline.stages):
            h = stage.hyper(self.hyper)
            if stage.spec["scope"] == "model":
                more = self._given(stage, also, None)
                *out, self._state[i] = stage.module.update(theta, g, self._state[i], h, *more)
                theta, g = out if len(out) == 2 else (out[0], g)
                continue
            for name in theta:
                old, more = self._state[i][name], self._given(stage, also, name)
                *out, new = stage.module.update(theta[name], g[name], old, h, *more)
                self._state[i][name] = new
                theta[name], g[name] = out if len(out) == 2 else (out[0], g[name])
        self.params = self.params | theta
        return dict(self.params)

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
        slots: Slots = {name: {} for name in self.params}
        for stage, state in zip(self.pipeline.stages, self._state, strict=True):
            for name in self.params:
                if stage.spec["scope"] == "model":
                    # A number for the whole model is shown with each of its parameters.
                    every = state._asdict().items()
                    slots[name] |= {k: x[name] if isinstance(x, dict) else x for k, x in every}
                else:
                    slots[name] |= state[name]._asdict()
        return slots

    def load(self, params: Tensors, state: Slots, /) -> None:
        """Stand where `params` and `state` (as `state()` gives it) say."""
        self.params = dict(params)
        for i, stage in enumerate(self.pipeline.stages):
            State = stage.module.State  # noqa: N806
            if stage.spec["scope"] == "model":
                one, rows = next(iter(params)), stage.spec["state"]
                self._state[i] = State(
                    **{
                        k: {n: state[n][k] for n in params}
                        if rows[k]["like"] == "theta"
                        else state[one][k]
                        for k in State._fields
                    }
                )
            else:
                self._state[i] = {
                    n: State(**{k: state[n][k] for k in State._fields}) for n in params
                }


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


def replay(
    step: Step, grads: Iterable[Gradients], changes: Iterable[Hyper] | None = None
) -> list[Tensors]:
    """The parameters after each step of a trajectory of gradients."""
    if changes is None:
        return [step(g) for g in grads]
    return [step(g, **c) for g, c in zip(grads, changes, strict=True)]

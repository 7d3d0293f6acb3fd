"""A case: a rule, its hyper-parameters, and gradients to replay."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .replay import Given, Gradients, Tensors
from .rules import Hyper, Pipeline, pipeline


@dataclass(frozen=True, eq=False)
class Case:
    """What an implementation is asked: to take these gradients, one dict a step, from `params`.

    `changes` are the hyper-parameters that change at each step, by name ({} where none does), and
    `given` what the rule takes beside the gradients at each step, as its specification says.
    Arrays are float64 and representable in every type that the case is replayed in.
    """

    id: str
    rule: str
    hyper: Hyper
    params: Tensors
    grads: Sequence[Gradients]
    changes: Sequence[Hyper]
    given: Sequence[Given] = ()

    @property
    def pipeline(self) -> Pipeline:
        return pipeline(self.rule)

    @property
    def needs(self) -> set[str]:
        """What an implementation must be capable of to be asked this: `changes`, `absences`."""
        stepped = bool(self.pipeline.stages)  # a schedule alone has no gradients
        absent = stepped and any(g is None for grads in self.grads for g in grads.values())
        needs = {"changes": any(self.changes), "absences": absent}
        return {capability for capability, needed in needs.items() if needed}


class Layout:
    """How the tensors of a case are laid side by side to be computed as one.

    A rule that updates each coordinate on its own, or the whole model as one vector, does not see
    where a tensor ends. So all tensors that have gradients at the same steps are one vector, and a
    replay costs what its numbers cost, not what its tensors do. Of any other rule, and if they are
    wanted `apart`, each tensor stands alone.
    """

    def __init__(self, case: Case, *, apart: bool = False) -> None:
        self.shapes = {name: np.shape(x) for name, x in case.params.items()}
        self.gauges = case.pipeline.gauges
        self.sizes = {name: math.prod(shape) for name, shape in self.shapes.items()}
        groups: dict[Any, list[str]] = {}
        alone = apart or case.pipeline.scope == "tensor"
        for name in case.params:
            absent = tuple(t for t, g in enumerate(case.grads) if g[name] is None)
            groups.setdefault(name if alone else absent, []).append(name)
        self.groups = {"+".join(names): names for names in groups.values()}

    def join(self, tensors: Any, xp: Any = np) -> dict[str, Any]:
        """By group, from arrays (or None) of a namespace, by name. The arrays are new."""
        joined: dict[str, Any] = {}
        for group, names in self.groups.items():
            parts = [tensors[name] for name in names]
            if parts[0] is None:
                joined[group] = None
            elif len(names) == 1:
                joined[group] = xp.asarray(parts[0], copy=True)
            else:
                joined[group] = xp.concat([xp.reshape(x, (-1,)) for x in parts])
        return joined

    def split(self, group: str, joined: Any) -> dict[str, Any]:
        """The arrays by name, from that of their group. The arrays are new."""
        parts, at, flat = {}, 0, np.ravel(joined)
        for name in self.groups[group]:
            parts[name] = flat[at : at + self.sizes[name]].reshape(self.shapes[name]).copy()
            at += self.sizes[name]
        return parts

    def where(self, group: str, flat: int) -> tuple[str, tuple[int, ...]]:
        """The tensor, and the index into it, of an element of a group."""
        for name in self.groups[group]:
            if flat < self.sizes[name]:
                return name, tuple(int(i) for i in np.unravel_index(flat, self.shapes[name]))
            flat -= self.sizes[name]
        msg = f"{group} has no element {flat}"
        raise IndexError(msg)

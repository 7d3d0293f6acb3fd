"""What conformance/beyond_rules.toml says is caught is caught, by an implementation that has it."""

import tomllib
from itertools import pairwise

import numpy as np
import pytest

from goldstep.conformance.ask import broken, wrong
from goldstep.conformance.cases import asked
from goldstep.conformance.commands.coverage import BEYOND
from goldstep.conformance.implementations import Implementation
from goldstep.conformance.whole import checks
from goldstep.oracle import Truth, judge, make, observe
from goldstep.reference.iterations import newton_schulz as ns


class Apart:
    """The reference of each tensor by itself; `taken` is the count of what has been stepped."""

    def __init__(self, rule, hyper, params):
        self.parts = {name: make(rule, hyper, {name: x.copy()}) for name, x in params.items()}

    def step(self, name, g, **changes):
        return self.parts[name]({name: g}, **changes)

    def counted(self, name, t):
        """Let the next step of a tensor be its step t + 1."""
        part = self.parts[name]
        part.load(part.params, {name: part.state()[name] | {"t": t}})

    def __call__(self, grads, **changes):
        return {name: self.one(name, g, **changes)[name] for name, g in grads.items()}

    def one(self, name, g, **changes):
        return self.step(name, g, **changes)


class CountsParameters(Apart):
    """The count is raised for each parameter."""

    taken = 0

    def one(self, name, g, **changes):
        if g is not None:
            self.counted(name, self.taken)
            self.taken += 1
        return self.step(name, g, **changes)


class CountsSubGroups(Apart):
    """The count is raised for each half of the parameters."""

    taken = 0

    def __call__(self, grads, **changes):
        names, out = list(grads), {}
        for half in (names[: len(names) // 2], names[len(names) // 2 :]):
            for name in half:
                self.counted(name, self.taken)
                out |= self.step(name, grads[name], **changes)
            self.taken += 1
        return out


class CountsCalls(Apart):
    """One count for the group, whoever has a gradient."""

    taken = 0

    def __call__(self, grads, **changes):
        for name in grads:
            self.counted(name, self.taken)
        self.taken += 1
        return super().__call__(grads, **changes)


class CountsTheLast(Apart):
    """The count of the last parameter that has a gradient serves all."""

    counts = None

    def __call__(self, grads, **changes):
        self.counts = self.counts or dict.fromkeys(grads, 0)
        there = [name for name, g in grads.items() if g is not None]
        if there:
            self.counts[there[-1]] += 1
        for name in there:
            self.counted(name, self.counts[there[-1]] - 1)
        return super().__call__(grads, **changes)


class DecaysWhatHasNoGradient(Apart):
    def one(self, name, g, **changes):
        part = self.parts[name]
        if g is None:
            decay = 1 - part.hyper["lr"] * part.hyper["weight_decay"]
            part.params = {name: decay * part.params[name]}
        return self.step(name, g, **changes)


class SkipsBeforeAnEmptyTensor(Apart):
    def __call__(self, grads, **changes):
        names, out = list(grads), super().__call__(grads, **changes)
        for name, after in pairwise(names):
            if not out[after].size:
                self.parts[name].params = {name: self.start[name]}
                out[name] = self.start[name]
        return out

    def __init__(self, rule, hyper, params):
        super().__init__(rule, hyper, params)
        self.start = {name: x.copy() for name, x in params.items()}


class StepsTwiceAtFirst(Apart):
    begun = False

    def __call__(self, grads, **changes):
        if not self.begun:
            self.begun = True
            super().__call__(grads, **changes)
        return super().__call__(grads, **changes)


class FailsWithoutDimensions(Apart):
    def one(self, name, g, **changes):
        if g is not None and np.ndim(g) == 0:
            msg = "output with shape [] does not match the broadcast shape [1]"
            raise RuntimeError(msg)
        return self.step(name, g, **changes)


class ChangesGradients(Apart):
    def one(self, name, g, **changes):
        if g is not None:
            g += 0.5
        return self.step(name, g, **changes)


class AllAsOne:
    """Every norm is that of the whole model."""

    def __init__(self, rule, hyper, params):
        self.shapes = {name: x.shape for name, x in params.items()}
        self.inner = make(rule, hyper, {"all": self.joined(params)})

    @staticmethod
    def joined(tensors):
        return np.concatenate([np.ravel(x) for x in tensors.values()])

    def __call__(self, grads, **changes):
        flat, out = self.inner({"all": self.joined(grads)}, **changes)["all"], {}
        for name, shape in self.shapes.items():
            n = int(np.prod(shape))
            out[name], flat = flat[:n].reshape(shape), flat[n:]
        return out


class MasksTheState(Apart):
    """The mask is written into the momentum."""

    def one(self, name, g, **changes):
        out, part = self.step(name, g, **changes), self.parts[name]
        if g is not None:
            v = part.state()[name]["v"]
            part.load(part.params, {name: {"v": np.where(v * g > 0, v, 0.0)}})
        return out


class OneStack:
    """Matrices of one shape are stacked, and the norms of as many as columns scale columns."""

    def __init__(self, _, hyper, params):
        self.params, self.h = {k: x.copy() for k, x in params.items()}, hyper
        self.m = {k: np.zeros_like(x) for k, x in params.items()}

    def __call__(self, grads, lr=None):
        h = self.h = self.h | ({"lr": lr} if lr is not None else {})
        mu, shapes = h["momentum"], {x.shape for x in self.params.values()}
        for shape in shapes:
            names = [k for k, x in self.params.items() if x.shape == shape]
            for k in names:
                self.m[k] = mu * self.m[k] + (1 - mu) * grads[k]
            stack = np.stack([mu * self.m[k] + (1 - mu) * grads[k] for k in names])
            norms = np.sqrt((stack * stack).sum((-2, -1))) + 1e-7
            together = len(names) in {1, shape[1]}
            stack = stack / (norms if together else norms[:, None, None])
            for k, x in zip(names, stack, strict=True):
                o = max(1, shape[0] / shape[1]) ** 0.5 * ns.newton_schulz(x, h["steps"], 0.0)
                self.params[k] = (1 - h["lr"] * h["weight_decay"]) * self.params[k] - h["lr"] * o
        return {k: x.copy() for k, x in self.params.items()}


class ResumesWithAnotherDecay:
    """The first step after a checkpoint has the decay that it was made with."""

    def __init__(self, rule, hyper, params):
        self.inner, self.stale = make(rule, hyper, params), False

    def __call__(self, grads, **changes):
        if self.stale:
            self.stale, begun = False, self.inner.step
            self.inner.step = 10**6  # the end of the schedule: all of the decay
            out = self.inner(grads, **changes)
            self.inner.step = begun + 1
            return out
        return self.inner(grads, **changes)

    def save(self):
        return self.inner.params, self.inner.state()

    def restore(self, saved):
        self.inner.load(*saved)
        self.stale = True


class RoundsTheFloor:
    """Adam in float32 of tensors of float16, but for the floor, which is of float16."""

    def __init__(self, _, hyper, params):
        self.h, self.floor = dict(hyper), np.float32(np.float16(hyper["eps"]))
        self.params = {k: x.astype(np.float32) for k, x in params.items()}
        self.m, self.v = ({k: 0 * x for k, x in self.params.items()} for _ in "mv")
        self.t = 0

    def __call__(self, grads, **changes):
        self.t, h = self.t + 1, self.h | changes
        b1, b2 = h["beta1"], h["beta2"]
        for k, g in ((k, g.astype(np.float32)) for k, g in grads.items()):
            self.m[k] = b1 * self.m[k] + (1 - b1) * g
            self.v[k] = b2 * self.v[k] + (1 - b2) * g * g
            m, v = self.m[k] / (1 - b1**self.t), self.v[k] / (1 - b2**self.t)
            x = self.params[k] - h["lr"] * m / (np.sqrt(v) + self.floor)
            self.params[k] = x.astype(np.float16).astype(np.float32)
        return {k: x.astype(np.float16) for k, x in self.params.items()}

    def state(self):
        return {k: {"m": self.m[k], "v": self.v[k], "t": self.t} for k in self.params}

    def load(self, params, state):
        self.params = {k: x.astype(np.float32) for k, x in params.items()}
        for k, slots in state.items():
            self.m[k], self.v[k] = (slots[slot].astype(np.float32) for slot in "mv")
            self.t = slots["t"]


SEEN_BY = {
    "adam-step-per-parameter": (CountsParameters, "adam"),
    "cpuadam-subgroup-powers": (CountsSubGroups, "adam"),
    "group-step-late-grad": (CountsCalls, "adam"),
    "fusedadam-shared-step": (CountsTheLast, "adam"),
    "decay-on-none-grad": (DecaysWhatHasNoGradient, "adamw"),
    "empty-tensor-tail-skips-update": (SkipsBeforeAnEmptyTensor, "adam"),
    "lion-triton-autotune": (StepsTwiceAtFirst, "lion"),
    "zero-dim-param-capturable": (FailsWithoutDimensions, "adam"),
    "foreach-mutates-grad": (ChangesGradients, "adam"),
    "lars-global-norm": (AllAsOne, "lars"),
    "cautious-mask-in-state": (MasksTheState, "cautious+heavy_ball"),
    "muon-norm-keepdim": (OneStack, "muon"),
    "adan-prev-alias": (make, "adan"),
    "diffgrad-prev-alias": (make, "optimistic_gd"),
    "resume-stale-weight-decay": (ResumesWithAnotherDecay, "adamw@weight_decay=rising_cosine"),
    "fp16-eps-underflow-nan": (RoundsTheFloor, "adam"),
    "lamb-flags-ignored": (make, "lamb"),
}
"""By id, an implementation that has the bug, and the rule that it is asked for."""


def said_of(made, rule):
    """What the suite has against an implementation, first as an adapter and last in its cases."""
    (dtype,) = made.dtypes
    if said := broken(made, rule, dtype):
        return said
    for check in checks(made, rule):
        if said := wrong(made, rule, check):
            return said
    for case in asked(rule, made.capabilities):
        truth = Truth(case, made.arithmetic(dtype), made.dialects)
        try:
            if judge(truth, observe(truth, made.make, free=dtype != "float16")).divergence:
                return case.id
        except RuntimeError as error:
            return str(error)
    return ""


def declared(makes, rule):
    if makes is RoundsTheFloor:
        return {"dtypes": ("float16",), "compute": "float32", "state": "float32"}
    apart = makes is not make and issubclass(makes, Apart)
    able = {"absences"} if apart and makes is not MasksTheState else set()
    able |= {"saves"} if makes is ResumesWithAnotherDecay else set()
    dialects = {"lamb": "not-corrected"} if rule == "lamb" else {}
    return {"dtypes": ("float64",), "capabilities": able, "dialects": dialects}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of what makes no numbers
@pytest.mark.parametrize("bug", SEEN_BY)
def test_what_is_said_to_be_caught_is_caught(bug):
    makes, rule = SEEN_BY[bug]
    assert said_of(Implementation("mine", makes, **declared(makes, rule)), rule)


def test_an_implementation_that_has_none_of_them_is_said_nothing_of():
    made = Implementation("mine", Apart, **declared(Apart, "adam"))
    assert not said_of(made, "adam")


def test_nothing_is_said_to_be_caught_that_is_not_tried():
    entries = tomllib.loads(BEYOND.read_text(encoding="utf-8"))["entry"]
    assert {i for e in entries if e["verdict"] == "caught" for i in e["id"]} == {*SEEN_BY}

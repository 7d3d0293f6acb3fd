"""A zoo of wrong, hostile and merely different implementations, through the public contract.

Every trap of the specification is caught, and nearly all are named; every way to break a contract
has its verdict; what is only computed otherwise conforms.

The traps of a sample of rules, of every kind, are asked; with GOLDSTEP_WHOLE_ZOO=1 in the
environment those of all rules are, which takes many minutes.
"""

import functools
import json
import os
import time

import numpy as np
import pytest

from goldstep.conformance import margins
from goldstep.conformance.ask import LIMIT, Memory, ask, broken, limited
from goldstep.conformance.cases import cases
from goldstep.conformance.implementations import declared
from goldstep.oracle import make as reference


class Adapter:
    capabilities = frozenset({"changes", "absences"})

    def __init__(self, make, **declares):
        self.make = make
        vars(self).update(declares)


@functools.cache
def question(name):
    return next(case for case in cases(name.split("/")[0]) if case.id == name)


def answer(make, name, dtype="float64", *, memory=None, **declares):
    return ask(declared(Adapter(make, **declares), "mine"), question(name), dtype, memory=memory)


EVERY = sorted(path.stem for path in margins.KILLS.glob("*.json"))

SAMPLE = [
    *("adagrad", "adam", "adamax", "adamw", "heavy_ball", "lion", "nadam", "nesterov"),
    *("radam", "rmsprop", "sgd", "signsgd", "signum"),
    *("clip_by_global_norm", "clip_by_value", "decoupled_decay", "l2", "maximize"),
    *("accumulate", "cautious", "ema", "lookahead", "route", "swa"),
    *("cosine", "linear_warmup", "one_cycle", "wsd"),
    *("eigenbasis", "inverse_root"),
]
"""Of every kind, what is used most and soon asked."""

RULES = EVERY if os.environ.get("GOLDSTEP_WHOLE_ZOO") else SAMPLE


@functools.cache
def named(rule):
    """For each trap of a rule, on the case that catches it best: its verdict, and who it may be.

    What gives no number there is told that, and has no name: any mistake may give none.
    """
    found = {}
    for trap, caught in json.loads((margins.KILLS / f"{rule}.json").read_text()).items():
        if best := caught.get("float64"):
            make = functools.partial(reference, meant={rule: trap})
            memory = Memory()
            memory.in_vain = True  # what the specification lists is found without a long search
            with np.errstate(all="ignore"):
                said = answer(make, best["case"], memory=memory)
            names = [m.name for m in said.matches[:1]]
            if said.verdict.endswith("it gives nan for a number"):
                names = None
            found[trap] = said.status, names, said.matches[0].rivals if said.matches else ()
    return found


@pytest.mark.parametrize("rule", RULES)
def test_every_trap_differs_and_says_so(rule):
    assert {trap: status for trap, (status, *_) in named(rule).items() if status != "differs"} == {}


def test_nearly_every_trap_is_named_exactly():
    every = [(rule, trap, *said) for rule in RULES for trap, said in named(rule).items()]
    every = [one for one in every if one[3] is not None]
    missed = [
        (rule, trap) for rule, trap, _, names, rivals in every if trap not in {*names, *rivals}
    ]
    exact = [(rule, trap) for rule, trap, _, names, _ in every if names == [trap]]
    assert len(every) > 50
    assert missed == []
    assert len(exact) >= 0.95 * len(every), sorted({one[:2] for one in every} - {*exact})


class Animal:
    """The reference of a rule, in the place of which something else can be put."""

    def __init__(self, rule, hyper, params):
        self.given = params
        self.inner = reference(rule, hyper, {k: x.copy() for k, x in params.items()})

    def __call__(self, grads, **changes):
        return self.inner(grads, **changes)


class Crashes(Animal):
    def __call__(self, *_, **__):
        msg = "list index out of range"
        raise IndexError(msg)


class Hangs(Animal):
    def __call__(self, *_, **__):
        while True:
            pass


class GivesNan(Animal):
    def __call__(self, grads, **changes):
        return {k: x * np.nan for k, x in super().__call__(grads, **changes).items()}


class OtherShape(Animal):
    def __call__(self, grads, **changes):
        return {k: x[..., None] for k, x in super().__call__(grads, **changes).items()}


class OtherType(Animal):
    def __call__(self, grads, **changes):
        return {k: x.astype(np.float16) for k, x in super().__call__(grads, **changes).items()}


class AliasesItsArrays(Animal):
    def __init__(self, rule, hyper, params):
        super().__init__(rule, hyper, params)
        self.out = {k: x.copy() for k, x in params.items()}

    def __call__(self, grads, **changes):
        for name, x in super().__call__(grads, **changes).items():
            self.out[name][...] = x
        return self.out


class MutatesGradients(Animal):
    def __call__(self, grads, **changes):
        out = super().__call__(grads, **changes)
        for g in grads.values():
            g[...] = 0
        return out


class MutatesParameters(Animal):
    def __call__(self, grads, **changes):
        out = super().__call__(grads, **changes)
        for name, x in out.items():
            self.given[name][...] = x
        return out


class Nondeterministic(Animal):
    random = np.random.Generator(np.random.Philox(0))

    def __call__(self, grads, **changes):
        out = super().__call__(grads, **changes)
        return {k: x * (1 + 2**-50 * self.random.integers(0, 2)) for k, x in out.items()}


@pytest.mark.parametrize(
    ("animal", "says"),
    [
        (Crashes, "IndexError: list index out of range"),
        (OtherShape, "not as float64 of shape (4, 2)"),
        (OtherType, "gave back 'tall' as float16"),
        (AliasesItsArrays, "changed the array 'tall' that the step before gave back"),
        (MutatesGradients, "changed the gradient 'tall' that it was given"),
        (MutatesParameters, "changed the array 'tall' that was given to make"),
        (Nondeterministic, "made anew, step 1 of the same run gives other numbers for"),
    ],
)
def test_a_hostile_implementation_is_a_broken_adapter(animal, says):
    assert says in broken(declared(Adapter(animal), "mine"), "adam", "float64")


ADAM = "adam/designed-ties/amplified/changing"


@pytest.mark.parametrize(
    ("animal", "status", "says"),
    [
        (Crashes, "raises", "raises IndexError"),
        (OtherShape, "broken", "adapter broken"),
        (GivesNan, "differs", "does not conform: it gives nan for a number"),
    ],
)
def test_what_goes_wrong_in_a_case_has_its_verdict(animal, status, says):
    said = answer(animal, ADAM)
    assert (said.status, said.verdict) == (status, says)


def test_what_hangs_is_stopped(monkeypatch):
    monkeypatch.setattr("goldstep.conformance.ask.LIMIT", 1)
    assert LIMIT > 1
    said = answer(Hangs, ADAM)
    assert (said.status, said.verdict) == ("broken", "hangs")
    assert "hangs: it has not come back after 1 s" in broken(
        declared(Adapter(Hangs), "mine"), "adam", "float64"
    )


def test_what_is_in_time_is_left_alone():
    with limited(1):
        pass
    assert time.monotonic() > 0  # no alarm is left to go off


def test_what_prints_is_judged_as_if_it_did_not(capsys):
    class Prints(Animal):
        def __call__(self, grads, **changes):
            print("step!")  # noqa: T201
            return super().__call__(grads, **changes)

    assert answer(Prints, ADAM).status == "conforms"
    assert "step!" in capsys.readouterr().out


def test_who_lies_about_a_dialect_is_told_which_one_it_is():
    hat = functools.partial(reference, meant={"adam": "epsilon-hat"})
    said = answer(hat, ADAM, dialects={"adam": "epsilon-inside-the-root"})
    assert said.verdict == "conforms to dialect epsilon-hat, claims epsilon-inside-the-root"
    said = answer(reference, ADAM, dialects={"adam": "epsilon-hat"})
    assert said.verdict == "conforms to adam, claims epsilon-hat"


class Rewritten:
    """AdamW computed otherwise than its equations are written: each of these is legal."""

    def __init__(self, way, _, hyper, params):
        self.way, self.hyper = way, dict(hyper)
        self.theta = {k: x.copy() for k, x in params.items()}
        self.m = {k: np.zeros_like(x) for k, x in params.items()}
        self.v = {k: np.zeros_like(x) for k, x in params.items()}
        self.t = dict.fromkeys(params, 0)

    def __call__(self, grads, **changes):
        self.hyper |= changes
        for k, g in grads.items():
            if g is not None:
                self.t[k] += 1
                self.theta[k] = self.step(k, g, self.theta[k]).astype(g.dtype)
        return {k: x.copy() for k, x in self.theta.items()}

    def step(self, k, g, theta):
        lr, b1, b2, eps, wd = (
            self.hyper[n] for n in ("lr", "beta1", "beta2", "eps", "weight_decay")
        )
        number = np.float32 if self.way == "float32 scalars" else float
        c1, c2 = number(1 - number(b1) ** self.t[k]), number(1 - number(b2) ** self.t[k])
        if self.way == "lerp":
            self.m[k] += (1 - b1) * (g - self.m[k])
            self.v[k] += (1 - b2) * (g * g - self.v[k])
        else:
            self.m[k] = b1 * self.m[k] + (1 - b1) * g
            self.v[k] = b2 * self.v[k] + (1 - b2) * g * g
        m, v = self.m[k], self.v[k]
        if self.way == "lr folded":
            return theta * (1 - lr * wd) - (lr / c1) * m / (np.sqrt(v) / c2**0.5 + eps)
        if self.way == "reciprocal":
            return theta - lr * (m * (1 / c1) * (1 / (np.sqrt(v * (1 / c2)) + eps)) + wd * theta)
        if self.way == "fused order":
            return theta - (lr * wd) * theta - lr * (m / c1 / (np.sqrt(v / c2) + eps))
        return theta - lr * (m / c1 / (np.sqrt(v / c2) + eps) + wd * theta)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("trajectory", ["shocks", "ties"])
@pytest.mark.parametrize(
    "way", ["as written", "lr folded", "lerp", "reciprocal", "fused order", "float32 scalars"]
)
def test_what_is_only_computed_otherwise_conforms(way, trajectory, dtype):
    scalar = {"scalar": "float32"} if way == "float32 scalars" else {"scalar": "float64"}
    name = f"adamw/designed-{trajectory}/amplified/changing"
    said = answer(functools.partial(Rewritten, way), name, dtype, **scalar)
    assert said.status == "conforms", said.message

"""A whole optimizer is asked for groups, checkpoints, types and symmetries; each can be missed."""

import re

import numpy as np
import pytest

from goldstep.conformance.ask import wrong
from goldstep.conformance.implementations import declared
from goldstep.conformance.whole import CHECKS, SYMMETRIES, checks, obeys
from goldstep.oracle import make as reference


class Whole:
    """The reference with every capability there is."""

    def __init__(self, rule, hyper, params, groups=(), *, maximize=False):
        self.sign = -1.0 if maximize else 1.0
        apart = {name: g for g in groups for name in g["params"]}
        self.parts = []
        for g in [{}, *groups]:
            own = {k: v for k, v in g.items() if k != "params"}
            some = {
                k: x
                for k, x in params.items()
                if apart.get(k, {}) is g or (g == {} and k not in apart)
            }
            if some:
                self.parts.append(reference(rule, hyper | own, some))

    def __call__(self, grads, **changes):
        g = {k: x if x is None else self.sign * x for k, x in grads.items()}
        return {k: x for part in self.parts for k, x in part(g, **changes).items()}

    def save(self):
        return [(dict(p.params), p.state()) for p in self.parts]

    def restore(self, saved):
        for part, held in zip(self.parts, saved, strict=True):
            part.load(*held)


class Adapter:
    capabilities = frozenset(CHECKS) | {"changes"}

    def __init__(self, make):
        self.make = make


def found(make, rule, name):
    return wrong(declared(Adapter(make), "mine"), rule, name)


def test_what_couples_all_parameters_is_not_asked_of_each_apart():
    made = declared(Adapter(Whole), "mine")
    for rule in ("clip_by_global_norm+adam", "clip_by_global_norm+lamb"):
        assert not {"groups", "mixed"} & {*checks(made, rule)}


@pytest.mark.parametrize("rule", ["adamw", "muon", "l2+adam"])
def test_what_is_right_passes_every_check(rule):
    made = declared(Adapter(Whole), "mine")
    names = list(checks(made, rule))
    assert set(CHECKS) <= set(names)
    assert [wrong(made, rule, name) for name in names] == [""] * len(names)


class OneRate(Whole):
    def __init__(self, rule, hyper, params, groups=(), **options):
        super().__init__(rule, hyper, params, [{"params": g["params"]} for g in groups], **options)


class ForgetsTheMoments(Whole):
    def restore(self, saved):
        for part, (params, state) in zip(self.parts, saved, strict=True):
            part.load(params, {n: s | {"m": np.zeros_like(s["m"])} for n, s in state.items()})


class Downhill(Whole):
    def __init__(self, rule, hyper, params, **_):
        super().__init__(rule, hyper, params)


class OneType(Whole):
    def __init__(self, rule, hyper, params, **options):
        self.types = {k: x.dtype for k, x in params.items()}
        super().__init__(
            rule, hyper, {k: x.astype(np.float32) for k, x in params.items()}, **options
        )

    def __call__(self, grads, **changes):
        out = super().__call__({k: g.astype(np.float32) for k, g in grads.items()}, **changes)
        return {k: x.astype(self.types[k]) for k, x in out.items()}


class FixedHyper(Whole):
    def __call__(self, grads, **changes):
        return super().__call__(grads, **{k: x for k, x in changes.items() if k == "lr"})


class Lopsided(Whole):
    """Its vector loop leaves the rest of each tensor, beyond 8 elements a time, as it is."""

    def __call__(self, grads, **changes):
        cut = {k: g.copy() for k, g in grads.items()}
        for g in cut.values():
            np.ravel(g)[g.size // 8 * 8 :] = 0
        return super().__call__(cut, **changes)


class Rows(Whole):
    """It takes the mean of the gradient's rows off, as who confuses two rules would."""

    def __call__(self, grads, **changes):
        return super().__call__(
            {k: g - g.mean(0, keepdims=True) for k, g in grads.items()}, **changes
        )


class Clips(Whole):
    def __call__(self, grads, **changes):
        return super().__call__({k: np.minimum(g, 1.0) for k, g in grads.items()}, **changes)


class FirstWins(Whole):
    """The state of the tensor that comes first is taken for all of its size."""

    def __init__(self, rule, hyper, params, **options):
        super().__init__(rule, hyper, params, **options)
        self.first = next(iter(params))

    def __call__(self, grads, **changes):
        return super().__call__(grads | {self.first: grads[self.first] / 2}, **changes)


@pytest.mark.parametrize(
    ("make", "rule", "name", "says"),
    [
        (OneRate, "adam", "groups", "'wide' is .* after step 1, not"),
        (ForgetsTheMoments, "adam", "saves", "saved after step 1, 'tall' is another after step 2"),
        (Downhill, "adam", "maximize", "'.*' is .* after step 1, not"),
        (OneType, "adam", "mixed", "in float64: 'tall' is"),
        (FixedHyper, "adam", "hypers", "beta1 changes in step 2: '.*' is .* after step 2"),
        (Lopsided, "adam", "permutation", "'a' differs from the run that it should agree with"),
        (Rows, "adam", "transposition", "'a' differs from the run"),
        (Rows, "adam", "parts", "'a' differs from the run"),
        (Clips, "lion", "signs", "'a' differs from the run"),
        (Clips, "sgd", "linearity", "'a' differs from the run"),
        (FirstWins, "adam", "order", "differs from the run"),
    ],
)
def test_a_check_is_missed_by_what_is_wrong(make, rule, name, says):
    assert found(Whole, rule, name) == ""
    assert re.search(says, found(make, rule, name))


def test_what_is_asked_follows_from_the_reference():
    asked = {rule: {n for n in SYMMETRIES if obeys(rule, n)} for rule in ("sgd", "adam", "muon")}
    assert asked["sgd"] >= {"linearity", "permutation", "parts", "signs", "transposition"}
    assert "linearity" not in asked["adam"]
    assert "permutation" not in asked["muon"]
    assert "rows" in asked["muon"]


def test_what_is_not_offered_is_not_tested():
    def make(rule, hyper, params, *, maximize=False):
        if maximize:
            raise NotImplementedError
        return Whole(rule, hyper, params)

    assert found(make, "adam", "maximize") is None


def test_what_is_raised_is_the_verdict():
    def make(rule, hyper, params):
        return Whole(rule, hyper, params)

    assert found(make, "adam", "groups").startswith("TypeError")

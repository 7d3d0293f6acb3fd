"""The truth is the reference, step by step, with a bound: free-running, and from golden moments."""

import importlib
import types
from typing import NamedTuple

import numpy as np
import pytest

from goldstep.oracle import Arithmetic, Case, Truth, make
from goldstep.oracle.bfloat16 import near
from goldstep.oracle.case import Layout
from goldstep.oracle.double import DoubleDouble
from goldstep.oracle.observe import parted
from goldstep.oracle.rounding import Bounded
from goldstep.oracle.rules import pipeline
from goldstep.oracle.truth import THETA, Moment

TRUTH = importlib.import_module("goldstep.oracle.truth")
SHAPES = {"w": (3, 2), "u": (2, 4)}
IN_BFLOAT16 = Arithmetic("float32", "float64", "bfloat16")


def asked(rule, *, steps=3, shapes=SHAPES, given=(), changes=None, **hyper):
    """A case of a few steps, of which the second has no gradient of `u`."""
    draw = np.random.default_rng(0)

    def drawn():
        return {k: np.float64(np.float32(draw.normal(size=shape))) for k, shape in shapes.items()}

    hyper = pipeline(rule).profile("amplified") | hyper
    params, grads = drawn(), [drawn() for _ in range(steps)]
    if "u" in shapes and steps > 1:
        grads[1]["u"] = None
    return Case(f"asked {rule}", rule, hyper, params, grads, changes or [{}] * steps, given)


def run(case, meant=None):
    """The moments of the reference in float64."""
    step = make(case.rule, case.hyper, case.params, meant)
    given = case.given or [{}] * len(case.grads)
    for grads, change, more in zip(case.grads, case.changes, given, strict=True):
        params = step(grads, **change, **more)
        yield Moment(params, step.state())


def assert_near(got, true, layout, arithmetic):
    """What was got is within the bound of a truth, which is no wider than some 1000 roundings."""
    params, state = parted(layout, values(true))
    for name, theta in params.items():
        np.testing.assert_allclose(theta, got.params[name], rtol=1e-9, atol=1e-12)
        for slot, x in state[name].items():
            np.testing.assert_allclose(x, got.state[name][slot], rtol=1e-9, atol=1e-12)
    for _, slot, x in true.slots():
        if isinstance(x, Bounded):
            assert (np.asarray(x.error) >= 0).all()
            most = np.max(np.abs(x.value), initial=1e-3)
            assert (x.error <= 1000 * arithmetic.unit * most).all(), slot


def values(moment):
    def value(x):
        return np.asarray(x.value, np.float64) if isinstance(x, Bounded) else x

    state = {g: {k: value(x) for k, x in slots.items()} for g, slots in moment.state.items()}
    return Moment({g: value(x) for g, x in moment.params.items()}, state)


GIVEN = {
    "polyak_sgd": [{"loss": x} for x in (0.5, 0.25, 2.0)],
    "sophia": [{"hessian": {k: np.full(s, x) for k, s in SHAPES.items()}} for x in (2.0, 0.5, 1.0)],
}
RULES = ["adam", "nadam", "clip_by_global_norm+heavy_ball", "lookahead+sgd@cosine", "muon|adamw"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", [*RULES, *GIVEN])
def test_a_run_is_that_of_the_reference(rule, dtype):
    changes = None if "lr" not in pipeline(rule).rows() else [{}, {"lr": 0.25}, {}]
    case = asked(rule, given=GIVEN.get(rule, ()), changes=changes)
    truth = Truth(case, Arithmetic(dtype))
    moments = list(truth.free())
    for got, true in zip(run(case), moments, strict=True):
        assert_near(got, true, truth.layout, truth.arithmetic)
    assert any((x.error > 0).any() for _, _, x in moments[-1].slots() if isinstance(x, Bounded))


def test_a_reading_and_a_layout_are_those_that_are_meant():
    case, meant = asked("adam"), {"adam": "epsilon-hat"}
    apart = Layout(case, apart=True)
    truth = Truth(case, Arithmetic("float64"), meant, apart)
    assert truth.layout is apart
    for got, true in zip(run(case, meant), truth.free(), strict=True):
        assert_near(got, true, apart, truth.arithmetic)
    assert [*Truth(case, Arithmetic("float64")).layout.groups] == [*Layout(case).groups]


@pytest.mark.parametrize("rule", ["nadam", "muon"])
def test_each_golden_moment_is_the_rounded_end_of_the_step_before(rule):
    case = asked(rule, shapes={"w": (3, 2)}, steps=4)
    truth = Truth(case, Arithmetic("float32"))
    golden = truth.golden()
    assert truth.golden() is golden
    np.testing.assert_array_equal(golden[0].params["w"], np.float32(case.params["w"]))
    after = list(Truth(case, Arithmetic("float32")).forced(golden))
    for before, end in zip(golden[1:], after, strict=False):
        for (_, slot, x), (_, _, true) in zip(before.slots(), end.slots(), strict=True):
            if not isinstance(true, Bounded):
                assert (type(x), x) == (int, true)
            elif true.host:
                assert (type(x), x) == (float, float(np.float32(true.value)))
            else:
                assert x.dtype == np.float32, slot
                np.testing.assert_array_equal(x, true.value.astype(np.float32))
    kept = list(truth.forced(golden))
    for one, other in zip(kept, after, strict=True):
        np.testing.assert_array_equal(one.params["w"].value, other.params["w"].value)
        np.testing.assert_array_equal(one.params["w"].error, other.params["w"].error)


def test_the_steps_from_the_golden_moments_are_computed_once(monkeypatch):
    truth = Truth(asked("adam"), Arithmetic("float64"))
    golden = truth.golden()
    other = [*golden]
    again = list(truth.forced(other))
    monkeypatch.setattr(truth, "_advance", None)
    for one, same in zip(truth.forced(golden), again, strict=True):
        np.testing.assert_array_equal(one.params["w"].value, same.params["w"].value)
    with pytest.raises(TypeError):
        next(truth.forced(other))


def test_from_another_moment_another_step_is_taken():
    truth = Truth(asked("sgd", shapes={"w": (2,)}, lr=0.5), Arithmetic("float64"))
    golden = truth.golden()
    moved = [Moment({"w": m.params["w"] + 8.0}, m.state) for m in golden]
    for one, other in zip(truth.forced(golden), truth.forced(moved), strict=True):
        np.testing.assert_allclose(other.params["w"].value - one.params["w"].value, 8.0, rtol=1e-15)


def test_an_iteration_in_bfloat16_has_a_truth_for_each_way_to_write_it():
    muon, adam = (asked(rule, shapes={"w": (3, 2)}, steps=1) for rule in ("muon", "adam"))
    alone = asked("newton_schulz", shapes={"w": (3, 2)}, steps=1)
    first, *others = Truth(muon, IN_BFLOAT16).in_bfloat16()
    wrappers = list(near(IN_BFLOAT16))
    assert len(wrappers) == 1 + len(others) == 8
    found = []
    for around, way in zip(wrappers, (first, *others), strict=True):
        (moment,), (same,) = way.free(), Truth(muon, IN_BFLOAT16, around=around).free()
        np.testing.assert_array_equal(moment.params["w"].value, same.params["w"].value)
        found.append(moment.params["w"].value)
    assert len({x.tobytes() for x in found}) > 4
    assert len([*Truth(alone, IN_BFLOAT16).in_bfloat16()]) == 8
    assert len([*others[0].in_bfloat16()]) == 1
    for case in (adam, asked("soap", shapes={"w": (3, 2)}, steps=1)):
        assert len([*Truth(case, IN_BFLOAT16).in_bfloat16()]) == 1
    assert len([*Truth(muon, Arithmetic("float32")).in_bfloat16()]) == 1


def test_what_is_written_in_a_coarser_type_is_rounded_once_more():
    case = asked("heavy_ball", shapes={"w": (6,)}, steps=3)
    fine = Truth(case, Arithmetic("float32"))
    state = Truth(case, Arithmetic("float32", state="bfloat16"))
    both = Truth(case, Arithmetic("bfloat16", compute="float32"))
    ((exact, *_), (kept, *_), (coarse, *_)) = (list(t.free()) for t in (fine, state, both))
    half = 2.0**-8
    for slot, moments in [("v", (kept, coarse)), (THETA, (coarse,))]:
        true = {s: x for _, s, x in exact.slots()}[slot]
        for moment in moments:
            x = {s: x for _, s, x in moment.slots()}[slot]
            more = x.error - true.error
            assert (more >= 0.9 * half * np.abs(true.value)).all(), slot
            assert (more <= 2.1 * half * np.abs(true.value) + 1e-6).all(), slot
    np.testing.assert_array_equal(kept.params["w"].value, exact.params["w"].value)
    assert both.golden()[1].params["w"].dtype == both.dtype
    assert state.golden()[1].state["w"]["v"].dtype == both.dtype
    assert state.golden()[1].params["w"].dtype == np.float32


def test_a_count_and_a_number_of_the_host_are_written_as_they_are():
    case = asked("nadam", shapes={"w": (4,)}, steps=2)
    truth = Truth(case, Arithmetic("bfloat16", "float64", compute="float32"))
    plain = Truth(case, Arithmetic("float32", "float64"))
    for one, other in zip(truth.free(), plain.free(), strict=True):
        assert one.state["w"]["t"] == other.state["w"]["t"]
        assert one.state["w"]["prod"].error == other.state["w"]["prod"].error


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rate_that_is_given_is_rounded_once(dtype, monkeypatch):
    case = asked("cosine", shapes={"factor": ()}, steps=3)
    case.grads[:] = [{"factor": None}] * 3
    truth = Truth(case, Arithmetic(dtype))
    given = [m.params["factor"] for m in truth.free()]
    monkeypatch.setattr(TRUTH, "START", 0.0)
    for x, (own, _) in zip(given, truth.free(), strict=True):
        more = x.error - own["factor"].error
        assert more == pytest.approx(truth.arithmetic.unit * abs(x.value), rel=1e-9)
        assert np.ndim(x.value) == 0


def test_what_one_step_starts_from_is_no_sum_to_it():
    for moment in Truth(asked("l2+heavy_ball"), Arithmetic("float64")).free():
        assert not any(x.terms for _, _, x in moment.slots())


def test_a_case_has_as_many_changes_as_gradients():
    case = asked("sgd", changes=[{}])
    with pytest.raises(ValueError, match="shorter"):
        list(Truth(case, Arithmetic("float64")).free())


LONG = {"w": (40,), "u": (3, 5)}


@pytest.mark.parametrize(
    ("rule", "blocks"), [("adam", 7), ("nadam", 8), ("ema+maximize+sgd", 20), ("sgd", 55)]
)
def test_a_long_vector_is_computed_block_by_block_and_its_truth_is_two_doubles(
    rule, blocks, monkeypatch
):
    case = asked(rule, shapes=LONG)
    case.grads[1]["u"] = case.grads[0]["u"]
    short, wide = (Truth(case, Arithmetic(dtype)) for dtype in ("float32", "float64"))
    assert {short.arithmetic.truth, wide.arithmetic.truth} == {np.float64, np.longdouble}
    want = [list(t.free()) for t in (short, wide)]
    monkeypatch.setattr(TRUTH, "BLOCK", blocks)
    short, long = (Truth(case, Arithmetic(dtype)) for dtype in ("float32", "float64"))
    assert long.arithmetic.truth is (np.longdouble if blocks == 55 else DoubleDouble)
    for one, moments in zip((short, long), want, strict=True):
        for got, true in zip(one.free(), moments, strict=True):
            for (_, slot, x), (_, _, y) in zip(got.slots(), true.slots(), strict=True):
                if not isinstance(y, Bounded):
                    assert x == y
                    continue
                assert x.shape == y.shape
                off = np.abs(np.asarray((x.value - y.value).astype(np.float64)))
                assert (off <= 2.0**-9 * y.error).all(), slot
                np.testing.assert_allclose(x.error, y.error, rtol=1e-12, err_msg=slot)


class Recorded:
    """An update of a vector that notes how much of it is seen at a time, and counts."""

    class State(NamedTuple):
        m: object
        t: int

    def __init__(self):
        self.seen = []

    def update(self, theta, g, state, hyper):
        self.seen.append((theta.shape, g.shape, state.m.shape, state.t))
        return theta + hyper * g, self.State(state.m + g, state.t + 1)


@pytest.mark.parametrize("truth", [np.float64, DoubleDouble])
@pytest.mark.parametrize(("blocks", "sizes"), [(4, [4, 4, 2]), (5, [5, 5]), (9, [9, 1])])
def test_a_block_is_so_long_and_what_is_shorter_is_left_whole(truth, blocks, sizes, monkeypatch):
    monkeypatch.setattr(TRUTH, "BLOCK", blocks)
    arithmetic = Arithmetic("float32")
    arithmetic.truth = truth
    theta, g, m = (
        arithmetic.tensor(np.float32(x + np.arange(10.0).reshape(5, 2))) for x in (1, 2, 3)
    )
    rule = Recorded()
    module = types.ModuleType("recorded")
    module.update, module.State = rule.update, rule.State
    in_blocks = TRUTH.in_blocks(module)
    assert in_blocks.State is rule.State
    after, state = in_blocks.update(theta, g, rule.State(m, 7), arithmetic.scalar(0.1))
    assert rule.seen == [((n,), (n,), (n,), 7) for n in sizes]
    whole = theta + arithmetic.scalar(0.1) * g
    for found, want in [(after, whole), (state.m, m + g)]:
        assert type(found.value) is type(want.value)
        assert found.shape == (5, 2)
        assert not (found.value - want.value).astype(np.float64).any()
        np.testing.assert_allclose(found.error, want.error, rtol=1e-12)
    assert state.t == 8
    rule.seen.clear()
    monkeypatch.setattr(TRUTH, "BLOCK", 10)
    after, state = in_blocks.update(theta, g, rule.State(m, 7), arithmetic.scalar(0.1))
    assert rule.seen == [((5, 2), (5, 2), (5, 2), 7)]


def test_what_is_cut_and_laid_together_counts_as_what_it_is_of(monkeypatch):
    """A multiple of theta is taken from theta, as a decay is: that may be one factor."""
    monkeypatch.setattr(TRUTH, "BLOCK", 4)
    arithmetic = Arithmetic("float32")
    theta = arithmetic.tensor(np.arange(1.0, 7.0))
    g = arithmetic.tensor(np.ones(6)) + arithmetic.scalar(0.5) * theta
    module = types.ModuleType("difference")
    module.update = lambda theta, g, state, _: (theta - g, state)
    state = Recorded.State(g, 0)
    (whole, _), (cut, kept) = (
        f.update(theta, g, state, None) for f in (module, TRUTH.in_blocks(module))
    )
    np.testing.assert_array_equal(cut.error, whole.error)
    assert {theta.mark, g.mark} <= cut.terms
    assert (kept.m.mark, kept.m.terms) == (g.mark, g.terms)

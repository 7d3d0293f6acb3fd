"""The judge sees what is wrong, says where, and knows a mistake that it has met before."""

import functools
import sys

import numpy as np
import pytest

from goldstep.conformance.cases import asked, cases, rules
from goldstep.oracle import (
    Arithmetic,
    ContractError,
    Truth,
    diagnose,
    explain,
    judge,
    make,
    observe,
    pipeline,
)
from goldstep.oracle.case import Layout
from goldstep.oracle.judge import excess
from goldstep.oracle.rounding import Bounded
from goldstep.oracle.rules import readings


@functools.cache
def question(rule, trajectory="designed-matrices", profile="amplified"):
    wanted = f"{rule}/{trajectory}/{profile}/constant"
    return next(case for case in cases(rule) if case.id == wanted)


def seen_by(adapter, rule="adam", dtype="float64"):
    truth = Truth(question(rule), Arithmetic(dtype))
    seen = observe(truth, adapter)
    return truth, seen, judge(truth, seen)


class Level0:
    def __init__(self, rule, hyper, params):
        self.inner = make(rule, hyper, params)

    def __call__(self, grads, **changes):
        return self.inner(grads, **changes)


class Level1(Level0):
    def state(self):
        return self.inner.state()


@pytest.mark.parametrize(("adapter", "offers"), [(Level0, 0), (Level1, 1), (make, 2)])
def test_a_step_is_judged_at_the_level_that_it_offers(adapter, offers):
    _, seen, verdict = seen_by(adapter)
    assert seen.level == offers
    assert bool(seen.forced) == (offers == 2)
    assert verdict.conforms


def test_the_higher_the_level_the_sooner_a_mistake_is_seen():
    trap = functools.partial(make, meant={"lion": "kept-the-vote"})

    class Blind(Level0):
        def __init__(self, rule, hyper, params):
            self.inner = trap(rule, hyper, params)

    _, _, at0 = seen_by(Blind, "lion")
    _, _, at2 = seen_by(trap, "lion")
    assert at0.divergence.mode == "free-running"
    assert at0.divergence.step > 1
    assert (at2.divergence.mode, at2.divergence.step) == ("teacher-forced", 1)
    assert [w.slot for w in at2.divergence.wrong] == ["m"]
    assert at2.divergence.right == {"theta"}


def test_a_state_that_lies_is_seen_although_the_parameters_are_right():
    class Lies(Level1):
        def state(self):
            return {n: s | {"v": s["v"] * 1.01} for n, s in super().state().items()}

    truth, _, verdict = seen_by(Lies)
    assert [w.slot for w in verdict.divergence.wrong] == ["v"]
    assert explain(truth, verdict.divergence) == ["adam.3"]


def test_a_count_that_is_off_by_one_is_seen():
    class Late(Level1):
        def state(self):
            return {n: s | {"t": max(0, s["t"] - 1)} for n, s in super().state().items()}

    _, _, verdict = seen_by(Late)
    assert [w.slot for w in verdict.divergence.wrong] == ["t"]
    assert verdict.ratio == np.inf


def test_the_first_wrong_step_is_told_and_that_of_the_largest_error_counts():
    truth = Truth(question("muon"), Arithmetic("float64"))
    trap = functools.partial(make, meant={"muon": "orthogonalises-the-gradient"})
    forced = judge(truth, observe(truth, trap, free=False))
    # From rest the momentum is a multiple of the gradient, and only the floor tells them apart.
    assert forced.divergence.step == 1
    assert forced.divergence.wrong[0].ratio < 1e8
    assert forced.ratio > 1e13
    # What follows a wrong step of a free run is wrong for its sake.
    free = judge(truth, observe(truth, trap)._replace(forced=[]))
    assert free.ratio == free.divergence.wrong[0].ratio


def test_what_is_not_a_number_never_conforms():
    class Breaks(Level0):
        def __call__(self, grads, **changes):
            out = super().__call__(grads, **changes)
            return out | {"tall": np.full_like(out["tall"], np.nan)}

    _, _, verdict = seen_by(Breaks)
    worst = verdict.divergence.wrong[0]
    assert (verdict.divergence.step, worst.tensor, worst.ratio) == (1, "tall", np.inf)


def test_a_truth_without_a_bound_is_no_verdict():
    arithmetic = Arithmetic("float64")
    unbounded = Bounded(arithmetic, np.zeros(2), np.array([0.0, np.inf]))
    with pytest.raises(OverflowError, match="has no bound, or leaves its type"):
        excess(np.zeros(2), unbounded)


def test_of_a_run_that_can_be_lost_only_what_has_a_bound_is_judged():
    arithmetic = Arithmetic("float64")
    unbounded = Bounded(arithmetic, np.zeros(3), np.array([0.0, np.inf, np.inf]))
    assert excess(np.array([0.0, 1.0, 1e9]), unbounded, lost=True).tolist() == [0, 0, 0]
    assert excess(np.array([1.0, 1.0, 1.0]), unbounded, lost=True).tolist() == [np.inf, 0, 0]


def test_a_run_in_float32_may_lose_its_bound_where_the_same_in_float64_does_not():
    case = next(c for c in cases("lamb") if c.id == "lamb/designed-shocks/amplified/changing")
    for dtype, lost in (("float64", False), ("float32", True)):
        truth = Truth(case, Arithmetic(dtype))
        bounds = [x.error for m in truth.free() for _, _, x in m.slots() if isinstance(x, Bounded)]
        assert np.isfinite(np.concatenate([np.ravel(b) for b in bounds])).all() is not lost
        assert judge(truth, observe(truth, Level0)).conforms


def test_one_wrong_element_in_one_step_is_found_where_it_is():
    class Slips(Level0):
        def __init__(self, *args):
            super().__init__(*args)
            self.t = 0

        def __call__(self, grads, **changes):
            out = super().__call__(grads, **changes)
            self.t += 1
            if self.t == 7:
                out["cube"] = out["cube"].copy()
                out["cube"][1, 2, 3] *= 1 + 1e-12
            return out

    _, _, verdict = seen_by(Slips)
    worst = verdict.divergence.wrong[0]
    assert (verdict.divergence.step, worst.tensor, worst.element) == (7, "cube", (1, 2, 3))


def test_a_state_of_another_shape_or_without_a_parameter_breaks_the_contract():
    class Flat(Level1):
        def state(self):
            return {n: s | {"m": s["m"].ravel()} for n, s in super().state().items()}

    class Forgets(Level1):
        def state(self):
            return {n: s for n, s in super().state().items() if n != "tall"}

    with pytest.raises(ContractError, match=r"gave 'm' of '.*' in shape"):
        seen_by(Flat)
    with pytest.raises(ContractError, match="nothing for 'tall'"):
        seen_by(Forgets)


def test_tensors_laid_side_by_side_have_the_truth_that_they_have_apart():
    for rule in [r for r in rules() if pipeline(r).stages and pipeline(r).scope != "tensor"]:
        name = f"{rule}/designed-absences/amplified/constant"
        case = next((c for c in cases(rule) if c.id == name), None)
        if case is None:  # it is asked along fewer trajectories
            continue
        joined, apart = Layout(case), Layout(case, apart=True)
        assert len(joined.groups) < len(apart.groups)
        truths = [Truth(case, Arithmetic("float32"), layout=x) for x in (joined, apart)]
        for one, other in zip(*(list(t.free()) for t in truths), strict=True):
            split = [joined.split(group, x.value) for group, x in one.params.items()]
            side = {name: x for part in split for name, x in part.items()}
            for name, x in other.params.items():
                # A norm over all tensors is summed in another order, and no more.
                np.testing.assert_allclose(side[name], x.value, rtol=1e-14)


def test_a_layout_finds_every_element_again():
    case = question("adam")
    layout = Layout(case)
    numbered = {n: np.arange(x.size).reshape(x.shape) for n, x in case.params.items()}
    for group, flat in layout.join(numbered).items():
        for at, value in enumerate(np.ravel(flat)):
            name, index = layout.where(group, at)
            assert numbered[name][index] == value


def test_a_dialect_is_known_by_name_and_conforms_when_it_is_claimed():
    for rule in ("adam", "heavy_ball", "rmsprop"):
        for name, said in readings(rule).items():
            if "seen" in said:
                continue
            claim = {rule: name}
            case = next(c for c in asked(rule, {"changes"}) if "shocks/amplified" in c.id)
            truth = Truth(case, Arithmetic("float64"))
            seen = observe(truth, functools.partial(make, meant=claim))
            assert name in {m.name for m in diagnose(truth, seen) if m.kind == "dialect"}
            claimed = Truth(case, Arithmetic("float64"), claim)
            assert judge(claimed, observe(claimed, functools.partial(make, meant=claim))).conforms


@pytest.mark.parametrize("trap", [None, "swapped-beta2"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_run_is_judged_at_once_as_it_is_step_by_step(dtype, trap, monkeypatch):
    truth = Truth(question("lion"), Arithmetic(dtype))
    seen = observe(truth, functools.partial(make, meant={"lion": trap} if trap else None))
    at_once = judge(truth, seen)
    monkeypatch.setattr(sys.modules["goldstep.oracle.judge"], "at_once", lambda *_, **__: None)
    assert judge(truth, seen) == at_once
    assert at_once.conforms == (trap is None)

"""What an implementation did wrong is found again: here on cases that take no time."""

import functools
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from goldstep.oracle import Arithmetic, Case, Truth, diagnose, explain, make, observe
from goldstep.oracle.case import Layout
from goldstep.oracle.diagnose import Look, Match, minimum, relaid, shortest
from goldstep.oracle.judge import Divergence, Worst
from goldstep.oracle.mistakes import Suspicion, fitted
from goldstep.oracle.rules import pipeline

SHAPES = {"w": (2, 3), "none": (0,), "b": (4,)}


def small(rule, *, steps=6, shapes=SHAPES, given=(), **hyper):
    """A case of a few steps on dyadic numbers."""
    draw = np.random.default_rng(1)

    def drawn():
        return {k: np.round(draw.normal(size=shape) * 64) / 64 for k, shape in shapes.items()}

    hyper = pipeline(rule).profile("amplified") | hyper
    params, grads = drawn(), [drawn() for _ in range(steps)]
    return Case(f"small {rule}", rule, hyper, params, grads, [{}] * steps, given)


def done(case, adapter, dtype="float64"):
    truth = Truth(case, Arithmetic(dtype))
    return truth, observe(truth, adapter)


def look(case, adapter=make):
    return Look(*done(case, adapter))


def taken(**changed):
    """An implementation that takes its hyper-parameters to be others, by functions of all."""

    def adapter(rule, hyper, params):
        return make(rule, hyper | {k: f(hyper) for k, f in changed.items()}, params)

    return adapter


def read(rule, name):
    return functools.partial(make, meant={rule: name})


class Changed:
    """A step whose parameters are changed at the end, in a run but not from a golden moment."""

    def __init__(self, inner, change):
        self.inner, self.change, self.t, self.forced = inner, change, 0, False

    def __call__(self, grads, **more):
        self.t += 1
        params = self.inner(grads, **more)
        return params if self.forced else self.change(self.t, params)

    def state(self):
        return self.inner.state()

    def load(self, params, state):
        self.forced = True
        self.inner.load(params, state)


def blind(adapter, change=lambda _, params: params):
    """An implementation that shows no more than its parameters."""
    return lambda *given: functools.partial(Changed.__call__, Changed(adapter(*given), change))


LATE = (("adamw.4", "m_hat = m / (1 - b1**(t + 1))"), ("adamw.5", "v_hat = v / (1 - b2**(t + 1))"))


@pytest.mark.parametrize("wrapped", [lambda adapter: adapter, blind], ids=["forced", "free"])
@pytest.mark.parametrize(
    ("rule", "adapter", "kind", "name"),
    [
        ("lion", read("lion", "swapped-beta2"), "trap", "swapped-beta2"),
        ("adam", read("adam", "epsilon-hat"), "dialect", "epsilon-hat"),
        ("adamw", read("adamw", LATE), "count", "the step is counted one too many"),
        ("heavy_ball", taken(lr=lambda h: h["lr"] / 2), "hyper", "lr is halved"),
        ("adam", taken(beta2=lambda _: 0.97), "fit", "beta2 behaves as 0.97"),
        ("adam", taken(beta2=lambda _: 0.9993), "fit", "beta2 behaves as 0.9993"),
        ("adam", taken(eps=lambda _: 3e-3), "fit", "eps behaves as 0.003"),
        (
            "heavy_ball",
            taken(momentum=lambda h: h["momentum"] ** 2, lr=lambda h: h["lr"] / 4),
            "pair",
            "lr is squared, and momentum is squared",
        ),
    ],
)
def test_a_mistake_is_named_from_single_steps_and_from_a_run(wrapped, rule, adapter, kind, name):
    best, *others = diagnose(*done(small(rule, lr=0.25), wrapped(adapter)))
    assert (best.rule, best.kind) == (rule, kind)
    assert name in {best.name, *best.rivals}
    assert best.explains
    assert set(best.rivals) == {m.name for m in others}


def test_what_takes_seconds_is_not_looked_for_where_it_is_not_asked():
    truth, seen = done(small("adam"), taken(beta2=lambda _: 0.97))
    assert diagnose(truth, seen, deep=False) == []
    known = fitted("adam", "beta2", 0.97)
    assert [m.suspicion for m in diagnose(truth, seen, [known], deep=False)] == [known]
    trap = done(small("adam"), read("adam", "betas-swapped"))
    assert [m.name for m in diagnose(*trap, [known], deep=False)] == ["betas-swapped"]


def test_a_run_that_goes_wrong_although_each_step_is_right_is_explained():
    def adapter(rule, hyper, params):
        wrong, right = read("lion", "swapped-beta2")(rule, hyper, params), make(rule, hyper, params)
        return Either(wrong, right)

    class Either(Changed):
        def __call__(self, grads, **more):
            return self.inner(grads, **more)

        def load(self, params, state):
            self.inner = self.change
            self.inner.load(params, state)

    assert diagnose(*done(small("lion"), adapter))[0].name == "swapped-beta2"


def test_a_mistake_that_sees_where_a_tensor_ends_is_named():
    case = small("signsgd", shapes={"w": (2, 3), "b": (4,)})
    adapter = read("signsgd", "scaled-by-the-one-norm")

    def apart(rule, hyper, params):
        each = {k: adapter(rule, hyper, {k: x}) for k, x in params.items()}

        def step(grads):
            return {k: step({k: grads[k]})[k] for k, step in each.items()}

        return step

    assert diagnose(*done(case, apart))[0].name == "scaled-by-the-one-norm"


def test_what_explains_nearly_all_is_the_nearest_and_no_explanation():
    def off(by):
        wrong = read("adam", "count-from-zero")
        return blind(wrong, lambda _, params: {k: x * (1 + by) for k, x in params.items()})

    (near,) = diagnose(*done(small("adam"), off(1e-9)))
    assert near.name == "count-from-zero"
    assert near.ratio > 1
    assert not near.explains
    assert diagnose(*done(small("adam"), off(0.3))) == []


def ranked(*found, itself=1e6):
    """What is the nearest of suspicions (kind, name, residual), of which `a+b` is a pair."""
    looked, made = look(small("sgd")), {}
    for kind, name, _ in found:
        parts = tuple(made[part] for part in name.split("+") if part != name)
        made[name] = Suspicion("sgd", kind, name, parts=parts)
    looked.itself = float(itself)
    looked.screened = lambda _: sorted(
        [(float(r), made[name]) for _, name, r in found], key=lambda one: one[0]
    )
    return [(m.name, m.ratio, *m.rivals) for m in looked.nearest([])]


def test_the_nearest_is_a_hundred_times_nearer_than_the_truth_and_than_the_second():
    for itself, second, named in [(100, 100, True), (99, 100, False), (100, 99, False)]:
        found = ranked(("trap", "a", 1), ("trap", "b", second), itself=itself)
        assert found == ([("a", math.nextafter(1, 2))] if named else [])
    assert ranked(("trap", "a", 1)) == []


@pytest.mark.parametrize(
    ("found", "named"),
    [
        ([("trap", "a", 50), ("trap", "b", 80), ("pair", "a+b", 50)], None),
        ([("trap", "a", 50), ("trap", "b", 9e5), ("pair", "a+b", 50)], ("a", 50)),
        ([("trap", "a", 50), ("trap", "b", 9e5), ("pair", "a+b", 40)], ("a", 50)),
        ([("trap", "a", 50), ("trap", "b", 9e5), ("pair", "a+b", 0.5)], ("a+b", 1)),
        ([("trap", "a", 50), ("hyper", "b", 51), ("pair", "a+b", 40)], ("a", 50, "b")),
        ([("trap", "a", 50), ("hyper", "b", 47)], None),
        ([("trap", "a", 50), ("hyper", "b", 53)], None),
        ([("trap", "a", 50), ("fit", "b", 60)], ("a", 50)),
        ([("trap", "a", 50), ("fit", "b", 40)], None),
        ([("fit", "a", 50), ("fit", "b", 60)], None),
        ([("fit", "a", 50), ("trap", "b", 9e5), ("pair", "b+a", 60)], ("a", 50)),
        ([("trap", "a", 9e5), ("fit", "b", 9e5), ("pair", "a+b", 50), ("fit", "c", 60)], None),
        ([("trap", "a", 0), ("trap", "b", 1)], ("a", 1, "b")),
    ],
)
def test_of_what_is_about_as_near_the_simpler_is_named(found, named):
    assert ranked(*found) == ([] if named is None else [pytest.approx(named)])


def test_what_says_nothing_on_a_case_does_not_hide_the_nearest():
    off = blind(
        read("heavy_ball", "momentum-ignored"),
        lambda _, params: {k: x * (1 + 1e-9) for k, x in params.items()},
    )
    (near,) = diagnose(*done(small("heavy_ball"), off))
    assert (near.name, near.rivals) == ("momentum-ignored", ("momentum is zero",))


def test_what_is_no_number_where_a_mistake_gives_none_is_that_mistake_if_a_number_says_so():
    trap = read("coupled_newton", "sign-of-the-exponent")
    unequal, equal = {"w": np.diag([1.0, 0.0, 0.0])}, {"w": np.eye(3)}
    for grads, finite, names in [
        ([unequal, equal], [False, True], ["sign-of-the-exponent"]),
        ([unequal, unequal], [False, False], []),
    ]:
        case = small("coupled_newton", shapes={"w": (3, 3)}, steps=2)
        case.grads[:] = grads
        with np.errstate(all="ignore"):
            truth, seen = done(case, trap)
            assert [np.isfinite(m.params["w"]).all() for m in seen.forced] == finite
            assert [m.name for m in diagnose(truth, seen)] == names


def test_what_has_no_bound_explains_what_is_the_same_to_the_last_bit(monkeypatch):
    def refuses(*_, **__):
        raise OverflowError

    monkeypatch.setattr(sys.modules["goldstep.oracle.diagnose"], "judge", refuses)
    trap = read("lion", "swapped-beta2")
    assert diagnose(*done(small("lion"), trap))[0].ratio == 0
    off = blind(trap, lambda _, params: {k: x * (1 + 1e-15) for k, x in params.items()})
    assert not any(match.explains for match in diagnose(*done(small("lion"), off)))


def test_what_is_far_off_is_not_judged_which_takes_long(monkeypatch):
    judged = []
    monkeypatch.setattr(sys.modules["goldstep.oracle.diagnose"], "judge", judged.append)
    assert diagnose(*done(small("adam"), taken(beta2=lambda _: 0.97)), deep=False) == []
    assert judged == []


def test_no_number_is_fitted_that_hardly_helps():
    looked = look(small("adam"), read("adam", "a-hat-forgotten"))
    assert [*looked.fits()] == []
    (fit,) = look(small("adam"), taken(beta2=lambda _: 0.97)).fits()
    assert fit.name == "beta2 behaves as 0.97"


def test_what_is_no_number_is_not_explained():
    broken = blind(make, lambda t, params: {k: x / (t < 3) for k, x in params.items()})
    with np.errstate(all="ignore"):
        assert diagnose(*done(small("lion"), broken)) == []


def test_the_first_steps_are_looked_at_and_a_few_later():
    case = small("heavy_ball", steps=40)
    wrong = taken(momentum=lambda _: 0.5)
    assert look(case, wrong).steps == [*range(12), *range(20, 24)]
    assert look(case, blind(wrong)).steps == [*range(24)]
    short = small("heavy_ball", steps=22)
    assert look(short, wrong).steps == [*range(15)]
    assert look(small("heavy_ball", steps=5), wrong).steps == [*range(5)]
    late = blind(make, lambda t, params: {k: x + 1.0 * (t > 30) for k, x in params.items()})
    assert look(case, late).steps == [*range(40)]


def test_the_unit_of_an_error_is_its_limit_and_one_rounding_of_the_largest():
    case = small("adam", steps=1, shapes={"w": (2,), "none": (0,)})
    (units,) = look(case, taken(lr=lambda _: 1.0)).units
    truth = Truth(case, Arithmetic("float64"))
    (moment,) = truth.forced(truth.golden())
    for group, slot, x in moment.slots():
        if slot == "t":
            assert units[group, slot] == 1e-6
        else:
            most = np.max(np.abs(x.value), initial=0)
            np.testing.assert_allclose(units[group, slot], 2 * x.error + most * 2.0**-53, 1e-12)


def test_a_residual_is_in_those_units_and_infinite_where_a_state_is_missing():
    looked = look(small("heavy_ball"), taken(lr=lambda h: h["lr"] + 2.0**-20))
    itself = Suspicion("heavy_ball", "rule", "heavy_ball")
    assert 1e6 < looked.residual(itself) == looked.itself < 1e12
    assert looked.residual(itself, least=10.0) > 10
    got = looked.seen.forced[0]
    assert looked.distance(0, got, got) == 0.0
    assert looked.distance(0, got, got._replace(state=None)) == math.inf
    looked.units[0].clear()
    assert looked.distance(0, got, looked.seen.forced[1]) == 0.0


def test_what_cannot_be_computed_explains_nothing():
    looked = look(small("adam"), taken(lr=lambda h: h["lr"] / 2))
    zero = (("adam.4", "m_hat = m * (1 / (t - t))"),)
    outside = (("adam.4", "m_hat = m.reshape(-1, 7)"),)
    for lines in (zero, outside):
        suspicion = Suspicion("adam", "count", "x", (("adam", lines),))
        assert looked.residual(suspicion) == math.inf


@pytest.mark.parametrize("target", [0.0, 0.5, 0.97, 0.9993, 0.99999])
def test_the_value_that_comes_nearest_is_found(target):
    for unit in (True, False):
        asked = []
        grid = 1 - 10.0 ** -np.arange(0, 5.5, 0.5) if unit else 10.0 ** np.arange(-10, 2)

        def off(x, asked=asked):
            asked.append(x)
            return abs(x - target)

        value, least = minimum(off, unit=unit)
        assert value == pytest.approx(target, abs=1e-9)
        assert least <= 1e-9
        assert len(asked) == len(grid) + 62
        assert np.allclose(asked[: len(grid)], grid)
        assert all(0 <= x < 1 if unit else 1e-10 <= x <= 10 for x in asked)


@pytest.mark.parametrize("short", [0.97, 0.9993, 0.03, 0.123456789])
def test_the_shortest_number_that_fits_is_named(short):
    assert shortest(short + 3e-12, lambda x: abs(x - short), 1e-11) == short


def test_of_a_number_near_one_what_it_lacks_is_shortened():
    assert shortest(1 - 1.0000001e-12, lambda x: abs(x - 1), 1.0000001e-12) == 1.0
    assert shortest(1 - 1.0001e-12, lambda x: abs(x - 1 + 1e-12), 1e-14) == 1 - 1e-12


def test_a_moment_is_laid_out_again_and_back():
    case = small("adam", shapes={"w": (2, 3), "b": (4,)})
    _, seen = done(case, make)
    joined, apart = Layout(case), Layout(case, apart=True)
    moment = seen.forced[3]
    assert relaid(moment, joined, joined) is moment
    other = relaid(moment, joined, apart)
    assert other.params["b"].shape == (4,)
    assert [*other.state] == ["w", "b"]
    assert np.array_equal(other.params["w"].ravel(), moment.params["w+b"][:6])
    assert np.array_equal(other.state["b"]["v"], moment.state["w+b"]["v"][6:])
    assert relaid(seen.free[0]._replace(state=None), joined, apart).state is None


def wrong(*slots, right=()):
    found = [Worst(slot, "w", (0,), 0.0, 1.0, 0.0, 9.0) for slot in slots]
    return Divergence("teacher-forced", 1, found, set(right))


@pytest.mark.parametrize(
    ("rule", "divergence", "tags"),
    [
        ("adam", wrong("v", right=["m", "theta"]), ["adam.3"]),
        ("adam", wrong("theta", right=["m", "v", "t"]), ["adam.4", "adam.5", "adam.6"]),
        ("l2+adam", wrong("m", right=["v", "t"]), ["l2.1", "adam.2"]),
        ("sgd@linear", wrong("theta"), ["sgd.1", "linear.1", "linear.2"]),
    ],
)
def test_the_lines_that_can_have_gone_wrong_are_those_behind_what_is_wrong(rule, divergence, tags):
    truth = SimpleNamespace(case=SimpleNamespace(pipeline=pipeline(rule)))
    assert explain(truth, divergence) == tags


def test_a_match_is_what_its_suspicion_is():
    match = Match(Suspicion("adam", "trap", "betas-swapped", (("adam", "betas-swapped"),)), 1.0)
    assert match.explains
    assert match.tags == ("adam.2", "adam.3", "adam.4", "adam.5")
    assert not Match(match.suspicion, math.nextafter(1, 2)).explains

"""What was got is compared with the truth as its bound says, to the last element and step."""

import inspect
import types

import numpy as np
import pytest

from goldstep.oracle import Arithmetic, Case, judge, observe
from goldstep.oracle.case import Layout
from goldstep.oracle.double import DoubleDouble
from goldstep.oracle.judge import Comparison, at_once, curves, excess, may_be_lost, stacked
from goldstep.oracle.observe import Seen
from goldstep.oracle.place import Place
from goldstep.oracle.rounding import Bounded
from goldstep.oracle.truth import Moment

SHAPES = {"a": (2, 2), "b": (2, 3)}


def layout(rule="adam", shapes=SHAPES):
    zeros = {name: np.zeros(shape) for name, shape in shapes.items()}
    return Layout(Case("zeros", rule, {}, zeros, [zeros], [{}]))


ONE = layout(shapes={"w": (2,)})


def within(value, error=0.25, dtype="float64"):
    """A truth with an error. An implementation may be off by twice that: 0.5, if none is said."""
    value = np.asarray(value, np.float64)
    return Bounded(Arithmetic(dtype), value, np.full(value.shape, error))


def got(*theta, **slots):
    return Moment({"w": np.array(theta)}, {"w": slots} if slots else None)


def off(*errors):
    """A run that is off by so much at each step, of a truth that is 0."""
    return [got(0.0, error) for error in errors]


def true(steps, dtype="float64", *, lost=(), diverges=False, others=()):
    """A truth that is 0 at every step, with no bound at those that are `lost`."""
    errors = [np.inf if t in lost else 0.25 for t in range(1, steps + 1)]
    moments = [Moment({"w": within([0, 0], error, dtype)}, None) for error in errors]
    made = types.SimpleNamespace(
        layout=ONE,
        arithmetic=Arithmetic(dtype),
        case=types.SimpleNamespace(pipeline=types.SimpleNamespace(diverges=diverges)),
        free=lambda: iter(moments),
        golden=lambda: moments,
        forced=lambda starts: iter(moments[: len(starts)]),
    )
    made.in_bfloat16 = lambda: iter([made, *others])
    return made


def free(*errors):
    return Seen(0, off(*errors), [])


def forced(*errors):
    return Seen(2, [], off(*errors))


def test_an_error_counts_in_multiples_of_twice_its_bound():
    assert excess(np.array([1.0, 1.5, 2.0]), within([1, 1, 1])).tolist() == [0, 1, 2]
    exactly = within([1, 1], error=0)
    assert excess(np.array([1.0, 2.0]), exactly).tolist() == [0, np.inf]
    assert excess(np.array([1.0, np.nan]), within([0, 0], error=0.5)).tolist() == [1, np.inf]
    assert excess(np.array([3, 4]), 3).tolist() == [0, np.inf]


def test_in_a_coarse_type_what_has_no_bound_judges_nothing():
    for dtype in ("float16", "bfloat16"):
        unbounded = Bounded(Arithmetic(dtype), np.zeros(2), np.array([0.25, np.inf]))
        assert excess(np.array([0.5, 9.0]), unbounded).tolist() == [1, 0]


def test_what_changes_the_question_is_said_by_name():
    for asked in (excess, Comparison, judge, at_once, observe):
        said = inspect.signature(asked).parameters
        named = [said[name] for name in ("lost", "golden", "place", "free", "xp") if name in said]
        assert {parameter.kind for parameter in named} == {inspect.Parameter.KEYWORD_ONLY}


def test_what_has_no_bound_is_refused_unless_a_run_can_be_lost():
    run, wants = off(0.0), [Moment({"w": within([0, 0], np.inf)}, None)]
    with pytest.raises(OverflowError):
        Comparison(ONE, run[0], wants[0])
    assert Comparison(ONE, run[0], wants[0], lost=True).ratio() == 0
    assert at_once(ONE, run, wants) is None
    assert at_once(ONE, run, wants, lost=True) == 0


def test_what_is_empty_or_unknown_to_the_truth_is_not_compared():
    empty, want = np.zeros((0, 2)), Moment({"w": within([0, 0])}, {"w": {"m": within([])}})
    seen = got(0.0, 0.25, m=empty, other=np.array([7.0]))
    assert Comparison(ONE, seen, want).ratio() == 0.5
    assert at_once(ONE, [seen], [want]) == 0.5
    assert Comparison(ONE, Moment({}, None), want).ratio() == at_once(ONE, [], []) == 0


def test_the_worst_element_of_each_slot_is_named_the_furthest_first():
    both = np.zeros(10)
    seen = {"m": both.copy(), "v": both.copy(), "t": np.array([3.0, 5.0])}
    seen["m"][6], seen["m"][1], seen["v"][3] = 0.75, -0.6, 2.0
    like = {"m": within(both), "v": within(both), "t": 3}
    one, other = Moment({"a+b": both}, {"a+b": seen}), Moment({"a+b": within(both)}, {"a+b": like})
    comparison = Comparison(layout(), one, other)
    assert comparison.wrong() == [
        ("t", "b", (), 5.0, 3.0, 0.0, np.inf),
        ("v", "a", (1, 1), 2.0, 0.0, 0.5, 4.0),
        ("m", "b", (0, 2), 0.75, 0.0, 0.5, 1.5),
    ]
    assert comparison.right() == {"theta"}


def test_an_element_of_a_state_of_its_own_shape_is_named_by_its_own_index():
    seen = {"L": np.array([[0.0, 0.0], [3.0, 0.0]]), "row": np.array([0.0, 2.0])}
    like = {slot: within(np.zeros_like(x)) for slot, x in seen.items()}
    theta = np.zeros((2, 3))
    one, other = Moment({"b": theta}, {"b": seen}), Moment({"b": within(theta)}, {"b": like})
    found = Comparison(layout("soap"), one, other).wrong()
    assert [w[:4] for w in found] == [("L", "b", (1, 0), 3.0), ("row", "b", (1,), 2.0)]


@pytest.mark.parametrize(
    ("errors", "worst"),
    [((1.0, 1.5), "b"), ((1.5, 1.0), "a"), ((1.0, 1.0), "a"), ((0.5, 1.0), "b"), ((0.5, 0), None)],
)
def test_of_one_slot_of_several_tensors_the_furthest_is_named(errors, worst):
    zeros = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    seen = {name: x + error for error, (name, x) in zip(errors, zeros.items(), strict=True)}
    wants = {name: within(x) for name, x in zeros.items()}
    found = Comparison(layout("soap"), Moment(seen, None), Moment(wants, None)).wrong()
    assert [w.tensor for w in found] == ([worst] if worst else [])


@pytest.mark.parametrize(
    ("run", "mode", "ratio"), [(free, "free-running", 1.5), (forced, "teacher-forced", 18)]
)
def test_the_first_wrong_step_is_told_and_what_follows_counts_where_it_was_forced(run, mode, ratio):
    verdict = judge(true(4), run(0.25, 0.5, 0.75, 9.0))
    assert (verdict.ratio, verdict.divergence.step, verdict.divergence.mode) == (ratio, 3, mode)


def test_forced_steps_are_judged_before_a_free_run_and_both_are():
    right, wrong = off(0.25, 0.5), off(0.75, 0.0)
    modes = [
        getattr(judge(true(2), Seen(2, *runs)).divergence, "mode", None)
        for runs in [(right, right), (wrong, right), (right, wrong), (wrong, wrong)]
    ]
    assert modes == [None, "free-running", "teacher-forced", "teacher-forced"]
    assert judge(true(2), Seen(2, off(0.0, 0.5), off(0.0, 0.25))).ratio == 1


def test_nothing_and_what_is_exact_are_no_distance_from_the_truth():
    assert judge(true(2), Seen(0, [], [])) == judge(true(2), free(0.0, 0.0)) == (0, None)
    assert at_once(ONE, off(0.0), list(true(1).free())) == 0


def test_forced_steps_begin_where_it_is_said_that_they_began():
    truth = true(2)
    golden, began = truth.golden(), []
    truth.golden = None
    truth.forced = lambda starts: began.append(starts) or iter(golden)
    assert judge(truth, forced(0.0, 0.0), golden=golden).conforms
    assert began == [golden]


def test_a_run_within_its_bound_is_compared_as_a_whole(monkeypatch):
    monkeypatch.setitem(judge.__globals__, "Comparison", None)
    assert judge(true(3), free(0.25, 0.5, 0.0)).ratio == 1
    assert judge(true(1), forced(0.5)).ratio == 1


def test_of_other_ways_to_round_the_first_that_conforms_is_the_last_that_is_asked():
    def never():
        raise AssertionError

    wrong, right, other = true(1), true(1), types.SimpleNamespace(free=never)
    right.free = lambda: iter([Moment({"w": within([1, 1])}, None)])
    wrong.in_bfloat16 = lambda: iter([wrong, right, other])
    seen = Seen(0, [got(1.0, 1.25)], [])
    assert judge(wrong, seen) == (0.5, None)
    wrong.in_bfloat16 = lambda: iter([wrong, true(1)])
    assert judge(wrong, seen).ratio == 2.5


def test_a_truth_without_a_bound_is_refused_but_behind_a_wrong_step_and_where_runs_are_lost():
    assert judge(true(3, lost={2, 3}), free(0.75, 0.0, 0.0)).divergence.step == 1
    assert judge(true(3, lost={2}), forced(0.75, 0.0, 1.0)).ratio == 2
    for may in ({"dtype": "float32"}, {"diverges": True}):
        assert may_be_lost(true(1, **may))
        assert judge(true(3, lost={2}, **may), free(0.5, 9.0, 0.5)) == (1, None)
        with pytest.raises(OverflowError):
            judge(true(3, lost={2}, **may), forced(0.5, 0.0, 0.0))
    assert not may_be_lost(true(1))
    with pytest.raises(OverflowError):
        judge(true(3, lost={2}), free(0.5, 0.0, 0.0))


def test_a_run_of_fewer_steps_than_its_truth_is_no_run_of_it():
    for ask in (judge, curves):
        with pytest.raises(ValueError, match="longer than argument 1"):
            ask(true(3), free(0.0, 0.0))


def test_a_curve_has_one_ratio_a_step_until_the_truth_has_no_bound():
    seen = Seen(2, off(0.25, 9.0, np.inf, 0.5), off(0.25, 0.0, 0.0, 1 / 3))
    lost = curves(true(4, "float32", lost={2}), seen)
    assert lost == {"teacher-forced": [0.5], "free-running": [0.5, 0.0, None, 1.0]}
    assert list(lost) == ["teacher-forced", "free-running"]
    assert curves(true(4, lost={3}), seen)["free-running"] == [0.5, 18.0]
    assert curves(true(4), seen)["teacher-forced"][-1] == 0.6667
    assert list(curves(true(1), free(0.0))) == ["free-running"]


def test_what_changes_its_kind_on_the_way_is_compared_step_by_step():
    bounded, one = within([0, 0]), np.array([1.0])
    pair = Bounded(Arithmetic("float64"), DoubleDouble(np.zeros(2)), np.zeros(2))
    for column in ([bounded, within(0)], [bounded, 0.0], [3, 3.0], [pair, pair]):
        assert stacked(column, 1) is None
    wants = [Moment({"w": bounded}, {"w": {"t": t}}) for t in (1, 1.5)]
    assert at_once(ONE, [got(0.0, 0.0, t=one), got(0.0, 0.0, t=one)], wants) is None
    assert at_once(ONE, [got(0.0, 0.0), got(0.0)], list(true(2).free())) is None


def test_a_number_stands_beside_those_of_every_parameter_at_every_step():
    laid = stacked([within(1), within(2)], 1)
    assert (laid.value.tolist(), laid.error.tolist()) == ([[1], [2]], [[0.25], [0.25]])
    assert stacked([3], 2).tolist() == [[[3]]]
    assert stacked([within([1, 2])], 1).shape == (1, 2)
    like = [Moment({"w": within([0, 0])}, {"w": {"n": within(n)}}) for n in (1, 2)]
    run = [got(0.0, 0.0, n=np.array([n, n, n + 0.25])) for n in (1, 2)]
    assert at_once(ONE, run, like) == at_once(ONE, run[:1], like[:1]) == 0.5


def test_signs_that_are_arbitrary_are_those_of_the_truth():
    shapes = layout("soap", {"b": (2, 3)})
    turn, theta = np.array([[1.0, 0.0], [0.0, -1.0]]), np.zeros((2, 3))
    one = Moment({"b": theta}, {"b": {"P": turn, "L": turn}})
    for like, wrong in ((np.eye(2), ["L"]), (turn, [])):
        other = Moment({"b": within(theta)}, {"b": {"P": within(like), "L": within(like)}})
        assert [w.slot for w in Comparison(shapes, one, other).wrong()] == wrong
        assert at_once(shapes, [one], [other]) == (4 if wrong else 0)


def test_what_stays_elsewhere_is_compared_there_and_what_is_here_here():
    place = Place("array_api_strict:device1")
    there = Moment({"w": place.array([0.0, 0.25])}, {"w": {"t": np.array([1.0, 1.0])}})
    want = Moment({"w": within([0, 0])}, {"w": {"t": 1}})
    assert at_once(ONE, [there], [want], place=place) == 0.5
    assert judge(true(1), Seen(0, [there._replace(state=None)], []), place=place).ratio == 0.5

"""What each operation brings on of the errors of its operands: all that they can do, and no more.

Here next to nothing is rounded, so that only this is left of a bound.
"""

import itertools
import sys
from fractions import Fraction

import numpy as np
import pytest

from goldstep.oracle import Arithmetic, rounding
from goldstep.oracle.double import DoubleDouble
from goldstep.oracle.rounding import HUGE, LIMIT, TINY, UNIT, Bounded, Doubtful, fits

EXACT = Arithmetic("float32").parts()[1]
EXACT.unit, EXACT.scalar_unit, EXACT.tiny = 2.0**-80, 2.0**-80, 2.0**-900
FLOAT32 = Arithmetic("float32")
SAME = 1 + 2.0**-40
QUIET = pytest.mark.filterwarnings("ignore::RuntimeWarning")
"""As in a replay, where what has no bound is set right, or refused, afterwards."""


def number(value, error=0.0, own=EXACT, *, host=False):
    return Bounded(own, np.float64(value), np.float64(error), host=host)


def array(values, errors=0.0, own=EXACT):
    values = np.float64(values)
    return Bounded(own, values, np.broadcast_to(np.float64(errors), values.shape).copy())


def furthest(function, operands):
    """How far a function goes from where it is, if each operand moves by no more than its error."""
    ways = [
        [np.longdouble(x) + np.longdouble(e) * part for part in np.linspace(-1, 1, 9 if e else 1)]
        for x, e in operands
    ]
    true = function(*(np.longdouble(x) for x, _ in operands))
    return float(max(abs(function(*x) - true) for x in itertools.product(*ways)))


PLAIN = [(x, e) for x in (-3.0, 0.0, 0.5, 2.0) for e in (0.0, 0.25, 0.5, 1.0)]
APART = [(-2.0, 0.5), (1.0, 0.0), (0.5, 0.25), (3.0, 2.5)]
ROOTS = [(0.0, 0.0), (0.5, 0.0), (2.0, 0.0), (0.5, 0.25), (2.0, 0.5), (2.0, 1.875)]
ONES = {
    "a": (PLAIN, 1),
    "-a": (PLAIN, 1),
    "abs(a)": (PLAIN, 2),
    "a * a": (PLAIN, 1),
    "a**2": (PLAIN, 1),
    "a**3": (ROOTS, 1.75),
    "a**1.5": (ROOTS, 1.25),
    "a**1": (ROOTS, 1),
    "a**0.75": (ROOTS, 1),
    "a**0.5": (ROOTS, 1),
    "a**0.25": (ROOTS, 1),
    "a**-1": (ROOTS[1:], 1),
    "a**-0.5": (ROOTS[1:], 1),
    "1 / a": (APART, 1),
    "2**a": ([(-1.5, 0.25), (2.0, 0.5), (3.0, 0.0)], 1),
    "xp.sqrt(a)": (ROOTS, 1),
    "xp.exp(a)": (PLAIN, 1),
    "xp.log(a)": (ROOTS[1:], 1),
    "xp.sin(a)": ([(0.0, 0.25), (1.5, 0.0), (1.5, 0.25), (1.0, 3.0)], 2),
    "xp.cos(a)": ([(0.0, 0.25), (1.5, 0.0), (1.5, 0.25), (1.0, 3.0)], 2),
    "xp.tanh(a)": ([*PLAIN, (0.1, 1.0), (2.0, 0.25)], 2.4),
}
"""Functions of one number, on which numbers, and how many times the furthest may be given."""


@pytest.mark.parametrize("text", ONES)
def test_an_error_is_carried_as_far_as_it_goes_and_hardly_further(text):
    points, room = ONES[text]
    for x, e in points:
        result = eval(text, {"xp": EXACT, "a": number(x, e)})  # noqa: S307
        function = eval(f"lambda a: {text}", {"xp": np})  # noqa: S307
        most = furthest(function, [(x, e)])
        assert result.value == pytest.approx(function(np.float64(x)), rel=2.0**-50, abs=0)
        assert most <= result.error * SAME, (x, e)
        assert result.error <= most * room * SAME + 2.0**-70, (x, e)


TWO = {
    "a + b": (PLAIN, PLAIN, 1),
    "a - b": (PLAIN, PLAIN, 1),
    "a * b": (PLAIN, PLAIN, 1),
    "a / b": (PLAIN, APART, 1),
    "xp.maximum(a, b)": (PLAIN, PLAIN, 1),
    "xp.minimum(a, b)": (PLAIN, PLAIN, 1),
    "a**b": (
        [(0.5, 0.0), (0.5, 0.03125), (3.0, 0.0), (3.0, 0.25), (1.0, 0.03125)],
        [(-1.5, 0.0625), (1.5, 0.03125), (0.25, 0.0625), (2.0, 0.125)],
        1.3,
    ),
    "1 * a**b": ([(0.5, 0.0), (0.5, 0.25), (1.0, 0.5)], [(-1.5, 0.25), (-0.25, 0.0)], 1),
    "xp.atan2(a, b)": (
        [(2.0, 0.0), (2.0, 0.25), (-2.0, 0.125), (0.25, 0.125)],
        [(0.5, 0.0), (0.5, 0.125), (3.0, 1.0), (-1.0, 0.125), (1.5, 0.5)],
        3,
    ),
}


@pytest.mark.parametrize("text", TWO)
def test_two_errors_are_carried_as_far_as_they_go_together_and_hardly_further(text):
    ones, others, room = TWO[text]
    for (x, e), (y, f) in itertools.product(ones, others):
        a, b = number(x, e), number(y, f)
        result = eval(text, {"xp": EXACT, "a": a, "b": b})  # noqa: S307
        where = {"xp": np}
        if "xp." in text:
            where = {"xp": type("", (), {"maximum": max, "minimum": min, "atan2": np.arctan2})}
        function = eval(f"lambda a, b: {text}", where)  # noqa: S307
        most = furthest(function, [(x, e), (y, f)])
        true = function(np.float64(x), np.float64(y))
        assert result.value == pytest.approx(true, rel=2.0**-50, abs=0)
        assert most <= result.error * SAME, (x, e, y, f)
        if "imum" in text:  # of two that may change places the larger error stands
            limit = LIMIT * (e + f)
            apart = e if (x > y) == ("max" in text) else f
            assert result.error == (max(e, f) if abs(x - y) <= limit else apart), (x, e, y, f)
        else:
            assert result.error <= most * room * SAME + 2.0**-70, (x, e, y, f)


LOST = {
    "1 / a": {(1.0, 1.0): np.inf, (1.0, 1.5): np.inf, (-1.0, 1.0): np.inf, (0.0, 0.5): np.inf},
    "0 / a": {(1.0, 1.0): np.inf, (1.0, 1.5): np.inf, (0.5, 0.25): 0.0},
    "xp.log(a)": {(1.0, 1.0): np.inf, (1.0, 3.0): np.inf},
    "xp.sqrt(a)": {(0.25, 0.25): 0.5, (0.01, 0.04): 0.2, (0.0, 0.25): 0.5},
    "a**0.25": {(1.0, 1.0): 1.0, (1.0, 16.0): 2.0, (0.0, 16.0): 2.0, (0.5, 1.0): 1.0},
    "a**0": {(1.0, 4.0): 1.0, (0.0, 4.0): 1.0, (0.0, 0.0): 0.0},
    "a**-1": {(1.0, 1.0): np.inf, (1.0, 2.0): np.inf, (0.0, 0.5): np.inf},
    "a**c": {(1.0, 2.0): 9 + 3, (0.0, 4.0): 16 + 4, (0.0, 0.0): 0.0, (1.0, 1.0): 4 + 2},
    "a**d": {(1.0, 2.0): np.inf, (0.0, 1.0): np.inf, (4.0, 5.0): np.inf, (0.0, 0.0): np.inf},
}
"""What is given where an error is no smaller than its number. No c is below 1, and a d may be 0."""


@QUIET
@pytest.mark.parametrize("text", LOST)
def test_an_error_no_smaller_than_its_number_gives_all_or_no_bound(text):
    exponents = {"c": number(1.5, 0.5, host=True), "d": number(0.5, 0.5, host=True)}
    for (x, e), error in LOST[text].items():
        for given in (array([x], [e]), array([x, 2.0], [e, 0.0])):  # beside one that is not
            result = eval(text, {"xp": EXACT, "a": given, **exponents})  # noqa: S307
            assert result.error[0] == pytest.approx(error, rel=1e-12), (x, e)
            assert np.isfinite(result.error[1:]).all(), (x, e)


def test_of_what_may_be_below_zero_a_root_is_taken_without_a_warning():
    found = EXACT.sqrt(array([0.01, 4.0, 0.0, 0.25], [0.04, 0.0, 0.0, 0.0625]))
    known = [0.2, 0, 0, 0.5 - np.sqrt(0.1875)]
    assert found.error == pytest.approx(known, rel=1e-12, abs=2.0**-70)


@QUIET
def test_zero_to_the_power_of_what_may_be_zero_may_be_one():
    power = array([0.0, 0.0], 0.0) ** array([0.0, 0.0], [0.0, 0.125])
    assert power.value.tolist() == [1, 1]
    assert power.error[0] < 2.0**-70
    assert power.error[1] >= 1


@pytest.mark.parametrize(
    ("y", "x", "error"),
    [
        ((0.0, 0.0), (0.0, 0.0), 0.0),
        ((0.0, 0.0), (-1.0, 0.0), 0.0),
        ((0.0, 0.0), (1.0, 0.0), 0.0),
        ((0.0, 0.5), (0.0, 0.0), 7.0),
        ((0.0, 0.0), (0.0, 0.5), 7.0),
        ((0.0, 0.0), (0.5, 0.5), 7.0),
        ((0.5, 0.5), (-2.0, 0.0), 7.0),  # just on the cut
        ((-0.5, 0.5), (-2.0, 0.0), 7.0),
        ((0.25, 0.5), (-0.75, 0.0), 7.0),
        ((0.5, 0.5), (-3.0, 0.5), 7.0),
        ((0.5, 0.0), (-0.625, 0.5), 0.5 * 0.5 / (np.hypot(0.5, 0.625) - 0.5) ** 2),
        ((0.5, 0.375), (-2.0, 0.0), 2 * 0.375 / (np.hypot(0.5, 2) - 0.375) ** 2),
        ((1.5, 0.75), (2.0, 1.0), (3 * 0.75 + 2.25 * 1) / (2.5 - 1.25) ** 2),
        ((0.0, 0.25), (0.75, 0.0), 0.75 * 0.25 / 0.5**2),
        ((0.0, 0.25), (1.25, 0.0), 1.25 * 0.25 / 1.0**2),
        ((0.0, 0.4375), (0.5, 0.0), 7.0),  # no more than any angle
    ],
)
def test_an_angle_is_any_where_it_can_be_that_of_zero_or_beside_half_a_turn(y, x, error):
    found = EXACT.atan2(number(*y), number(*x)).error
    assert found == pytest.approx(error, rel=1e-12, abs=2.0**-70)


# Each rounding: of numbers without an error.

COUNTED = {
    "a + b": 2,
    "a - b": 0,
    "a * b": 1,
    "s * s": 1,
    "a + a": 2,
    "a + (-a)": 2,
    "a + -(-a)": 2 + 2,
    "a + b * 0.5": 0.5 + 1.5,
    "a + 0.5 * a": 0.5 + 2 + 1.5,
    "a * 0.5 + a": 0.5 + 2 + 1.5,
    "a + 0.0 * a": 1,
    "a + (a + b)": 2 + 2 + 3,
    "a + ((a + b) + b)": 2 + (2 + 3) + (2 + 4),
    "a + (b + (a + b))": 2 + (2 + 3) + (2 + 4),
    "a - (b - (a + b))": 2 + (2 + 1) + (2 + 2),
    "a + 0.5 * (a + b)": 2 * 0.5 + 1 + (2 + 2),
    "a + 0.5 * (0.5 * a)": 0.5 * 0.5 + 0.25 + (2 + 1.25),
    "a + s * a": 1 + (2 + 2),
    "a + a * s": 1 + (2 + 2),
    "a + a * b": 1 + 2,
    "a + z * a": 1,
    "s + s * r": 1 + 2,
    "s + r * s": 1 + 2,
    "s + 0.5 * s": 0.5 + 2 + 1.5,
    "s + s * 0.5": 0.5 + 2 + 1.5,
    "xp.exp(0 * a)": 2,
    "xp.sum(a + 0 * a, axis=0)": 3 * 1 + 2 * 3,
    "xp.mean(0 * a, axis=0)": 0,
    "xp.prod(a)": 5,
    "xp.prod(a, axis=0)": 2,
    "xp.prod(a, axis=1)": 1,
    "xp.prod(a[:1, :1])": 0 + 1,
}
"""Operations on ones, and how many roundings of one they take."""


@pytest.mark.parametrize("text", COUNTED)
def test_so_many_roundings_are_counted_and_no_more(text):
    own = Arithmetic("float32")
    one, two = (own.tensor(np.ones((3, 2))) for _ in "ab")
    numbers = {"s": number(1, own=own), "r": number(1, own=own), "z": number(0, own=own)}
    found = eval(text, {"xp": own, "a": one, "b": two, **numbers})  # noqa: S307
    assert found.error / own.unit == pytest.approx(COUNTED[text] + 0 * found.error, rel=1e-5)


def test_a_rounding_of_what_is_small_is_off_by_no_more_than_all_of_it():
    for value in (0.0, TINY["float32"] / 4, TINY["float32"], 4 * TINY["float32"], 1.0):
        own = FLOAT32.unit * value + min(value, TINY["float32"])
        for found in (FLOAT32.own(np.float64(value)), (array([value], own=FLOAT32) * 1).error[0]):
            assert found == own


def test_what_many_round_to_is_what_each_alone_rounds_to():
    random = np.random.default_rng(0)
    for k in range(-126, -40):
        for value in 2.0**k * (1 + random.uniform(size=12)):
            alone = FLOAT32.rounded(np.full(1, value), np.zeros(1)).error
            many = FLOAT32.rounded(np.full(1025, value), np.zeros(1025)).error
            assert (many == alone).all()


# Reductions: of each lane what it is alone.

AXES = [None, 0, 1, -1, (0, 1), (0, 2), 2]
GIVEN = [(2, 3, 4), (2, 3, 0), (0, 3, 2), (2, 0, 3), (1, 1, 2), (2, 1, 1)]
REDUCED = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min}


def lanes(name, x, e, n, own):
    """What a lane of n numbers gives, and its error, in exact fractions of what is in it."""
    x, e = [Fraction(v) for v in x], [Fraction(v) for v in e]
    unit, total = (
        Fraction(own.unit),
        sum((abs(v) + f for v, f in zip(x, e, strict=True)), Fraction()),
    )
    if name in ("max", "min"):
        return (max if name == "max" else min)(x), max(e)
    if name == "prod":
        value, most = Fraction(1), Fraction(1)
        for v, f in zip(x, e, strict=True):
            value, most = value * v, most * (abs(v) + f)
        error = most - abs(value) + max(n - 2, 0) * unit * most
        return value, error + unit * (abs(value) + error)
    value, roundings = sum(x, Fraction()), min(max(n - 1, 0), Fraction(2 * np.sqrt(n)))
    error = sum(e, Fraction()) + roundings * unit * total
    if name == "mean" and n:
        value, error = value / n, error / n
        error += unit * (abs(value) + error)
    return value, error


@QUIET
@pytest.mark.parametrize("keepdims", [None, False, True])
@pytest.mark.parametrize("name", REDUCED)
def test_along_any_axes_each_lane_is_what_it_is_alone(name, keepdims):
    own = Arithmetic("float32")
    own.tiny = 0.0
    also = {} if keepdims is None else {"keepdims": keepdims}
    for shape, axis in itertools.product(GIVEN, AXES):
        n = int(np.prod(np.array(shape)[np.ravel(axis) if axis is not None else slice(None)]))
        if name in ("max", "min", "mean") and not n:
            continue  # which has no value
        random = np.random.default_rng(1)
        value, error = np.float64(random.integers(-4, 5, shape)), random.integers(0, 3, shape) / 8
        along = {} if axis is None else {"axis": axis}
        found = getattr(own, name)(Bounded(own, value, error), **along, **also)
        true = REDUCED[name](value, axis=axis, keepdims=bool(keepdims))
        assert np.shape(found.value) == np.shape(found.error) == np.shape(true)
        gone = tuple(np.ravel(axis) % 3) if axis is not None else (0, 1, 2)
        kept = [i for i in range(3) if i not in gone]
        flat = [
            np.transpose(x, (*kept, *gone)).reshape([*np.array(shape, int)[kept], n])
            for x in (value, error)
        ]
        for at in np.ndindex(*flat[0].shape[:-1]):
            v, e = lanes(name, flat[0][at], flat[1][at], n, own)
            value_at = np.reshape(found.value, flat[0].shape[:-1])[at]
            error_at = np.reshape(found.error, flat[0].shape[:-1])[at]
            assert value_at == pytest.approx(float(v), rel=1e-14)
            assert error_at == pytest.approx(float(e), rel=1e-12), (shape, axis)


@QUIET
def test_a_mean_of_none_has_the_shape_of_what_is_left():
    assert EXACT.mean(array(np.zeros((3, 0))), axis=0).shape == (0,)
    assert EXACT.sum(array(np.zeros((3, 0)))).error == 0


# What is in doubt: all that can be otherwise, and nothing else.

BITS = [Doubtful(value, doubt) for value in (False, True) for doubt in (False, True)]


def possible(x):
    """The outcomes that there may be of what is in doubt, each of all."""
    pairs = zip(np.ravel(x.value), np.ravel(x.doubt), strict=True)
    return itertools.product(*[(v, not v) if d else (v,) for v, d in pairs])


def test_an_outcome_is_in_doubt_where_there_is_another_one():
    for p, q in itertools.product(BITS, repeat=2):
        for found, of in ((p & q, np.logical_and), (p | q, np.logical_or)):
            every = {bool(of(a, b)) for (a,), (b,) in itertools.product(possible(p), possible(q))}
            assert (found.value == of(p.value, q.value), found.doubt) == (True, len(every) > 1)
    for several in itertools.product(BITS, repeat=3):
        x = Doubtful([p.value for p in several], [p.doubt for p in several])
        for name, of in (("any", np.any), ("all", np.all)):
            found, every = getattr(EXACT, name)(x), {bool(of(a)) for a in possible(x)}
            assert (found.value == of(x.value), found.doubt) == (True, len(every) > 1)


@pytest.mark.parametrize("name", ["any", "all"])
def test_outcomes_are_joined_along_the_axis_that_is_named(name):
    x = Doubtful(np.eye(2, 3) > 0, np.eye(2, 3, 1) > 0)
    for axis, keep in itertools.product((None, 0, 1, (0, 1)), (None, False, True)):
        also = {} if keep is None else {"keepdims": keep}
        found = getattr(EXACT, name)(x, axis=axis, **also)
        true = getattr(np, name)(x.value, axis=axis, keepdims=bool(keep))
        assert np.array_equal(found.value, true)
        assert found.doubt.shape == true.shape
    with pytest.raises(ValueError, match="a branch may not depend"):
        bool(x)


def test_two_numbers_are_apart_beyond_the_limit_of_their_errors_only():
    for compare in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"):
        for x, e, y, f, doubt in [
            (1.0, 0.25, 2.0, 0.25, True),
            (1.0, 0.25, 2.0 + 2.0**-40, 0.25, False),
            (-1.0, 1.0, 3.0 + 2.0**-40, 1.0, False),
            (-1.0, 1.0, 1.0, 0.0, True),
            (1.0, 0.0, 1.0, 0.0, False),
            (1.0, 1.0, 9.0, 3.0, True),
            (1.0, 4.0, 9.0, 0.0, True),
            (1.0, 0.125, 1.0, 0.125, True),
        ]:
            found = getattr(number(x, e), compare)(number(y, f))
            assert found.doubt == doubt
            assert found.value == getattr(np.float64(x), compare)(np.float64(y))


def test_a_sign_is_sure_beyond_the_limit_of_its_error_only():
    x = array([0.0, 0.0, 1.0, -1.0, 1.0, -3.0, 1.0], [0.0, 1.0, 0.5, 0.5, 0.499, 1.0, 1.0])
    found = EXACT.sign(x)
    assert found.value.tolist() == np.sign(x.value).tolist()
    assert (LIMIT * found.error).tolist() == [0, 1, 2, 2, 0, 0, 2]


def test_either_of_two_may_stand_where_a_choice_is_in_doubt():
    x, y = array([1.0, 1.0, 1.0], 0.25), array([4.0, -5.0, 1.0], 0.5)
    for sure, other in ((True, 0.25), (False, 0.5)):
        found = EXACT.where(Doubtful([sure] * 3, [False, True, True]), x, y)
        assert found.value.tolist() == (x if sure else y).value.tolist()
        assert found.error.tolist() == [other, 6 / LIMIT + 0.5, 0.5]
    assert EXACT.where(np.array([True, False, False]), x, y).error.tolist() == [0.25, 0.5, 0.5]


def test_a_step_is_in_doubt_where_the_limit_reaches_another_one():
    values = np.array([0.0, 0.25, 0.5, 0.75, 1.0, -1.25, 2.5])
    for name, e in itertools.product(("floor", "ceil", "round"), (0.0, 0.125, 0.375, 1.0)):
        step, found = getattr(np, name), getattr(EXACT, name)(array(values, e))
        reach = [abs(step(values + s * LIMIT * e) - step(values)) for s in (-1, 1)]
        assert (LIMIT * found.error).tolist() == np.maximum(*reach).tolist()


def test_a_place_among_others_is_in_doubt_by_as_many_as_the_limit_reaches():
    among, x = array([0.0, 1.0, 2.0, 3.0, 7.0]), [1.5, 1.5, 1.0, 1.0, 2.75, 9.0, -4.0, 6.0]
    errors = [0.0, 0.25, 0.0, 2.0**-20, 1.0, 0.5, 2.0, 0.25]
    found = EXACT.searchsorted(among, array(x, errors))
    assert found.value.tolist() == [2, 2, 1, 1, 3, 5, 0, 4]
    assert (LIMIT * found.error).tolist() == [0, 1, 0, 1, 2, 0, 1, 0]
    coarse = Arithmetic("bfloat16")  # and where the others are off, by their own rounding
    near = array([1.0, 1.0 + 2.0**-8, 1.0 + 2.0**-6, 1.25], [0.0, 0.0, 0.0, 0.25], coarse)
    others = array([1.0], 2.0**-9, coarse)
    assert (LIMIT * coarse.searchsorted(others, near).error).tolist() == [1, 1, 0, 1]
    edge = array([-9.0, 2 + 2.0**-7], 0.25, coarse)  # which 1 + 2 * (0.5 + 1.5 * 2^-8) is beyond
    assert (LIMIT * coarse.searchsorted(edge, array([1.0], 0.5, coarse)).error).tolist() == [1]


def test_of_what_is_taken_either_neighbour_may_stand():
    x = array([0.0, 1.0, 4.0, 9.0], [0.125, 0.25, 0.5, 1.0])
    at = Bounded(EXACT, np.array([0, 1, 2, 3, 0, 3, 1]), np.array([0, 0, 0.5, 0, 0.5, 0.5, 1]))
    found = EXACT.take(x, at)
    assert found.value.tolist() == [0, 1, 4, 9, 0, 9, 1]
    assert found.error.tolist() == [0.125, 0.25, 2.5 + 1, 1, 0.5 + 0.25, 2.5 + 0.5, 4 + 1]


# Constants, scalars of the host, and what is held in another type.


def test_a_constant_is_exact_if_eight_bits_hold_it():
    given = np.array([0.0, 129.0, 257.0, 258.0, 0.75, 511.0, -0.1, 1e-42, 2.0**-140])
    held = [True, True, False, True, True, False, False, False, True]
    found = FLOAT32.asarray(given)
    assert found.value.tolist() == given.tolist()
    assert found.error.tolist() == np.where(held, 0.0, FLOAT32.own(abs(given))).tolist()
    assert FLOAT32.eye(2).error.shape == (2, 2)
    assert FLOAT32.eye(2, 3).error.shape == FLOAT32.eye(2, 3).value.shape == (2, 3)
    assert not FLOAT32.eye(2, 3).error.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_scalar_of_the_host_is_rounded_once_where_it_is_not_exact(dtype):
    own = Arithmetic(dtype, "float32")
    for x in (0.1, 3.7, 1e-42):
        once = own.scalar(x)
        assert once.host
        assert once is own.scalar(x)
        assert once.error == pytest.approx(own.scalar_unit * x + own.scalar_tiny, rel=1e-9, abs=0)
        half = once * 0.5
        assert half.host
        assert (half + once).host
        more = once.error / 2
        rounded = own.scalar_unit * (x / 2 + more) + own.scalar_tiny
        assert half.error == pytest.approx(more + rounded, rel=1e-9, abs=0)
        tensor = half + own.tensor(np.ones(2))
        assert not tensor.host
    assert (own.scalar(0.75) * 0.5).error == (own.scalar(0.75) ** 3).error == 0
    assert (own.scalar(0.75) ** 3).host
    assert (own.scalar(0.1) ** 3).host
    assert own.exp(own.scalar(0.0)).host
    exp = own.exp(own.scalar(0.1))
    size = float(exp.value)
    carried = size * np.expm1(own.scalar(0.1).error)
    assert exp.error == pytest.approx(carried + 2 * own.scalar_unit * size, rel=1e-5, abs=0)


def test_at_the_edge_of_the_range_what_is_in_it_has_a_bound():
    edge = HUGE["float32"]
    own = Arithmetic("float32")
    both = own.rounded(np.array([edge, 2 * edge, 1.0]), np.zeros(3)).error
    assert np.isfinite(both).tolist() == [True, False, True]
    rows = own.sum(array([[edge / 2, edge / 2], [edge, edge], [1, 1]], own=own), axis=1).error
    assert np.isfinite(rows).tolist() == [True, False, True]
    assert np.isfinite(own.cast(number(edge, 1.0, own, host=True)).error)
    assert np.isfinite(own.rounded(np.float64(edge), 1.0, host=True).error)
    for value in (2 * edge, np.nan):
        with pytest.raises(OverflowError, match="leaves the range of float32"):
            own.cast(number(value, 1.0, own, host=True))
        with pytest.raises(OverflowError, match="leaves the range of float32"):
            own.rounded(np.float64(value), 1.0, host=True)


def test_what_is_written_is_rounded_once_more_where_its_type_is_coarser():
    x = array([0.0, 1.0, 2.0**-130], [0.0, 0.25, 0.0], FLOAT32)
    for dtype, unit, tiny in (("bfloat16", 2.0**-8, 2.0**-126), ("float16", 2.0**-11, 2.0**-14)):
        most = np.array([0, 1.25, 2.0**-130])
        kept = FLOAT32.stored(x, dtype)
        assert kept.value is x.value
        assert kept.error.tolist() == (x.error + unit * most + np.minimum(most, tiny)).tolist()
    exact = FLOAT32.parts()[1]
    assert FLOAT32.stored(x, "float32") is FLOAT32.stored(x, "float64") is x
    assert exact.stored(x, "bfloat16") is x
    for said, coarser in [
        ({}, False),
        ({"state": "bfloat16"}, True),
        ({"compute": "bfloat16"}, False),
        ({"compute": "float64"}, True),
        ({"compute": "float64", "state": "float64"}, True),
        ({"compute": "bfloat16", "state": "bfloat16"}, False),
    ]:
        assert Arithmetic("float32", **said).coarser == coarser, said


def test_a_tensor_is_off_by_what_it_loses_in_the_type_it_is_computed_in():
    small = TINY["float32"] / 2
    x = np.array([0.0, 1.0, 0.1, small, TINY["float32"]])
    lost = np.array([0, 0, 0, small, 0])
    assert FLOAT32.tensor(x).error.tolist() == lost.tolist()
    assert not Arithmetic("float32", flush=False).tensor(x).error.any()
    assert FLOAT32.tensor(x[:2]).error.tolist() == [0, 0]
    odd = np.array([0.1, small * 1.01])
    for said in ({"compute": "bfloat16"}, {"state": "bfloat16"}):
        found = Arithmetic("float32", **said).tensor(np.append(x[:2], odd)).error
        own = UNIT["bfloat16"] * odd + np.minimum(odd, TINY["bfloat16"])
        assert found.tolist() == [0, 0, *(own + np.array([0, odd[1]]))]
    for part in Arithmetic("float32", compute="bfloat16").parts()[1:]:
        assert part.tensor(odd[:1]).error == 0
    assert not Arithmetic("bfloat16", compute="float32").tensor(odd[:1]).error.any()


def test_its_parts_are_those_of_an_arithmetic_and_nothing_else():
    own = Arithmetic("float32", "bfloat16", products="bfloat16")
    found = [(p.unit, p.scalar_unit, p.tiny, p.scalar_tiny) for p in own.parts()]
    assert found == [
        (own.unit, 0, 0, 0),
        (0, own.scalar_unit, 0, 0),
        (0, 0, own.tiny, own.scalar_tiny),
    ]
    assert [p.operands for p in own.parts()] == [UNIT["bfloat16"], 0, 0]
    assert all(p.scalars is not own.scalars for p in own.parts())


def test_sums_of_products_are_cut_off_where_hardware_cuts_them_off():
    own, n = Arithmetic("float32", products="tf32"), 3
    assert own.operands == 2.0**-11
    assert FLOAT32.operands == Arithmetic("bfloat16", products="tf32").operands == 0
    for most in (1.0, TINY["float32"] / 2):
        flushed = min(most, TINY["float32"])
        assert own.summed(n, most) == n * (2 * 2.0**-24 * most + flushed)
        assert FLOAT32.summed(n, most) == 2 * FLOAT32.own(most)
    for kind, tiny in (("tf32", 2.0**-126), ("float16", 2.0**-14), ("bfloat16", 2.0**-126)):
        coarse = Arithmetic("float32", products=kind)
        x = array([1.0, 2.0**-120], [0.5, 0.0], coarse)
        most = np.array([1.5, 2.0**-120])
        own = coarse.operands * most + np.minimum(most, tiny)
        assert coarse.operand(x).error.tolist() == (x.error + own).tolist()


def test_a_product_of_matrices_brings_on_each_error():
    a, b = array([[1.0, -2.0, 3.0]] * 2, 0.5), array([[1.0], [2.0], [-4.0]], 0.25)
    rows = [(abs(x) + 0.5) * (abs(y) + 0.25) - abs(x * y) for x, y in ((1, 1), (-2, 2), (3, -4))]
    assert (a @ b).error.tolist() == [[sum(rows)]] * 2
    random, own = np.random.default_rng(2), Arithmetic("float32")
    for inner, terms in ((1, 0), (2, 1), (3, 2)):
        x, y = random.uniform(-1, 1, (2, 5, inner)), random.uniform(-1, 1, (2, inner, 1))
        most = (abs(x) + 0.5) @ (abs(y) + 0.25)
        carried = most - abs(x) @ abs(y)
        found = array(x, 0.5, own) @ array(y, 0.25, own)
        rounded = terms * most + abs(x @ y) + carried
        assert (found.error - carried) / own.unit == pytest.approx(rounded, rel=1e-5)


# The vocabulary.


def test_constants_are_laid_out_as_those_of_numpy():
    x = array(np.arange(6.0).reshape(2, 3), np.arange(6).reshape(2, 3) / 8)
    cube = array(np.arange(24.0).reshape(2, 3, 4), np.arange(24).reshape(2, 3, 4) / 8)
    for of in (
        lambda xp, x: xp.flip(x),
        lambda xp, x: xp.roll(x, 1),
        lambda xp, x: xp.expand_dims(x, axis=0),
        lambda xp, x: xp.expand_dims(x, axis=2),
        lambda xp, x: xp.tril(x),
        lambda xp, x: xp.triu(x),
        lambda xp, x: xp.tril(x, k=1),
        lambda xp, x: xp.triu(x, k=-1),
        lambda xp, x: xp.tril(x, k=-1),
        lambda xp, x: xp.concat([x, x]),
        lambda xp, x: xp.stack([x, x]),
        lambda xp, x: xp.concat([x, x], axis=1),
        lambda xp, x: xp.stack([x, x], axis=-1),
        lambda xp, x: xp.zeros_like(x) + 0 * x,
        lambda xp, x: 0 * x + xp.ones_like(x) * 1.0 - xp.ones_like(x),
    ):
        found = of(EXACT, x)
        assert np.array_equal(found.value, of(np, x.value))
        assert found.error == pytest.approx(of(np, x.error), abs=2.0**-70)
    assert EXACT.expand_dims(cube).shape == (1, 2, 3, 4)
    assert EXACT.ones_like(x).value.tolist() == [[1] * 3] * 2
    assert EXACT.full_like(x, 0.5).error.tolist() == [[0] * 3] * 2
    true = np.diagonal(cube.value, axis1=1, axis2=2)
    assert np.array_equal(EXACT.linalg.diagonal(cube).value, true)
    assert EXACT.linalg.trace(cube).value.tolist() == true.sum(-1).tolist()
    fourth = np.arange(24.0).reshape(1, 2, 3, 4)
    assert EXACT.linalg.trace(array(fourth)).value.tolist() == [[15, 51]]
    assert EXACT.sort(array([3.0, 1.0], [0.25, 0.5])).error.tolist() == [0.5, 0.5]
    assert EXACT.sort(array([], [])).shape == (0,)


BY_NAME = {
    **dict.fromkeys(["sum", "mean", "prod", "max", "min", "expand_dims", "flip"], (0,)),
    **dict.fromkeys(["any", "all"], (0,)),
    "tril": (1,),
    "triu": (1,),
    "roll": (1, 0),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_what_the_standard_takes_by_its_name_is_not_taken_by_its_place(name):
    x = Doubtful(np.ones((2, 2)), False) if name in ("any", "all") else array(np.ones((2, 2)))  # noqa: FBT003
    with pytest.raises(TypeError, match="positional"):
        getattr(EXACT, name)(x, *BY_NAME[name])
    for join in (EXACT.concat, EXACT.stack):
        with pytest.raises(TypeError, match="positional"):
            join([array([1.0])], 0)


@pytest.mark.parametrize(
    ("unit", "value", "held"),
    [
        (UNIT["float16"], HUGE["float16"] / 2, True),
        (UNIT["float16"], 4 * HUGE["float16"], False),
        (UNIT["float32"], 2 * HUGE["float32"], False),
        (2.0**-10, 1 + 2.0**-9, True),
        (2.0**-10, 1 + 2.0**-10, False),
        (2.0**-10, 0.5 + 2.0**-11, False),
        (2.0**-10, 0.0, True),
    ],
)
def test_a_number_is_held_by_so_many_bits_or_not(unit, value, held):
    assert fits(value, unit) == fits(np.longdouble(value), unit) == held


def test_a_flag_is_named_and_is_off_where_it_is_not():
    one = np.float64(1)
    for x in (Bounded(EXACT, one, one), EXACT.rounded(one, one), EXACT.function(one, one)):
        assert not x.host
    for call in (
        lambda: rounding.smallest("float32", True),  # noqa: FBT003
        lambda: Bounded(EXACT, one, one, True),  # noqa: FBT003
        lambda: number(1)._sum(number(1), True),  # noqa: FBT003, SLF001
        lambda: EXACT.rounded(one, one, True),  # noqa: FBT003
        lambda: EXACT.function(one, one, True),  # noqa: FBT003
        lambda: Arithmetic("float32", "float32", "float32", "bfloat16"),
    ):
        with pytest.raises(TypeError, match="positional"):
            call()


def test_of_the_types_there_are_two_are_narrow_and_one_is_not_of_numpy(monkeypatch):
    assert [rounding.narrow(dtype) for dtype in UNIT] == [False, False, True, True]
    for dtype in UNIT:
        assert rounding.numpy_dtype(dtype).name == dtype
    with pytest.raises(ValueError, match="dtype 'int8' is not one that cases are replayed in"):
        rounding.numpy_dtype("int8")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    assert rounding.numpy_dtype("float16") == np.float16
    with pytest.raises(ModuleNotFoundError, match="arrays of bfloat16 need ml_dtypes"):
        rounding.numpy_dtype("bfloat16")


def test_a_truth_beyond_float64_is_a_long_double_if_that_has_64_bits():
    long = np.finfo(np.longdouble).nmant >= 63
    assert (rounding.extended() is np.longdouble) == long
    assert Arithmetic("float64").truth is rounding.extended()
    assert [fits(x, UNIT["float64"]) for x in (np.longdouble(0.1), 0.1)] == [True, True]
    assert fits(np.longdouble(1) / 3, UNIT["float64"]) != long
    scalars = [Arithmetic(dtype).scalar_dtype for dtype in UNIT]
    assert scalars == ["float64", "float32", "float32", "float32"]
    for x in (np.longdouble([1, -2]), np.longdouble(-2), np.array([1.0, -2.0])):
        assert rounding.size(x).dtype == rounding.plain(x).dtype == np.float64
        assert rounding.size(x).tolist() == abs(x).tolist()
    assert rounding.plain(x) is x
    one, other = DoubleDouble(3.0, 2.0**-60), DoubleDouble(-2.0, 2.0**-62)
    assert rounding.apart(one, other) == 5
    assert rounding.apart(DoubleDouble(1.0, 2.0**-60), DoubleDouble(1.0, 2.0**-62)) == 3 * 2.0**-62
    assert rounding.apart(DoubleDouble(1.0, 0.0), DoubleDouble(1.0, 2.0**-62)) == -(2.0**-62)
    truths = [Arithmetic(dtype).long().truth for dtype in ("float64", "float32")]
    assert truths == [DoubleDouble, np.float64]


def test_a_quotient_is_rounded_down_to_a_whole_number():
    found = array([7.0, -7.0, 6.0], [0.0, 0.0, 0.5]) // 2.0
    assert found.value.tolist() == [3, -4, 3]
    assert (LIMIT * found.error).tolist() == [0, 0, 1]

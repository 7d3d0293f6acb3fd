"""The bound is sound: no legal arithmetic leaves it. And it is sharp: some come close."""

import ast
import dataclasses
import functools
import importlib
import itertools
import math
import operator
import os
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from goldstep import spec
from goldstep.conformance.cases import cases, draw, rules, tried
from goldstep.oracle import (
    Arithmetic,
    Case,
    Pipeline,
    Stepper,
    Truth,
    diagnose,
    judge,
    link,
    make,
    module,
    observe,
    pipeline,
)
from goldstep.oracle.case import Layout
from goldstep.oracle.double import DoubleDouble
from goldstep.oracle.judge import excess
from goldstep.oracle.rounding import HUGE, LIMIT, TINY, UNIT, Bounded, fits, plain
from goldstep.oracle.rules import FACTOR, PROFILES, ROUTE, on_matrices, readings
from goldstep.oracle.sampling import Noise, Noisy

ROOT = Path(__file__).parent.parent
FLOAT32 = Arithmetic("float32")
EXAMPLES = settings(derandomize=True, deadline=None, database=None, max_examples=100)

# Single operations, against exact rational arithmetic.

SLACK = 1 + 2.0**-45
"""The error is itself a rounded number."""

ORDERS = 1 + 2.0**-20
"""The error of several roundings is only one of first and second order."""


class Operand(NamedTuple):
    """A true number, its stated error, and what an implementation holds in float32."""

    value: float
    error: float
    held: float


def above(x: Fraction) -> float:
    """A float no smaller than x."""
    y = float(x)
    return y if Fraction(y) >= x else math.nextafter(y, math.inf)


SIZES = [0.0, 1.0, -1.0, 0.1, 0.75, 1 - 2.0**-24, 1 + 2.0**-23, 3e-8, 2.0**-126, 2.0**-149]
ANY = st.floats(-(2.0**50), 2.0**50, width=32) | st.sampled_from([*map(float, np.float32(SIZES))])
AWAY = st.floats(2.0**-50, 2.0**50, width=32)
OFF = [0.0, 0.0, 2.0**-50, 2.0**-24, -(2.0**-24), 2.0**-23, -(2.0**-9), 0.25, -0.5, 2.0]


@st.composite
def operands(draw, numbers=ANY):
    held = draw(numbers)
    value = held * (1 + draw(st.sampled_from(OFF)))
    if draw(st.integers(0, 9)) == 0:
        value += draw(numbers)
    wide = draw(st.sampled_from([1, 1, 1, 1.5, 100]))
    return Operand(value, above(abs(Fraction(held) - Fraction(value))) * wide, held)


def bounded(given, part=1.0):
    """Operands as one array of the oracle, each with a `part` of its error."""
    values, errors, held = map(np.array, zip(*given, strict=True))
    return Bounded(FLOAT32, values, errors * part), held.astype(np.float32)


def scalar(x: Operand):
    """An operand that is computed on the host, where it may be held more exactly."""
    found = Bounded(FLOAT32, np.float64(x.value), np.float64(x.error), host=True)
    return found, [np.float32(x.held), np.float64(x.held), np.float64(x.value + x.error)]


def flushed(x):
    """`x` where whatever is below the normal numbers becomes zero."""
    return np.where(np.abs(x) < TINY["float32"], 0, x)


def neighbour(x, exact):
    """The normal float32 on the other side of the exact number that was rounded to x."""
    beyond = (Fraction(float(x)) - exact) * (abs(exact) >= TINY["float32"])
    return x if not beyond else np.nextafter(x, np.float32(-math.inf if beyond > 0 else math.inf))


def assert_within(got, result, true, limit=1):
    """Each number that was got lies within the error of the result, and of the exact truth."""
    elements = [np.ravel(x) for x in np.broadcast_arrays(got, result.value, result.error)]
    for x, value, error, exact in zip(*elements, true, strict=True):
        if math.isfinite(error):
            room = limit * Fraction(float(error)) * Fraction(SLACK)
            assert abs(Fraction(float(x)) - Fraction(float(value))) <= room
            assert abs(Fraction(float(x)) - exact) <= room


def assert_rounds(operation, result, held, true):
    """An operation on what is held stays within the result's error, however it is rounded."""
    got = operation(*held)
    for x in (got, flushed(got)):
        assert_within(x, result, true)
    exact = [operation(*map(Fraction, x)) for x in zip(*map(floats, held), strict=True)]
    beside = [neighbour(x, y) for x, y in zip(np.ravel(got), exact, strict=True)]
    assert_within(beside, result, true, limit=2)  # rounded to the farther neighbour, so twice


def floats(x):
    return np.ravel(x).tolist()


BASIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def pairs(operation):
    """Two operands; the second is certainly not zero if it divides."""
    if operation != "/":
        return st.tuples(operands(), operands())
    divisor = operands(AWAY | AWAY.map(operator.neg))
    return st.tuples(operands(), divisor.filter(lambda q: q.error <= abs(q.value) / 2))


@pytest.mark.parametrize("operation", BASIC)
@EXAMPLES
@given(st.data())
def test_an_operation_on_tensors_stays_within_its_error(operation, data):
    drawn = data.draw(st.lists(pairs(operation), min_size=1, max_size=6))
    operate = BASIC[operation]
    (a, x), (b, y) = (bounded(side) for side in zip(*drawn, strict=True))
    result = operate(a, b)
    true = [operate(Fraction(p.value), Fraction(q.value)) for p, q in drawn]
    assert_rounds(operate, result, (x, y), true)


@pytest.mark.parametrize("first", ["host", "tensor"])
@pytest.mark.parametrize("operation", BASIC)
@EXAMPLES
@given(st.data())
def test_an_operation_of_a_host_scalar_and_a_tensor_stays_within_its_error(operation, first, data):
    p, q = data.draw(pairs(operation))
    operate = BASIC[operation]
    host, tensor = (p, q) if first == "host" else (q, p)
    (a, many), (b, y) = scalar(host), bounded([tensor])
    result = operate(a, b) if first == "host" else operate(b, a)
    true = [operate(Fraction(p.value), Fraction(q.value))]
    for x in many:
        held = np.float32([x])
        assert_rounds(operate, result, (held, y) if first == "host" else (y, held), true)


@pytest.mark.parametrize("operation", BASIC)
@EXAMPLES
@given(st.data())
def test_an_operation_of_host_scalars_stays_within_its_error(operation, data):
    p, q = data.draw(pairs(operation))
    operate = BASIC[operation]
    (a, narrow), (b, wide) = scalar(p), scalar(q)
    result = operate(a, b)
    assert result.host
    exact, true = operate(Fraction(p.value), Fraction(q.value)), Fraction(float(result.value))
    assert abs(true - exact) <= abs(exact) * Fraction(2.0**-53)
    for x, y in zip(narrow, wide, strict=True):
        assert_within(operate(x, y), result, [true])
        assert_within(np.float32(operate(x, y)), FLOAT32.cast(result), [true])


NUMBERS = st.sampled_from([0.9, 0.999, 0.1, 1e-3, 1e-8, 0.0, 1.0, 2.0, 0.875, 3.0, 1e-42, 1e-60])


@EXAMPLES
@given(NUMBERS | st.floats(-(2.0**60), 2.0**60), operands())
def test_a_plain_number_is_rounded_where_it_meets_a_tensor(number, operand):
    tensor, x = bounded([operand])
    for operate in (operator.add, operator.sub, operator.mul):
        one, other = Fraction(number), Fraction(operand.value)
        got, result = operate(np.float32(number), x), operate(number, tensor)
        assert_within(got, result, [operate(one, other)])
        got, result = operate(x, np.float32(number)), operate(tensor, number)
        assert_within(got, result, [operate(other, one)])


POWERS = st.sampled_from([0.0, 0.5, 0.75, 0.875, 0.9, 0.99, 0.999, 0.9999, 1 - 2.0**-20])


@EXAMPLES
@given(POWERS | st.floats(0, 1), st.integers(1, 3000))
def test_a_power_of_a_host_scalar_stays_within_its_error(base, exponent):
    x = FLOAT32.scalar(base)
    result, held = x**exponent, np.float32(base)
    true = [Fraction(float(result.value))]
    for got in (held ** np.float32(exponent), np.float64(base) ** exponent):
        assert_within(got, result, true)
    if x.error:  # then its own error outweighs that of a running product
        product = math.prod([held] * exponent, start=np.float32(1))
        assert_within(flushed(product), result, true, limit=ORDERS)


@EXAMPLES
@given(st.lists(operands(), min_size=1, max_size=4))
def test_a_power_of_a_tensor_stays_within_its_error(drawn):
    small = [p for p in drawn if abs(p.value) < 2.0**40]
    assume(small)
    a, x = bounded(small)
    assert_within(x * x, a**2, [Fraction(p.value) ** 2 for p in small])
    cubes = [Fraction(p.value) ** 3 for p in small]
    for got in (x * x * x, x ** np.float32(3)):
        assert_within(flushed(got), a**3, cubes)


def root(x: float) -> Fraction:
    """The square root to 60 digits."""
    return Fraction(Context(prec=60).sqrt(Decimal(x)))


@EXAMPLES
@given(st.lists(operands(ANY.map(abs)), min_size=1, max_size=4), operands(ANY.map(abs)))
def test_a_root_stays_within_its_error(drawn, single):
    true = [root(p.value) for p in drawn]
    a, x = bounded(drawn)
    with np.errstate(divide="ignore", invalid="ignore"):
        for result in (FLOAT32.sqrt(a), a**0.5):
            got = np.sqrt(x)
            for y in (got, flushed(got)):
                assert_within(y, result, true)
            beside = [neighbour(y, root(float(h))) for y, h in zip(got, x, strict=True)]
            assert_within(beside, result, true, limit=2)
        host, many = scalar(single)
        for h in many:
            assert_within(np.sqrt(h), FLOAT32.sqrt(host), [root(single.value)])


def orders(x):
    """Sums of a few numbers in every order, one after the other, and of all ways to halve them."""
    for order in itertools.permutations(x):
        yield sum(order, start=np.float32(0))
        for cut in range(1, len(order)):
            yield sum(order[:cut], start=np.float32(0)) + sum(order[cut:], start=np.float32(0))


@EXAMPLES
@given(st.lists(operands(), min_size=1, max_size=5))
def test_a_sum_stays_within_its_error_in_any_order(drawn):
    a, x = bounded(drawn)
    result = FLOAT32.sum(a)
    true = [sum(Fraction(p.value) for p in drawn)]
    for got in {float(s) for s in orders(x)}:
        assert_within(got, result, true, limit=ORDERS)


SMALLEST = st.integers(-9, 9).map(lambda k: k * 2.0**-127)


@EXAMPLES
@given(st.lists(SMALLEST, min_size=1, max_size=5))
def test_a_sum_stays_within_its_error_where_each_small_number_is_flushed(numbers):
    total, true = np.float32(0), [sum(map(Fraction, numbers))]
    for x in np.float32(numbers):
        total = flushed(total + flushed(x))
    one, other = FLOAT32.tensor(numbers), FLOAT32.tensor(np.ones(len(numbers)))
    assert_within(total, FLOAT32.sum(one), true)
    assert_within(total, one @ other, true)


@EXAMPLES
@given(st.integers(1, 5), st.data())
def test_a_product_of_matrices_stays_within_its_error_in_any_order(n, data):
    left = data.draw(st.lists(operands(), min_size=2 * n, max_size=2 * n))
    right = data.draw(st.lists(operands(), min_size=n, max_size=n))
    (a, x), (b, y) = bounded(left), bounded(right)
    shaped = Bounded(FLOAT32, a.value.reshape(2, n), a.error.reshape(2, n))
    result = shaped @ Bounded(FLOAT32, b.value.reshape(n, 1), b.error.reshape(n, 1))
    for row in range(2):
        held = x.reshape(2, n)[row]
        true = sum(
            Fraction(p.value) * Fraction(q.value)
            for p, q in zip(left[row * n : row * n + n], right, strict=True)
        )
        one = Bounded(FLOAT32, result.value[row], result.error[row])
        for got in {float(s) for s in orders(held * y)}:
            assert_within(got, one, [true], limit=ORDERS)
        total = np.float32(0)
        for p, q in zip(held, y, strict=True):
            total = np.float32(np.float64(p) * np.float64(q) + np.float64(total))
        assert_within(total, one, [true], limit=ORDERS)


def exact(x) -> Fraction:
    return Fraction(*np.longdouble(x).as_integer_ratio())


POSITIVE = st.floats(2.0**-20, 2.0**20, width=32)
ANGLES = st.floats(-40, 40, width=32)
FUNCTIONS = {
    "exp": (np.exp, ANGLES),
    "log": (np.log, POSITIVE),
    "cos": (np.cos, ANGLES),
    "sin": (np.sin, ANGLES),
    "tanh": (np.tanh, ANGLES),
    **{
        f"power {y}": (functools.partial(lambda y, x: x**y, y), POSITIVE)
        for y in (-3, -1, -0.8, -0.5, -0.25, 0, 0.25, 0.8, 1, 1.5, 3)
    },
}
"""Functions with the numbers on which they are tried; a long double knows them all but exactly."""


@pytest.mark.parametrize("name", FUNCTIONS)
@EXAMPLES
@given(st.data())
def test_a_function_stays_within_its_error(name, data):
    function, domain = FUNCTIONS[name]
    drawn = data.draw(st.lists(operands(domain), min_size=1, max_size=4))
    host, many = scalar(drawn[0])
    a, x = bounded(drawn)
    of = (lambda y: y ** float(name[6:])) if " " in name else getattr(FLOAT32, name)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        long = [function(np.longdouble(y)) for y in x]
        known = [i for i, y in enumerate(long) if np.isfinite(y) and abs(y) < HUGE["float32"]]
        result, got = of(a), np.float32(long)
        true = [exact(function(np.longdouble(a.value[i]))) for i in known]
        one = Bounded(FLOAT32, result.value[known], result.error[known])
        beside = [neighbour(got[i], exact(long[i])) for i in known]
        assert_within(got[known], one, true)
        assert_within(beside, one, true)
        assert_within(function(x)[known], one, true, LIMIT)
        if 0 in known and abs(drawn[0].value) + drawn[0].error < 80:
            value = exact(function(np.longdouble(drawn[0].value)))
            for y in many:
                assert_within(np.float32(function(np.longdouble(y))), of(host), [value])


@EXAMPLES
@given(st.lists(st.tuples(operands(), operands()), min_size=1, max_size=4))
def test_an_angle_stays_within_its_error(drawn):
    (a, x), (b, y) = (bounded(side) for side in zip(*drawn, strict=True))
    result = FLOAT32.atan2(a, b)
    true = [exact(v) for v in np.arctan2(np.longdouble(a.value), np.longdouble(b.value))]
    assert_within(np.float32(np.arctan2(np.longdouble(x), np.longdouble(y))), result, true)


EXPONENTS = operands(st.floats(-3, 3, width=32))


@EXAMPLES
@given(st.data())
def test_a_power_whose_exponent_is_off_stays_within_its_error(data):
    base, exponent = data.draw(operands(POSITIVE)), data.draw(EXPONENTS)
    assume(base.error < base.value / 2)
    (a, x), (y, many) = bounded([base]), scalar(exponent)
    true = [exact(np.longdouble(base.value) ** np.longdouble(exponent.value))]
    assume(all(abs(v) < 2**60 for v in true))
    for held in many:
        got = np.float32(np.longdouble(x) ** np.longdouble(np.float32(held)))
        assert_within(got, a**y, true)
    whole, (n,) = FLOAT32.tensor([2.0]), (exponent,)
    true = [exact(np.longdouble(2) ** np.longdouble(n.value))]
    for held in many:
        assert_within(np.float32(np.longdouble(2) ** np.longdouble(held)), whole**y, true)
        assert_within(np.float32(np.longdouble(2) ** np.longdouble(held)), 2**y, true)


@EXAMPLES
@given(st.lists(operands(ANY | st.floats(-4, 4, width=32)), min_size=1, max_size=4))
def test_a_step_function_stays_within_its_error_and_within_the_limit(drawn):
    a, x = bounded(drawn, part=SLACK / LIMIT)
    for name in ("floor", "ceil", "round"):
        result, step = getattr(FLOAT32, name)(a), getattr(np, name)
        assert_within(step(x), result, [Fraction(v) for v in floats(step(a.value))], LIMIT)
        assert not result.error[a.error == 0].any()


@EXAMPLES
@given(st.lists(operands(st.floats(-4, 4, width=32)), min_size=1, max_size=4))
def test_a_mean_and_a_product_stay_within_their_error_in_any_order(drawn):
    a, x = bounded(drawn)
    mean = [sum(Fraction(p.value) for p in drawn) / len(drawn)]
    for got in {float(s) for s in orders(x)}:
        for divided in (np.float32(got) / np.float32(len(drawn)), np.float32(got / len(drawn))):
            assert_within(flushed(divided), FLOAT32.mean(a), mean, limit=ORDERS)
    true = [math.prod(Fraction(p.value) for p in drawn)]
    for order in itertools.permutations(x):
        product = functools.reduce(lambda p, q: flushed(p * q), order)
        assert_within(product, FLOAT32.prod(a), true, limit=ORDERS)


@EXAMPLES
@given(st.lists(operands(), min_size=1), operands(), operands())
def test_clipping_stays_within_its_error_and_within_the_limit(drawn, least, most):
    (a, x), (b, y), (c, z) = (bounded(d, 1 / LIMIT) for d in (drawn, [least], [most]))
    true = [Fraction(v) for v in floats(np.minimum(np.maximum(a.value, b.value), c.value))]
    assert_within(np.minimum(np.maximum(x, y), z), FLOAT32.clip(a, b, c), true, LIMIT)
    assert_within(x.min(), FLOAT32.min(a), [Fraction(float(a.value.min()))], LIMIT)
    assert FLOAT32.clip(a).value is a.value


@EXAMPLES
@given(st.lists(st.tuples(operands(), operands()), min_size=1, max_size=4))
def test_an_outcome_that_no_doubt_can_change_is_certain(drawn):
    (a, x), (b, y) = (bounded(side, part=SLACK / LIMIT) for side in zip(*drawn, strict=True))
    p, q, r, t = a > 0, b > 0, x > 0, y > 0
    for outcome, held in [
        (p & q, r & t),
        (p | q, r | t),
        (~p, ~r),
        (FLOAT32.any(p), r.any()),
        (FLOAT32.all(p), r.all()),
    ]:
        assert (outcome.doubt | (outcome.value == held)).all()
    assert not (p & FLOAT32.all(FLOAT32.zeros_like(a) > 0)).doubt.any()
    assert not (p | FLOAT32.any(FLOAT32.ones_like(a) > 0)).doubt.any()


X = FLOAT32.tensor(np.arange(12.0).reshape(3, 4)) / 3
MOVED = {
    "slice": lambda _, x: x[1:, ::2],
    "row": lambda _, x: x[1],
    "new axis": lambda _, x: x[:, None],
    "ellipsis": lambda _, x: x[..., 0],
    "transpose": lambda _, x: x.T,
    "matrix transpose": lambda xp, x: xp.matrix_transpose(x[None].mT),
    "reshape": lambda xp, x: xp.reshape(x, (2, 6)),
    "permute": lambda xp, x: xp.permute_dims(x, (1, 0)),
    "expand": lambda xp, x: xp.expand_dims(x, axis=1),
    "squeeze": lambda xp, x: xp.squeeze(x[:1], 0),
    "broadcast": lambda xp, x: xp.broadcast_to(x, (2, 3, 4)),
    "flip": lambda xp, x: xp.flip(x, axis=0),
    "roll": lambda xp, x: xp.roll(x, 1, axis=0),
    "lower": lambda xp, x: xp.tril(x),
    "upper": lambda xp, x: xp.triu(x, k=1),
    "concat": lambda xp, x: xp.concat([x, -x[::-1]], axis=1),
    "stack": lambda xp, x: xp.stack([x, x], axis=1),
    "diagonal": lambda xp, x: xp.linalg.diagonal(x),
}


@pytest.mark.parametrize("name", MOVED)
def test_what_is_only_moved_keeps_its_error(name):
    result, move = MOVED[name](FLOAT32, X), MOVED[name]
    assert np.array_equal(result.value, move(np, X.value))
    assert np.array_equal(result.error, abs(move(np, X.error)))
    assert result.shape == result.value.shape == result.error.shape
    assert result.size == result.value.size


def test_a_trace_is_a_sum():
    square = X @ X.T
    assert FLOAT32.linalg.trace(square).value == np.trace(square.value)
    assert FLOAT32.linalg.trace(square).error > np.trace(square.error)
    assert np.array_equal((FLOAT32.eye(3) @ X).value, X.value)


ORDERED = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
PAIRS = st.tuples(operands(), operands()) | operands().map(lambda p: (p, p))


@EXAMPLES
@given(st.lists(PAIRS, min_size=1))
def test_extremes_stay_within_their_error_and_within_the_limit(drawn):
    for limit in (1, LIMIT):
        (a, x), (b, y) = (bounded(side, part=1 / limit) for side in zip(*drawn, strict=True))
        for exact, choose in ((FLOAT32.maximum, np.maximum), (FLOAT32.minimum, np.minimum)):
            result = exact(a, b)
            true = [Fraction(v) for v in floats(choose(a.value, b.value))]
            assert_within(choose(x, y), result, true, limit)
        assert_within(np.abs(x), FLOAT32.abs(a), [abs(Fraction(p[0].value)) for p in drawn], limit)
        largest = FLOAT32.max(a)
        assert_within(x.max(), largest, [Fraction(float(a.value.max()))], limit)


def test_what_is_exact_on_a_coarser_host_is_rounded_once_there_and_a_factor_twice():
    coarse, fine = Arithmetic("float64", "float32"), Arithmetic("float32", "float64")
    for own, unit in ((coarse, UNIT["float32"]), (fine, 0.0)):
        left = own.cast(1 - own.scalar(0.75) ** 2)
        assert unit * 0.4375 <= left.error <= unit * 0.4375 * (1 + 2.0**-20)
        assert own.cast(own.scalar(0.4375)).error == 0
    theta, g = coarse.tensor([3.0]), coarse.tensor([1.0])
    after = theta - coarse.scalar(0.5) * (g + coarse.scalar(0.25) * theta)
    assert 6 * UNIT["float32"] <= after.error[0] <= 6 * UNIT["float32"] * (1 + 2.0**-20)


@pytest.mark.parametrize("dtype", UNIT)
def test_what_is_given_as_no_number_has_no_bound(dtype):
    given = Arithmetic(dtype).tensor([1.0, np.inf, -np.inf, np.nan])
    assert given.error.tolist() == [0, np.inf, np.inf, np.inf]


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (0,), (3,)])
def test_what_is_lifted_keeps_its_shape(dtype, shape):
    for arithmetic in (Arithmetic(dtype), Arithmetic(dtype).long()):
        for x in (arithmetic.tensor(np.ones(shape)), arithmetic.zeros(shape)):
            assert np.shape(x.value) == np.shape(x.error) == x.shape == shape
    assert DoubleDouble(np.ones(shape)).shape == shape


def test_extremes_tell_two_doubles_apart_that_begin_alike():
    long, low = Arithmetic("float64").long(), 2.0**-60 * np.array([-1.0, 0.0, 1.0])
    a, b = (np.ravel(x) for x in np.meshgrid(low, low))
    x, y = (Bounded(long, DoubleDouble(np.ones(9), part), np.zeros(9)) for part in (a, b))
    assert np.array_equal(long.maximum(x, y).value.low, np.maximum(a, b))
    assert np.array_equal(long.minimum(x, y).value.low, np.minimum(a, b))


@EXAMPLES
@given(st.lists(PAIRS, min_size=1))
def test_a_comparison_that_the_limit_can_turn_is_in_doubt(drawn):
    (a, x), (b, y) = (bounded(side, part=1 / LIMIT) for side in zip(*drawn, strict=True))
    for compare in ORDERED:
        outcome = compare(a, b)
        assert (outcome.doubt | (outcome.value == compare(x, y))).all()
        assert not outcome.doubt[(a.error == 0) & (b.error == 0)].any()


@EXAMPLES
@given(st.lists(st.tuples(operands(), operands(), operands()), min_size=1))
def test_a_choice_and_a_sign_stay_within_the_limit(drawn):
    (a, x), (b, y), (c, z) = (bounded(side, part=1 / LIMIT) for side in zip(*drawn, strict=True))
    result = FLOAT32.where(c > 0, a, b)
    true = [Fraction(v) for v in floats(np.where(c.value > 0, a.value, b.value))]
    assert_within(np.where(z > 0, x, y), result, true, LIMIT)
    signs = [Fraction(v) for v in floats(np.sign(c.value))]
    assert_within(np.sign(z), FLOAT32.sign(c), signs, LIMIT)


# Whole rules: legal ways to compute them, against the truth and its bound.


def fused(a, b, c):
    """a * b + c, rounded once."""
    return (np.multiply(a, b, dtype=np.longdouble) + c).astype(c.dtype)


def unsteady(x):
    """Numbers off by a unit in the last place, some up and some down, as a GPU's may be."""
    way = np.resize(np.array([np.inf, -np.inf, -np.inf, np.inf, np.inf], x.dtype), x.shape)
    return np.where(x == 0, x, np.nextafter(x, way))


def one_by_one(x):
    """A sum from the last element to the first."""
    return np.cumsum(np.append(np.ravel(x), x.dtype.type(0))[::-1], dtype=x.dtype)[-1]


def product(b, t):
    """A power that is kept from step to step."""
    return math.prod([b] * t, start=b**0)


HELP = {"fused": fused, "unsteady": unsteady, "one_by_one": one_by_one, "product": product}


def average(new, b, x="g", old=None):
    old = old or new
    return [
        f"{new} = (1 - {b}) * ({x}) + {b} * {old}",
        f"{new} = {old} + (1 - {b}) * ({x} - {old})",
        f"{new} = fused({b}, {old}, (1 - {b}) * ({x}))",
    ]


ADAM = [
    "lr * (m_hat / (xp.sqrt(v_hat) + eps))",
    "lr * m_hat * (1 / (xp.sqrt(v_hat) + eps))",
    "lr * unsteady(m_hat / (unsteady(xp.sqrt(v_hat)) + eps))",
    "lr / (1 - b1**t) * (m / (xp.sqrt(v) / (1 - b2**t) ** 0.5 + eps))",
    "lr * (1 - b2**t) ** 0.5 / (1 - b1**t) * (m / (xp.sqrt(v) + eps * (1 - b2**t) ** 0.5))",
]
MOMENTS = {
    2: average("m", "b1"),
    3: average("v", "b2", "g * g"),
    4: ["m_hat = m * (1 / (1 - b1**t))", "m_hat = m / (1 - product(b1, t))"],
    5: ["v_hat = v * (1 / (1 - b2**t))", "v_hat = v / (1 - product(b2, t))"],
}
CLIP = {
    1: [
        "norm = xp.sqrt(sum(xp.sqrt(xp.sum(x * x)) ** 2 for x in g.values()))",
        "norm = xp.sqrt(sum(one_by_one(x * x) for x in g.values()))",
        "norm = xp.sqrt(one_by_one(xp.concat([xp.reshape(x * x, (-1,)) for x in g.values()])))",
    ],
    2: ["scale = xp.minimum(max_norm / norm, 1.0)"],
    3: [
        "g = {name: x / xp.maximum(norm / max_norm, 1.0) for name, x in g.items()}",
        "g = {name: x / norm * max_norm if norm > max_norm else x for name, x in g.items()}",
    ],
}
ROOT_OF = ["lr * (g / (xp.sqrt({0}) + eps))", "lr / (xp.sqrt({0}) + eps) * g"]
ROOT_OF += [
    "lr * g * (1 / (xp.sqrt({0}) + eps))",
    "lr * unsteady(g / (unsteady(xp.sqrt({0})) + eps))",
]
WAYS = {
    "sgd": {1: ["theta = theta + (-lr) * g", "theta = fused(-lr, g, theta)"]},
    "heavy_ball": {
        1: [
            "v = -lr * (mu * (v / -lr) + g)",
            "v = fused(mu, v, -lr * g)",
            "v = -(lr * g - mu * v)",
        ],
        2: ["theta = v + theta"],
    },
    "adagrad": {
        1: ["G = g**2 + G", "G = fused(g, g, G)"],
        2: [f"theta = theta - {step}".format("G") for step in ROOT_OF],
    },
    "rmsprop": {
        1: average("v", "rho", "g * g"),
        2: [f"theta = theta - {step}".format("v") for step in ROOT_OF],
    },
    "adam": MOMENTS | {6: [f"theta = theta - {step}" for step in ADAM]},
    "adamw": MOMENTS
    | {
        6: [
            *[f"theta = theta * (1 - lr * wd) - {step}" for step in ADAM],
            *[f"theta = theta - lr * wd * theta - {step}" for step in ADAM[:1]],
        ]
    },
    "lion": {
        1: average("c", "b1", old="m"),
        2: [
            "theta = theta * (1 - lr * wd) - lr * xp.sign(c)",
            "theta = theta - lr * wd * theta - lr * xp.sign(c)",
            "theta = fused(-lr, fused(wd, theta, xp.sign(c)), theta)",
        ],
        3: average("m", "b2"),
    },
    "clip_by_global_norm": CLIP,
}
"""How else the lines of a rule may be written, by the number of the equation."""

RULES = [*[rule for rule in WAYS if rule != "clip_by_global_norm"], "clip_by_global_norm+adam"]


def rewritten(rule, k, host):
    """An implementation of a rule that says each line in its k-th other way; at 0, as it is."""
    stages = []
    for stage in pipeline(rule).stages:
        ways = WAYS[stage.name] if k else {}
        lines = {f"{stage.name}.{n}": said[k % len(said)] for n, said in ways.items()}
        stages.append(stage._replace(module=link.variant(stage.module, lines, HELP)))

    def begin(_, hyper, params):
        return Stepper(
            Pipeline(rule, tuple(stages)), {n: host(x) for n, x in hyper.items()}, params
        )

    return begin


def gradients(random, rule, hyper, steps, n):
    """Eight kinds of gradients: plain, of all sizes, rare, in bursts, constant, alternating, such
    as to cancel what the rule remembers, and none."""
    keep = hyper.get("beta1", hyper.get("momentum", 0.5))
    lose = -hyper["lr"] if rule == "heavy_ball" else 1 - keep
    base, sizes = random.normal(size=n), 10.0 ** random.uniform(-7, 3, size=n)
    state = make(rule, hyper, {"": np.zeros((1, n))})
    for t in range(steps):
        g = random.normal(size=(8, n))
        g[1] *= sizes
        g[2] *= random.uniform(size=n) < 0.1
        g[3] *= 1e4 if t % 5 == 3 else 1
        g[4:6] = base, base * (-1) ** t
        if t % 2 and (m := state.state()[""].get("v" if rule == "heavy_ball" else "m")) is not None:
            g[6:7] = -keep / lose * m
        g[7] = 0
        yield g
        given = next(draw(pipeline(rule), [{"": g[6:7]}])) if pipeline(rule).given else {}
        state({"": g[6:7]}, **given)


def problem(rule, profile, seed, steps=16, n=96):
    """A case of three tensors, with parameters of the size of a step and much larger ones."""
    random, hyper = np.random.default_rng(seed), pipeline(rule).profile(profile)

    def parts(x):
        x = np.float64(np.float32(x))
        parted = {"a": x[:, :64].reshape(32, 16), "b": x[:, 64:], "none": x[:0, 0]}
        return {k: part for k, part in parted.items() if pipeline(rule).takes(part.shape)}

    theta = random.normal(size=(8, n)) * random.choice([hyper.get("lr", 1.0), 1.0], size=(8, n))
    grads = [parts(g) for g in gradients(random, rule, hyper, steps, n)]
    given = list(draw(pipeline(rule), grads)) if pipeline(rule).given else ()
    return Case(f"{rule}/{profile}", rule, hyper, parts(theta), grads, [{}] * steps, given)


def worst(truth, implementation):
    """The largest error over the bound without its limit: teacher-forced, and free-running."""
    seen = observe(truth, implementation)
    runs = seen._replace(free=[]), seen._replace(forced=[])
    return [LIMIT * judge(truth, run).ratio for run in runs]


@pytest.mark.parametrize(
    ("dtype", "hosts"), [("float32", [float, np.float32]), ("float64", [float])]
)
@pytest.mark.parametrize("rule", RULES)
def test_every_legal_way_to_compute_a_rule_is_within_the_limit(rule, dtype, hosts):
    elements = 0
    for seed, profile in enumerate(PROFILES):
        case = problem(rule, profile, seed)
        truth = Truth(case, Arithmetic(dtype))
        for k, host in itertools.product(range(7), hosts):
            ratios = worst(truth, rewritten(rule, k, host))
            assert max(ratios) <= LIMIT, (profile, k, host)
            elements += 2 * sum(x.size for g in case.grads for x in g.values())
    assert elements > 500_000 * len(hosts)


@pytest.mark.parametrize("rule", RULES)
def test_scalars_in_float32_beside_tensors_in_float64_are_within_the_limit(rule):
    for seed, profile in enumerate(PROFILES):
        truth = Truth(problem(rule, profile, seed), Arithmetic("float64", "float32"))
        for k, host in itertools.product(range(7), (float, np.float32)):
            assert max(worst(truth, rewritten(rule, k, host))) <= LIMIT, (profile, k, host)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rule", ["sgd", "heavy_ball", "adagrad", "rmsprop", "adam", "adamw"])
def test_the_bound_is_sharp(rule, profile):
    truth = Truth(problem(rule, profile, 0, n=512), Arithmetic("float32"))
    forced, _ = worst(truth, rewritten(rule, 0, np.float32))
    assert 0.5 < forced <= 1


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_bound_of_sums_products_and_powers_is_reached_and_not_left(n):
    x, y = np.random.default_rng(n).normal(size=(2, 100_000, n)).astype(np.float32)
    a, b = FLOAT32.tensor(x), FLOAT32.tensor(y)
    rows = np.cumsum(x * y[:1], axis=1, dtype=np.float32)[:, -1]
    unsure = Bounded(FLOAT32, 0 * a.value, abs(a.value))
    for got, result in [
        (np.cumsum(x, axis=1)[:, -1], FLOAT32.sum(a, axis=1)),
        (np.cumsum(abs(x), axis=1)[:, -1], FLOAT32.sum(unsure, axis=1)),
        (rows, a @ Bounded(FLOAT32, b.value[0], b.error[0])),
        (x * x * x, a**3),
    ]:
        ratios = abs(got - result.value) / result.error
        assert 0.5 < ratios.max() <= 1 + 1e-9


@pytest.mark.parametrize("n", [6, 64, 768, 4096])
def test_a_long_sum_of_unequal_numbers_stays_within_its_error(n):
    for seed in range(50):
        x = np.random.default_rng(seed).normal(size=n).astype(np.float32)
        for y in (x, x * x, np.sort(x * x), np.sort(x * x)[::-1]):
            result = FLOAT32.sum(FLOAT32.tensor(y))
            for got in (np.sum(y), one_by_one(y)):
                assert abs(np.float64(got) - result.value) <= LIMIT * result.error


# The bound is linear in the three units, and never left.

ELEMENTWISE = ["sgd", "adagrad", "rmsprop", "adam", "adamw"]


@pytest.mark.parametrize("profile", ["default", "dyadic"])
@pytest.mark.parametrize("rule", ELEMENTWISE)
def test_the_bound_of_any_arithmetic_is_a_combination_of_three(rule, profile):
    truth = Truth(problem(rule, profile, 0, steps=4), Arithmetic("float32"))
    golden = truth.golden()
    coefficients = list(truth.coefficients(golden))
    for unit, scalar in itertools.product((2.0**-24, 2.0**-26), repeat=2):
        other = Truth(truth.case, Arithmetic("float32"))
        own = other.arithmetic
        own.unit, own.scalar_unit = unit, scalar
        for moment, found in zip(other.forced(golden), coefficients, strict=True):
            for group, slot, x in moment.slots():
                if isinstance(x, int):
                    continue
                u, us, eta = found[group, slot]
                linear = unit * u + scalar * us + own.tiny * eta
                room = 1e-3 * linear + 4 * own.tiny
                assert (abs(x.error - linear) <= room).all(), (slot, unit, scalar)


TIMES = 16 if "GOLDSTEP_WHOLE" in os.environ else 2
"""On so many sets of random gradients: more than ten million numbers; by hand, of each rule."""


@pytest.mark.parametrize("rule", ["sgd", "adagrad", "rmsprop", "adam"])
def test_exact_arithmetic_that_is_moved_legally_never_leaves_the_bound_and_comes_close(rule):
    most, elements = 0.0, 0
    for seed, profile in enumerate(PROFILES * TIMES):
        truth = Truth(problem(rule, profile, seed, n=1024), Arithmetic("float32"))
        for host in (float, np.float32):
            seen = observe(truth, rewritten(rule, 0, host), free=False)
            most = max(most, LIMIT * judge(truth, seen).ratio)
            elements += sum(x.size for m in seen.forced for _, _, x in m.slots())
    assert elements > 700_000 * TIMES
    assert 0.9 <= most <= 1


# What is exact, what is in doubt, and what is refused.

UNTROUBLED = pytest.mark.filterwarnings(
    "ignore:invalid value:RuntimeWarning",
    "ignore:divide by zero:RuntimeWarning",
    "ignore:overflow:RuntimeWarning",
)
"""Truth is replayed so: what divides by zero there is set right, or refused, afterwards."""


@UNTROUBLED
def test_exact_zeros_stay_exact():
    zero, one = FLOAT32.tensor(np.zeros((2, 2))), FLOAT32.tensor(np.ones((2, 2)))
    decayed = 0.9 * zero + (1 - FLOAT32.scalar(0.9)) * zero
    for result in [
        decayed,
        decayed / (FLOAT32.sqrt(decayed**2) + 1e-8),
        zero @ one,
        FLOAT32.sum(zero),
        FLOAT32.sign(decayed),
        FLOAT32.abs(decayed),
        FLOAT32.maximum(zero, 0.0),
        FLOAT32.where(zero > 0, one, decayed),
        FLOAT32.zeros_like(one),
        FLOAT32.full_like(one, 0.0),
    ]:
        assert not result.value.any()
        assert not result.error.any()


NOT_ON_MATRICES = [
    r
    for r in rules()
    if pipeline(r).stages and not (pipeline(r).matrices_only or pipeline(r).alone)
]


@UNTROUBLED
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rule", NOT_ON_MATRICES)
def test_a_coordinate_that_never_had_a_gradient_keeps_an_exact_state(rule, profile):
    case = problem(rule, profile, 0, steps=3)
    nothing = [{name: 0 * x for name, x in g.items()} for g in case.grads]
    still = {name: 0 * x for name, x in case.params.items()}
    given = [
        {k: x if isinstance(x, float) else {n: 0 * v for n, v in x.items()} for k, x in now.items()}
        for now in (draw(pipeline(rule), nothing) if pipeline(rule).given else ())
    ]
    case = Case(case.id, rule, case.hyper, still, nothing, case.changes, given)
    for moment in Truth(case, FLOAT32).free():
        for _, slot, x in moment.slots():
            if not isinstance(x, int | float) and not x.value.any():
                assert not x.error.any(), slot


def test_the_sign_of_what_rounding_can_turn_is_any():
    c = Bounded(FLOAT32, np.array([2.0, -2.0, 0.0, 4.0, 0.0]), np.array([1.0, 1.0, 1.0, 1.0, 0.0]))
    signs = FLOAT32.sign(c)
    assert signs.value.tolist() == [1, -1, 0, 1, 0]
    for sign in (-1, 0, 1):
        assert (abs(sign - signs.value) <= LIMIT * signs.error).tolist()[:3] == [True] * 3
    assert signs.error.tolist()[3:] == [0, 0]


def test_what_is_below_the_normal_numbers_may_be_flushed_and_has_any_sign():
    x = FLOAT32.tensor([2.0**-140, 0.0, 2.0**-126])
    assert x.error.tolist() == [2.0**-140, 0, 0]
    assert LIMIT * FLOAT32.sign(x).error[0] >= 1
    assert Arithmetic("float64").tensor([2.0**-140]).error == 0


@UNTROUBLED
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_truth_out_of_range_is_refused(dtype):
    xp = Arithmetic(dtype)
    x, zero, one = (xp.tensor(np.full(2, v)) for v in (HUGE[dtype], 0.0, 1.0))
    for beyond in [
        x + x,
        -2 * x,
        x / 0.25,
        1 / zero,
        zero / zero,
        zero**-0.5,
        xp.log(zero),
        xp.sqrt(zero - 1),
        xp.sum(x),
    ]:
        # What comes of it has no bound either, whatever becomes of its value.
        then = [beyond, one / beyond, zero * beyond, xp.minimum(beyond, one), xp.sign(beyond)]
        then += [xp.where(one > 0, beyond, zero), beyond[None], xp.max(beyond), xp.floor(beyond)]
        for result in then:
            assert not np.isfinite(result.error).any()
            if dtype == "bfloat16":  # there it judges nothing, and is no mistake of the case
                assert not excess(result.value, result).any()
                continue
            with pytest.raises(OverflowError, match="has no bound, or leaves its type"):
                excess(result.value, result)
        assert (beyond > 1).doubt.all()
    assert (0.5 * x).value[0] == HUGE[dtype] / 2


@UNTROUBLED
def test_what_is_not_chosen_has_no_part_in_it():
    x, one = FLOAT32.tensor([0.0, 4.0, 0.0]), FLOAT32.ones_like(FLOAT32.tensor([1.0] * 3))
    for result in (
        FLOAT32.where(x > 0, one / x, 0.0),
        FLOAT32.where(x == 0, 0.0, one / x),
        FLOAT32.where(np.array([False, True, False]), FLOAT32.log(x) / FLOAT32.log(x) / x, 0.0),
    ):
        assert result.value.tolist() == [0, 0.25, 0]
        assert result.error[[0, 2]].tolist() == [0, 0]
        assert 0 < result.error[1] < 1e-6
    unsure = Bounded(FLOAT32, np.zeros(1), np.ones(1))
    assert not np.isfinite(FLOAT32.where(unsure > 0, one[:1] / unsure, 0.0).error).any()


def test_a_scalar_out_of_range_is_refused():
    with pytest.raises(OverflowError, match="the truth leaves the range of float32"):
        FLOAT32.scalar(1e39)
    with pytest.raises(OverflowError, match="the truth leaves the range of float32"):
        Arithmetic("float32", "float64").scalar(1e39) * FLOAT32.tensor(np.ones(2))


@UNTROUBLED
def test_a_divisor_that_may_be_zero_makes_the_error_infinite():
    one, error = FLOAT32.tensor([1.0] * 4), np.array([0.5, 1.0, 1.5, 0.0])
    quotient = one / Bounded(FLOAT32, np.ones(4), error)
    assert np.isinf(quotient.error).tolist() == [False, True, True, False]


@UNTROUBLED
def test_the_error_of_a_root_is_half_as_large_or_the_root_of_all():
    x = Bounded(FLOAT32, np.array([4.0, 0.01, 0.0]), np.array([0.01, 0.04, 0.25]))
    error = FLOAT32.sqrt(x).error
    assert error == pytest.approx([0.0025, 0.2, 0.5], rel=0.01)


def test_a_branch_on_a_doubtful_comparison_is_refused():
    unsure = Bounded(FLOAT32, np.float64(1), np.float64(0.5))
    for doubtful in (unsure > 2, unsure < 2, unsure == 1, FLOAT32.tensor([1.0, 2.0]) > 0):
        with pytest.raises(ValueError, match="a branch may not depend"):
            bool(doubtful)
    assert unsure > -1
    assert not unsure > 4
    assert FLOAT32.scalar(0.5) == 0.5
    assert FLOAT32.scalar(0.5) != 0.25


EVERY = spec.every()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dyadic_scalars_carry_no_error(dtype):
    arithmetic = Arithmetic(dtype, "float32")
    for kind, name in EVERY:
        for row in spec.load(kind, name)["hyper"].values():
            for profile in ("dyadic", "amplified"):
                x = arithmetic.scalar(row[profile])
                for y in (x, 1 - x, x**2, 0.5 * x, arithmetic.cast(x)):
                    assert not y.error, (name, row)
    for x in (0.9, 1e-3, 1e-8):
        assert arithmetic.scalar(x).error > 0


def test_a_scalar_is_exact_only_where_it_is_exact():
    x = FLOAT32.scalar(0.875)
    assert not (x**8).error
    assert (x**9).error > 0  # 27 bits
    assert (FLOAT32.scalar(1.0) / 3).error > 0
    assert (FLOAT32.scalar(2.0**-30) + 1).error > 0
    assert not Arithmetic("float64").scalar(0.9).error
    assert (1 - Arithmetic("float64", "float32").scalar(0.9)).error > 2**-26


def test_a_scalar_is_rounded_once_more_where_it_meets_a_coarser_tensor():
    arithmetic = Arithmetic("bfloat16")
    x = arithmetic.scalar(1 - 2.0**-12)
    assert not x.error
    assert arithmetic.cast(x).error >= 2.0**-12
    assert not arithmetic.cast(arithmetic.scalar(0.9375)).error
    assert arithmetic.full_like(arithmetic.tensor([0.0, 0.0]), 0.9).error.min() >= 2.0**-9


@pytest.mark.parametrize(
    ("value", "fitting"),
    [
        (0.75, {"float64", "float32", "float16", "bfloat16"}),
        (0.0, {"float64", "float32", "float16", "bfloat16"}),
        (-255.0, {"float64", "float32", "float16", "bfloat16"}),
        (257.0, {"float64", "float32", "float16"}),
        (2049.0, {"float64", "float32"}),
        (1 + 2.0**-23, {"float64", "float32"}),
        (1 + 2.0**-24, {"float64"}),
        (0.9, {"float64"}),
        (1e39, {"float64"}),
        (2.0**-126, {"float64", "float32", "bfloat16"}),
        (2.0**-149, {"float64", "float32", "bfloat16"}),
    ],
)
def test_fits_tells_which_types_hold_a_number(value, fitting):
    assert {dtype for dtype, unit in UNIT.items() if fits(value, unit)} == fitting
    assert {dtype for dtype, unit in UNIT.items() if fits(np.longdouble(value), unit)} == fitting


# The nearest number of a code book: a step between two of them.

BOOK = [-1.0, -0.7, 0.0, 0.1, 0.3, 1.0]


def nearest(x):
    """As the reference takes it."""
    xp = x.__array_namespace__()
    book = xp.asarray(BOOK, dtype=x.dtype, device=x.device)
    return xp.take(book, xp.searchsorted((book[1:] + book[:-1]) / 2, x))


@EXAMPLES
@given(st.floats(-1.5, 1.5, width=32), st.sampled_from([0.0, 2.0**-24, 2.0**-9, 0.2, 3.0]))
def test_no_code_that_rounding_can_reach_is_outside_of_the_bound(value, error):
    found = nearest(Bounded(FLOAT32, np.float64([value]), np.float64([error])))
    assert found.value == nearest(np.float64([value]))
    for held in value + error * np.linspace(-1, 1, 9):
        got = nearest(np.float32([held]))
        assert abs(got - found.value) <= LIMIT * found.error * SLACK


def test_a_code_is_in_doubt_only_where_rounding_can_turn_it():
    x = Bounded(FLOAT32, np.float64([0.65, 0.651, 0.125]), np.float64([1e-6, 1e-6, 0.0]))
    found = nearest(x)
    assert found.value.tolist() == [0.3, 1.0, 0.1]
    assert (LIMIT * found.error).round(6).tolist() == [0.7, 0.0, 0.0]


def test_a_code_in_doubt_may_be_as_the_type_holds_it():
    found = nearest(Bounded(FLOAT32, np.float64([-0.850001]), np.float64([1e-5])))
    got = float(nearest(np.float32([-0.849999]))[0])  # -0.7, which float32 holds somewhat nearer 0
    assert found.value.tolist() == [-1.0]
    assert -0.7 < got <= -1.0 + LIMIT * found.error[0]


def test_a_constant_that_every_type_holds_is_exact():
    held = FLOAT32.asarray([0.0, 1.0, -0.75, 0.1])
    assert held.error[:3].tolist() == [0, 0, 0]
    assert held.error[3] >= abs(float(np.float32(0.1)) - 0.1)


# The vocabulary: no reference, dialect or trap may use what the bound does not know.


def code():
    """All code there is on arrays, doctests aside, as (whether it is sampled, tree)."""
    for kind, name in EVERY:
        sampled = kind == "iterations" and on_matrices(name)
        yield sampled, ast.parse(link.source(module(name)))
        for said in readings(name).values():
            for line in said["code"].values():
                yield sampled, ast.parse(line.strip())


OPERATORS = {
    ast.Add: "__add__",
    ast.Sub: "__sub__",
    ast.Mult: "__mul__",
    ast.Div: "__truediv__",
    ast.Pow: "__pow__",
    ast.MatMult: "__matmul__",
}
HYPER = {
    name for kind, rule in EVERY for of in ("hyper", "state") for name in spec.load(kind, rule)[of]
}


def unknown(sampled, node):
    """Whether a node of the code is an operation that the bound, or the sampling, does not know."""
    xp, array = (Noise(0.0), Noisy) if sampled else (FLOAT32, Bounded)
    if isinstance(node, ast.BinOp):
        name = OPERATORS.get(type(node.op))
        # Else it is of whole numbers, or joins the tensors of a model or two comparisons.
        return bool(name) and not hasattr(array, name)
    if not isinstance(node, ast.Attribute):
        return False
    of = ast.unparse(node.value)
    if of == "xp" or of.startswith("namespace("):
        return not hasattr(xp, node.attr)
    if of == "xp.linalg":
        return not hasattr(xp.linalg, node.attr)
    known = node.attr in ("items", "values", *HYPER) or of == "sets"  # of coefficients
    return not known and not hasattr(array, node.attr)


def test_every_operation_of_the_vocabulary_is_bounded():
    assert {p.stem for p in (ROOT / "reference").rglob("[!_]*.py")} == {name for _, name in EVERY}
    said = {ast.unparse(n) for sampled, t in code() for n in ast.walk(t) if unknown(sampled, n)}
    assert not said


SMALL = ("scalar", "column", "wide", "empty", "all", "factor")
"""The tensors of a small case: one of each kind of shape, a vector of all, or a schedule's."""


def small(rule, steps):
    """The first steps of a case of the suite, on a few of its tensors, all of which have gradients.

    Where rounding may turn nothing, it is one in which nothing is near to turning.
    """
    among = [c for c in cases(rule) if "/amplified" in c.id and "absences" not in c.id]
    case = among[0]
    names = [name for name in case.params if name in SMALL]

    def few(tensors):
        return {
            k: {name: x[name] for name in names} if isinstance(x, dict) else x
            for k, x in tensors.items()
        }

    return dataclasses.replace(
        case,
        params={name: case.params[name] for name in names},
        grads=[{name: g[name] for name in names} for g in case.grads[:steps]],
        changes=case.changes[:steps],
        given=[few(given) for given in case.given[:steps]],
    )


@pytest.mark.parametrize("rule", rules())
def test_every_dialect_and_trap_runs_on_arrays_with_errors(rule):
    case = small(rule, steps=2)
    for name in tried(rule) | {*pipeline(rule).rules} - {ROUTE}:
        for said, reading in readings(name).items():
            judged = False
            for moment in Truth(case, FLOAT32, {name: said}, Layout(case, apart=True)).free():
                for _, slot, x in moment.slots():
                    if isinstance(x, Bounded):
                        bound = np.isfinite(x.error)
                        assert np.isfinite(x.value[bound]).all(), (said, slot)
                        judged = judged or bound.any()
            # A mistake may leave the numbers there are: then it has no bound.
            assert judged or "seen" in reading, said


# Where a long double is no longer than a double, the truth is two doubles.

LONG = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="a long double is a double here"
)


def test_truth_in_float64_is_a_long_double_or_two_doubles(monkeypatch):
    assert Arithmetic("float32").truth is np.float64
    assert Arithmetic("bfloat16").truth is np.float64
    monkeypatch.setattr(np, "longdouble", np.float64)
    narrow = Arithmetic("float64")
    assert narrow.truth is DoubleDouble
    assert not narrow.scalar(0.9).error
    for t in range(2, 40):  # whatever its last bits are, a power of 0.9 is a rounded number
        assert (narrow.scalar(0.9) ** t).error > 0
    assert not (1 - narrow.scalar(0.875) ** 4).error


@LONG
@pytest.mark.parametrize("rule", rules())
def test_both_ways_give_the_same_truth(rule, monkeypatch):
    case = small(rule, steps=4)
    long = Truth(case, Arithmetic("float64"))
    # The bound of an arithmetic that rounds as a long double does.
    fine = Arithmetic("float64")
    fine.unit = fine.scalar_unit = 2.0**-64 + 2.0**-100
    monkeypatch.setattr(np, "longdouble", np.float64)
    double = Truth(case, Arithmetic("float64"))
    assert double.arithmetic.truth is DoubleDouble
    monkeypatch.undo()
    golden = long.golden()
    runs = [truth.forced(golden) for truth in (long, double, Truth(case, fine))]
    # Iterations are not bounded so finely. Their errors are spreads, of copies that the shorter
    # type rounds as well, so that it is the size of all that is the same.
    iterated = any(spec.kind_of(r) == "iterations" for r in pipeline(rule).rules)
    compared = 0
    for moments in zip(*runs, strict=True):
        for (_, slot, x), (_, _, y), (_, _, bound) in zip(
            *(m.slots() for m in moments), strict=True
        ):
            if isinstance(x, int | float):
                assert x == y
                continue
            two = y.value
            assert isinstance(two, DoubleDouble), slot
            off = abs(np.asarray(two.high - x.value, np.float64) + two.low)
            room = 2.0**-40 * np.abs(two.high).max(initial=0) if iterated else bound.error
            assert (off <= room).all(), slot
            if iterated:
                x_size, y_size = np.linalg.norm(x.error), np.linalg.norm(y.error)
                assert abs(x_size - y_size) <= 0.1 * x_size, slot
            else:
                np.testing.assert_allclose(x.error, y.error, rtol=1e-3, err_msg=slot)
            compared += off.size
    assert compared


# Where a vector is long, it is computed in blocks, and its truth in float64 is two doubles.

IN_BLOCKS = [
    rule
    for rule, stages in zip(rules(), map(pipeline, rules()), strict=True)
    if stages.stages and stages.scope == "element" and not stages.given
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", IN_BLOCKS)
def test_a_long_vector_has_the_truth_and_the_bound_of_a_short_one(rule, dtype, monkeypatch):
    case = small(rule, steps=3)
    short = list(Truth(case, Arithmetic(dtype)).free())
    monkeypatch.setattr(importlib.import_module("goldstep.oracle.truth"), "BLOCK", 7)
    monkeypatch.setattr(importlib.import_module("goldstep.oracle.rounding"), "MANY", 3)
    long = Truth(case, Arithmetic(dtype))
    assert long.arithmetic.truth is (np.float64 if dtype == "float32" else DoubleDouble)
    compared = 0
    for one, other in zip(short, long.free(), strict=True):
        for (_, slot, x), (_, _, y) in zip(one.slots(), other.slots(), strict=True):
            if isinstance(x, int | float):
                assert x == y
                continue
            off = abs(plain(y.value - x.value))
            assert (off <= 2.0**-9 * x.error).all(), slot
            np.testing.assert_allclose(y.error, x.error, rtol=1e-13, err_msg=slot)
            compared += off.size
    assert compared


# A schedule may go from rate to rate.


def chained(truth):
    """The largest error over the bound of rates that are computed each from the last."""
    golden, before, most = truth.golden(), None, 0.0
    for start, after in zip(golden, truth.forced(golden), strict=True):
        x, old = after.params[FACTOR], start.params[FACTOR]
        if before is not None and before.value:
            got = old * (np.float64(x.value) / np.float64(before.value))
            most = max(most, float(excess(got, x)))
        before = x
    return most


@pytest.mark.parametrize("rule", [*spec.names("schedules"), "linear_warmup@exponential"])
def test_a_rate_that_is_computed_from_the_last_is_within_the_limit(rule):
    for case in cases(rule):
        assert chained(Truth(case, Arithmetic("float64"))) <= 1, case.id


def test_what_a_schedule_starts_from_is_rounded_once(monkeypatch):
    schedules = importlib.import_module("goldstep.conformance.adapters._torch_around")
    (case,) = (c for c in cases("linear_warmup@exponential") if "dyadic" in c.id)

    def most():
        truth = Truth(case, Arithmetic("float64"))
        seen = observe(truth, schedules.Schedule, free=False)
        assert isinstance(diagnose(truth, seen, deep=False), list)  # a step that is all but right
        return judge(truth, seen).ratio

    assert most() <= 1
    monkeypatch.setattr(importlib.import_module("goldstep.oracle.truth"), "START", 0.0)
    assert most() > 1

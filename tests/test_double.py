"""Two doubles are as good as a long double, and better: the oracle's other truth."""

import math
import operator
from decimal import Context, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from goldstep.oracle.double import DoubleDouble

EXAMPLES = settings(derandomize=True, deadline=None, database=None, max_examples=200)
UNIT = Fraction(DoubleDouble.unit)


def exact(x):
    return Fraction(float(x.high)) + Fraction(float(x.low))


@st.composite
def numbers(draw, least=-(2.0**100), most=2.0**100):
    high = draw(st.floats(least, most).filter(lambda x: x == 0 or abs(x) > 2.0**-100))
    return DoubleDouble(high, high * draw(st.floats(-(2.0**-54), 2.0**-54)))


BASIC = [operator.add, operator.sub, operator.mul, operator.truediv]


@pytest.mark.parametrize("operation", BASIC)
@EXAMPLES
@given(numbers(), numbers())
def test_an_operation_is_exact_to_74_bits_and_a_sum_to_102(operation, a, b):
    assume(operation is not operator.truediv or float(b))
    got, true = exact(operation(a, b)), operation(exact(a), exact(b))
    if operation in (operator.add, operator.sub):
        assert abs(got - true) <= Fraction(2.0**-102) * (abs(exact(a)) + abs(exact(b)))
    else:
        assert abs(got - true) <= UNIT * abs(true)


@EXAMPLES
@given(st.floats(-(2.0**100), 2.0**100), st.floats(-(2.0**100), 2.0**100))
def test_a_sum_of_two_doubles_is_exact(a, b):
    assert exact(DoubleDouble(a) + DoubleDouble(b)) == Fraction(a) + Fraction(b)


@EXAMPLES
@given(numbers(), numbers(), st.integers(-3, 3))
def test_order_and_steps_are_those_of_the_exact_numbers(a, b, n):
    for x, y in ((a, b), (a, a), (DoubleDouble(1.0, 2.0**-60), DoubleDouble(1.0))):
        for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq):
            assert compare(x, y) == compare(exact(x), exact(y))
        assert exact(np.maximum(x, y)) == max(exact(x), exact(y))
        assert exact(np.minimum(x, y)) == min(exact(x), exact(y))
    assert exact(abs(a)) == abs(exact(a))
    for x in (a, DoubleDouble(float(n), 2.0**-60), DoubleDouble(n + 0.5, -(2.0**-60))):
        assert exact(np.floor(x)) == math.floor(exact(x))
        assert exact(np.ceil(x)) == math.ceil(exact(x))
        assert exact(np.round(x)) == round(exact(x))


PRECISE = Context(prec=60)


def decimal(x):
    return PRECISE.divide(Decimal(exact(x).numerator), Decimal(exact(x).denominator))


def tanh(x):
    grown = Fraction(PRECISE.exp(PRECISE.multiply(2, x)))
    return 1 - 2 / (grown + 1)


KNOWN = {
    np.sqrt: (PRECISE.sqrt, 2.0**-60, 2.0**60),
    np.log: (PRECISE.ln, 2.0**-60, 2.0**60),
    np.exp: (PRECISE.exp, -300.0, 300.0),
    np.tanh: (tanh, -20.0, 20.0),
}


@pytest.mark.parametrize("function", KNOWN)
@EXAMPLES
@given(st.data())
def test_a_function_is_exact_to_66_bits_and_a_root_to_74(function, data):
    known, least, most = KNOWN[function]
    x = data.draw(numbers(least, most))
    assume(float(x) or function is not np.log)
    got, true = exact(function(x)), Fraction(known(decimal(x)))
    # Near 1 a logarithm is small: then its error is one of its argument.
    unit = UNIT if function is np.sqrt else Fraction(2.0**-66)
    assert abs(got - true) <= unit * max(abs(true), function is np.log)


@settings(EXAMPLES, max_examples=40)
@given(numbers(-40.0, 40.0), numbers(2.0**-10, 40.0))
def test_angles_are_exact_to_66_bits(x, y):
    c, s = np.cos(x), np.sin(x)
    assert abs(exact(c * c + s * s) - 1) <= 2.0**-66
    close = np.arctan2(s, c) - x
    turns = round(float(close.high) / (2 * math.pi))
    assert abs(exact(np.cos(close)) - 1) <= 2.0**-66
    assert abs(float(close.high) - 2 * math.pi * turns) <= 1e-12
    theta, far = np.arctan2(x, y), np.sqrt(x * x + y * y)
    assert abs(exact(far * np.sin(theta) - x)) <= 2.0**-60
    np.testing.assert_allclose([c.high, s.high], [np.cos(x.high), np.sin(x.high)], atol=1e-14)


@EXAMPLES
@given(numbers(2.0**-10, 2.0**10), st.integers(-6, 6), st.floats(-3, 3))
def test_a_power_is_exact_to_66_bits(x, n, y):
    assert abs(exact(x**n) / exact(x) ** n - 1) <= 2.0**-66
    true = Fraction(PRECISE.exp(PRECISE.multiply(Decimal(y), PRECISE.ln(decimal(x)))))
    assert abs(exact(x**y) / true - 1) <= 2.0**-66


def test_sums_products_and_extremes_go_over_any_axes():
    random = np.random.default_rng(0)
    x = DoubleDouble(random.normal(size=(2, 3, 5)), 1e-18 * random.normal(size=(2, 3, 5)))
    for name in ("sum", "prod", "max", "min"):
        for axis in (None, 0, -1, (0, 2), (1,)):
            for keepdims in (False, True):
                got = getattr(np, name)(x, axis=axis, keepdims=keepdims)
                want = getattr(np, name)(x.high, axis=axis, keepdims=keepdims)
                np.testing.assert_allclose(got.high, want, rtol=1e-13)
                assert got.shape == want.shape
    terms = [exact(y) for y in np.ravel(x)]
    assert abs(exact(np.sum(x)) - sum(terms)) <= UNIT * 5 * sum(map(abs, terms))


def test_a_product_of_matrices_is_the_sum_of_products():
    random = np.random.default_rng(0)
    a, b = (DoubleDouble(random.normal(size=s), 1e-18 * random.normal(size=s)) for s in ((2, 3), 3))
    for i, got in enumerate(a @ b):
        true = sum(exact(a[i, k]) * exact(b[k]) for k in range(3))
        assert abs(exact(got) - true) <= 2.0**-70
    assert (b @ a.T).shape == (2,)


def test_a_long_double_is_parted_without_loss():
    x = np.longdouble(1) / 3
    assert np.longdouble(DoubleDouble(x).high) + np.longdouble(DoubleDouble(x).low) == x
    assert not DoubleDouble(0.1).low
    beside = DoubleDouble(np.array([x, np.inf, np.nan]))
    assert beside.low.tolist() == [DoubleDouble(x).low, 0, 0]


def test_numbers_are_sorted_by_both_parts():
    x = DoubleDouble(np.array([2.0, 1.0, 1.0, -1.0]), np.array([0.0, 1e-20, -1e-20, 0.0]))
    got = np.sort(x)
    assert got.high.tolist() == [-1, 1, 1, 2]
    assert got.low.tolist() == [0, -1e-20, 1e-20, 0]


def test_only_zero_is_false():
    assert DoubleDouble(1.0)
    assert not DoubleDouble(0.0)


def test_what_is_no_number_stays_none():
    x = DoubleDouble(np.array([0.0, 1.0])) / DoubleDouble(np.array([0.0, 0.0]))
    assert not np.isfinite(x).any()
    assert not np.isfinite(0.0 * x - 1.0).any()
    huge = DoubleDouble(np.array([2.0**1000])) * 0.25
    assert huge.high[0] == 2.0**998
    assert not np.isfinite((DoubleDouble(2.0**1023) * 4).high)

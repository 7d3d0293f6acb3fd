"""No operation's bound is wider than what rounding can do. test_rounding.py says the other half."""

import itertools

import ml_dtypes
import numpy as np
import pytest

from goldstep.oracle import Arithmetic
from goldstep.oracle.double import DoubleDouble
from goldstep.oracle.rounding import HUGE, LIMIT, PRODUCTS, TINY, UNIT, Bounded, roundoff, terms

FLOAT32 = Arithmetic("float32")
ROUNDINGS = {
    "a + b": 1,
    "a - b": 1,
    "a * b": 1,
    "a / b": 1,
    "-a": 0,
    "a + 0.5 * a": 5,
    "a**2": 1,
    "a**3": 2,
    "a**1": 2,
    "b**0.5": 1,
    "b**0.25": 2,
    "b**-1": 2,
    "b**c": 2,
    "c**a": 2,
    "c * a": 2,
    "1 - c": 1,
    "c / b": 2,
    "c**3": 2,
    "xp.abs(a)": 0,
    "xp.sqrt(b)": 1,
    "xp.exp(a)": 2,
    "xp.log(b)": 2,
    "xp.cos(a)": 2,
    "xp.sin(a)": 2,
    "xp.tanh(a)": 2,
    "xp.atan2(a, b)": 2,
    "xp.maximum(a, b)": 0,
    "xp.minimum(a, b)": 0,
    "xp.clip(a, -b, b)": 0,
    "xp.where(a > 2, a, b)": 0,
    "xp.sum(a, axis=0)": 2,
    "xp.mean(b, axis=0)": 3,
    "xp.prod(a, axis=0)": 2,
    "xp.max(b, axis=0)": 0,
}
"""Operations, and how many roundings each may take; a function that is not exact takes one more."""


@pytest.mark.parametrize("off", [0.0, 2.0**-12], ids=["exact", "off"])
@pytest.mark.parametrize("operation", ROUNDINGS)
def test_no_bound_is_wider_than_what_can_happen(operation, off):
    """Everything as far off as it may be, in each direction, and each rounding a whole one."""
    a = np.array([[1.7, -0.31, 2.9], [-1.3, 0.77, 2.3], [0.6, -2.1, 3.7]])
    b = np.array([[0.9, 1.4, 0.52], [2.6, 0.17, 1.1], [1.9, 0.43, 1.3]])
    given = {"a": np.float32(a), "b": np.float32(b), "c": np.float32(0.7)}
    errors = {k: np.float64(off * abs(x)) for k, x in given.items()}
    held = {k: Bounded(FLOAT32, np.float64(x), errors[k], host=k == "c") for k, x in given.items()}
    result = eval(operation, {"xp": FLOAT32, **held})  # noqa: S307
    long = {k: np.longdouble(x) for k, x in given.items()}
    true, most = eval(operation, {"xp": np, **long}), 0.0  # noqa: S307
    for signs in itertools.product((-1, 1), repeat=5):
        rows = np.array(signs[:3])[:, None]
        sign = {"a": rows, "b": signs[3] * rows[::-1], "c": signs[4]}
        moved = {k: x + sign[k] * errors[k] for k, x in long.items()}
        most = np.maximum(most, abs(eval(operation, {"xp": np, **moved}) - true))  # noqa: S307
    size = abs(true) if "sum" not in operation else abs(a).sum(axis=0)
    room = most + ROUNDINGS[operation] * (FLOAT32.unit * (size + most) + FLOAT32.tiny)
    assert (result.error <= room * (1 + 2.0**-8)).all()
    assert (result.error >= most * (1 - 2.0**-8)).all()


def test_a_sum_gathers_a_rounding_for_each_further_term_or_twice_the_root_of_all():
    assert [terms(n) for n in (0, 1, 2, 3, 4, 100)] == [0, 0, 1, 2, 3, 20]


@pytest.mark.parametrize("dtype", UNIT)
def test_the_numbers_of_a_type_are_those_of_its_definition(dtype):
    found = ml_dtypes.finfo(dtype)
    assert float(found.eps) / 2 == UNIT[dtype]
    assert float(found.smallest_normal) == TINY[dtype]
    assert 2.0 ** (found.maxexp - 2) == HUGE[dtype]
    assert PRODUCTS.get(dtype, UNIT[dtype]) == UNIT[dtype]
    assert PRODUCTS["tf32"] == UNIT["float16"]


def test_a_truth_is_rounded_by_half_the_distance_from_one_to_the_next():
    assert roundoff(np.float64) == UNIT["float64"]
    assert roundoff(np.longdouble) == np.finfo(np.longdouble).eps / 2
    assert roundoff(DoubleDouble) == DoubleDouble.unit < 2.0**-64


def test_the_unit_of_a_type_and_of_its_truth_are_added():
    own = Arithmetic("float32", "float64", flush=False)
    assert own.unit == 2.0**-24 + 2.0**-53
    assert own.scalar_unit == 2.0**-52
    assert own.tiny == 2.0**-150


def test_in_its_parts_an_arithmetic_rounds_one_thing_each():
    tensors, scalars, small = FLOAT32.parts()
    units = [(x.unit > 0, x.scalar_unit > 0, x.tiny > 0) for x in (tensors, scalars, small)]
    assert units == [(True, False, False), (False, True, False), (False, False, True)]
    assert small.scalar_tiny == FLOAT32.scalar_tiny > scalars.scalar_tiny == 0


def test_what_is_coarser_is_off_by_its_unit_or_whole_where_it_is_small():
    x, small = np.array([0.1, 0.5]), 1.001 * 2.0**-130
    assert not FLOAT32.tensor(x).error.any()
    coarse = Arithmetic("float32", compute="bfloat16")
    assert np.allclose(coarse.tensor(x).error, [0.1 * 2.0**-8, 0], 1e-6)
    assert coarse.tensor(np.array([small])).error >= small
    halves = Arithmetic("float32", products="float16").operand(FLOAT32.tensor(x))
    assert np.allclose(halves.error, x * 2.0**-11 + 2.0**-14, 1e-6)
    single = Arithmetic("float32", products="tf32").operand(FLOAT32.tensor(x))
    assert np.allclose(single.error, x * 2.0**-11, 1e-6)
    kept = Arithmetic("float32").stored(Bounded(FLOAT32, x, 0.01 * x), "bfloat16")
    assert np.allclose(kept.error, (0.01 + 1.01 * 2.0**-8) * x, 1e-6)


def test_at_its_edge_a_bound_is_there():
    edge = FLOAT32.tensor(np.array([HUGE["float32"]]))
    assert np.isfinite((1 * edge).error).all()
    assert np.isinf((1.5 * edge).error).all()
    zero, one = FLOAT32.tensor(np.zeros(1)), FLOAT32.tensor(np.ones(1))
    assert FLOAT32.atan2(zero, zero).error == 0
    off = Bounded(FLOAT32, np.array([0.0, 0.5, 2.0]), np.array([0.1, 0.1, 0.1]))
    assert (LIMIT * FLOAT32.sign(off).error).tolist() == [1, 0, 0]
    with np.errstate(divide="ignore"):
        assert np.isfinite((1 / off).error).tolist() == [False, True, True]
    assert not FLOAT32.any(FLOAT32.tensor(np.zeros(2)) > 0).doubt
    with np.errstate(divide="ignore"):
        assert np.isinf(FLOAT32.log(Bounded(FLOAT32, np.array([0.1]), np.array([0.2]))).error)
    power = Bounded(FLOAT32, np.array([1.5]), np.array([0.1]))
    assert 0.25**1.4 < (Bounded(FLOAT32, np.zeros(1), np.array([0.25])) ** power).error < 0.26
    assert FLOAT32.concat([zero, one]).shape == (2,)
    assert FLOAT32.sum(off).shape == FLOAT32.mean(off).shape == FLOAT32.prod(off).shape == ()
    either = Bounded(FLOAT32, np.array([1e-9]), np.array([1.0]))
    assert LIMIT * FLOAT32.sign(either).error == 2


def test_what_is_stored_in_a_coarser_type_may_be_flushed_or_rounded_there():
    small = np.array([2.0**-130])
    for flush, lost in ((True, 2.0**-130), (False, 2.0**-134)):
        own = Arithmetic("float32", flush=flush)
        kept = own.stored(Bounded(own, small, np.zeros(1)), "bfloat16")
        assert kept.error == 2.0**-138 + lost


@pytest.mark.parametrize("dtype", UNIT)
def test_no_type_rounds_its_smallest_numbers_without_an_error(dtype):
    own = Arithmetic(dtype, flush=False)
    assert 0 < own.tiny <= float(ml_dtypes.finfo(dtype).smallest_subnormal)
    assert own.scalar_tiny > 0


def test_an_angle_beside_half_a_turn_is_any():
    y = Bounded(FLOAT32, np.zeros(2), np.array([0.0, 1e-9]))
    x = Bounded(FLOAT32, np.array([-0.5, -0.5]), np.array([0.0, 0.0]))
    error = FLOAT32.atan2(y, x).error
    assert error[0] < 1e-6
    assert error[1] >= 2 * np.pi


def test_axes_are_those_of_the_standard_where_none_are_named():
    x = FLOAT32.tensor(np.ones((2, 3)))
    assert FLOAT32.max(x).shape == FLOAT32.min(x).shape == ()
    assert FLOAT32.expand_dims(x).shape == (1, 2, 3)


def test_an_exponent_of_the_host_is_rounded_where_it_meets_a_tensor():
    own = Arithmetic("float32", "float64")
    x = own.tensor(np.array([2.0**20])) ** own.scalar(0.8)
    assert x.error > 10 * own.unit * x.value  # 0.8 is off by its rounding, times log 2^20
    y = own.tensor(np.array([2.0**20])) ** own.scalar(0.75)
    assert y.error < 3 * own.unit * y.value


def test_a_small_number_among_many_is_flushed_as_it_is_alone():
    x = np.ones(1 << 11)
    x[0] = 2.0**-125
    halves = FLOAT32.tensor(x) * 0.25
    assert halves.error[0] >= 2.0**-127
    assert halves.error[1] < 2.0**-25
    assert (FLOAT32.tensor(x[:1]) * 0.25).error[0] == halves.error[0]


def test_what_is_not_declared_is_of_the_type_of_the_tensors():
    assert Arithmetic("float32").iteration == Arithmetic("float32").compute == "float32"
    coarse = Arithmetic("float32", iteration="bfloat16", compute="float16", state="bfloat16")
    assert (coarse.iteration, coarse.compute, coarse.state) == ("bfloat16", "float16", "bfloat16")


def test_at_its_top_a_wave_is_flat():
    assert 0.0049 < FLOAT32.cos(Bounded(FLOAT32, np.zeros(1), np.array([0.1]))).error < 0.0051

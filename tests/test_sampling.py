"""The bound of a matrix iteration holds what computes it otherwise, and nothing else."""

import functools

import numpy as np
import pytest

from goldstep.oracle import Arithmetic, module
from goldstep.oracle.rounding import LIMIT, Bounded
from goldstep.oracle.safetensors import round_to_bfloat16
from goldstep.oracle.sampling import SAMPLES, UNIFORM, Noise, Noisy, node

newton_schulz = module("newton_schulz").newton_schulz
inverse_root = module("inverse_root").inverse_root
a, b, c = module("newton_schulz").COEFFICIENTS
RANDOM = np.random.default_rng(0)


def orthogonal(rows, cols):
    q, _ = np.linalg.qr(RANDOM.normal(size=(max(rows, cols), min(rows, cols))))
    return q if rows >= cols else q.T


MATRICES = {
    "tall": RANDOM.normal(size=(48, 16)),
    "wide": RANDOM.normal(size=(12, 40)),
    "square": RANDOM.normal(size=(32, 32)),
    "large": RANDOM.normal(size=(64, 64)),
    "small": RANDOM.normal(size=(5, 3)),
    "row": RANDOM.normal(size=(1, 6)),
    "column": RANDOM.normal(size=(6, 1)),
    "one": np.array([[-0.75]]),
    "rank-one": np.outer(RANDOM.normal(size=24), RANDOM.normal(size=16)),
    "nearly-singular": orthogonal(24, 24) * np.logspace(0, -7, 24) @ orthogonal(24, 24),
    "orthogonal": orthogonal(24, 24),
    "identity": np.eye(8),
    "sparse": RANDOM.normal(size=(20, 30)) * (RANDOM.uniform(size=(20, 30)) < 0.1),
    "huge": 1e6 * RANDOM.normal(size=(16, 8)),
    "tiny": 1e-5 * RANDOM.normal(size=(16, 8)),
}
MATRICES = {name: round_to_bfloat16(x) for name, x in MATRICES.items()}
ARITHMETICS = {
    "float64": Arithmetic("float64"),
    "float32": Arithmetic("float32"),
    "bfloat16": Arithmetic("float32", iteration="bfloat16"),
}


@functools.cache
def bounded(dtype, name):
    """The truth of the iteration on a matrix, with its error."""
    arithmetic = ARITHMETICS[dtype]
    return node(arithmetic)(newton_schulz)(arithmetic.tensor(MATRICES[name]))


def ratios(dtype, way):
    """By how much a way to compute the iteration is off, as a multiple of what it may be."""
    found = {}
    for name, x in MATRICES.items():
        true = bounded(dtype, name)
        got = way(x if dtype == "bfloat16" else x.astype(dtype))
        assert dtype in {"bfloat16", got.dtype.name}
        found[name] = float((np.abs(got - true.value) / (LIMIT * true.error)).max())
    return found


# The same polynomial said in other ways, in plain NumPy.


def normalised(x):
    return x / (np.sqrt(np.sum(x * x)) + x.dtype.type(1e-7))


def lying(iteration):
    """The iteration on the matrix laid down, and its result set up again."""

    @functools.wraps(iteration)
    def way(x):
        return iteration(x.T).T if x.shape[0] > x.shape[1] else iteration(x)

    return way


@lying
def horner(x):
    x, one = normalised(x), np.eye(len(x), dtype=x.dtype)
    for _ in range(5):
        gram = x @ x.T
        x = (a * one + gram @ (b * one + c * gram)) @ x
    return x


def never_transposed(x):
    x = normalised(x)
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x


@lying
def scaled_before_the_square(x):
    x = normalised(x)
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + (c * gram) @ gram) @ x
    return x


def product(x, y):
    """gram product of matrices whose terms are added one by one."""
    total = x[:, :1] * y[:1]
    for k in range(1, len(y)):
        total = total + x[:, k : k + 1] * y[k : k + 1]
    return total


@lying
def one_by_one(x):
    x = x / (np.sqrt(np.cumsum(x * x, dtype=x.dtype)[-1]) + x.dtype.type(1e-7))
    for _ in range(5):
        gram = product(x, x.T)
        x = a * x + product(b * gram + c * product(gram, gram), x)
    return x


LEGAL = [newton_schulz, horner, never_transposed, scaled_before_the_square, one_by_one]


@pytest.mark.parametrize("way", LEGAL, ids=lambda way: way.__name__)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_polynomial_computed_otherwise_is_within_the_bound(dtype, way):
    assert max(ratios(dtype, way).values()) <= 1


# What is not the same polynomial.


def orthogonal_factor(x):
    """The nearest matrix with singular values of one, where x has any at all."""
    u, s, v = np.linalg.svd(x.astype(np.float64), full_matrices=False)
    some = s > 1e-12 * s[0]
    return (u[:, some] @ v[some]).astype(x.dtype)


def with_coefficients(p, q, r):
    @lying
    def iteration(x):
        x = normalised(x)
        for _ in range(5):
            gram = x @ x.T
            x = p * x + (q * gram + r * (gram @ gram)) @ x
        return x

    return iteration


ILLEGAL = {
    "one percent in b": with_coefficients(a, 1.01 * b, c),
    "one percent in a": with_coefficients(1.01 * a, b, c),
    "four steps": functools.partial(newton_schulz, steps=4),
    "six steps": functools.partial(newton_schulz, steps=6),
    "exactly orthogonal": orthogonal_factor,
}


@pytest.mark.parametrize("mutant", ILLEGAL)
@pytest.mark.parametrize(("dtype", "margin"), [("float64", 1e9), ("float32", 100)])
def test_another_polynomial_is_far_outside_the_bound_on_every_matrix(dtype, margin, mutant):
    assert min(ratios(dtype, ILLEGAL[mutant]).values()) >= margin


# The iteration as libraries run it: in bfloat16, with products summed in float32.


def in_bfloat16(*, steps=5, fused=False, cast=False, early=False):
    """`fused` rounds each line once, as addmm; `cast` rounds the coefficients too, as JAX does;
    `early` scales before it squares."""
    p, q, r = round_to_bfloat16([a, b, c]) if cast else (a, b, c)
    rounded = round_to_bfloat16

    def product(x, y):
        return (x.astype(np.float32) @ y.astype(np.float32)).astype(np.float64)

    @lying
    def iteration(x):
        x = rounded(x / rounded(rounded(np.linalg.norm(x.astype(np.float32))) + 1e-7))
        for _ in range(steps):
            gram = rounded(product(x, x.T))
            if fused:
                x = rounded(p * x + product(rounded(q * gram + r * product(gram, gram)), x))
                continue
            square = product(rounded(r * gram), gram) if early else r * rounded(product(gram, gram))
            inner = rounded(rounded(q * gram) + rounded(square))
            x = rounded(rounded(p * x) + rounded(product(inner, x)))
        return x

    return iteration


@pytest.mark.parametrize("cast", [False, True], ids=["exact", "cast"])
@pytest.mark.parametrize("said", [{}, {"fused": True}, {"early": True}], ids=str)
def test_an_iteration_in_bfloat16_is_within_its_bound(said, cast):
    assert max(ratios("bfloat16", in_bfloat16(**said, cast=cast)).values()) <= 1


def test_an_iteration_in_float32_is_well_within_the_bound_of_bfloat16():
    found = ratios("bfloat16", lambda x: newton_schulz(x.astype(np.float32)))
    assert max(found.values()) < 0.001


@pytest.mark.parametrize(
    "mutant",
    [in_bfloat16(steps=4), in_bfloat16(steps=6), lambda x: round_to_bfloat16(orthogonal_factor(x))],
    ids=["four steps", "six steps", "exactly orthogonal"],
)
def test_another_iteration_in_bfloat16_is_outside_its_bound_on_some_matrix(mutant):
    assert max(ratios("bfloat16", mutant).values()) > 2


# Zeros, errors that come in, and chance.


@pytest.mark.parametrize("dtype", ARITHMETICS)
def test_the_zero_matrix_stays_zero_without_error(dtype):
    arithmetic = ARITHMETICS[dtype]
    for shape in [(3, 5), (5, 3), (1, 1)]:
        result = node(arithmetic)(newton_schulz)(arithmetic.tensor(np.zeros(shape)))
        assert result.value.shape == shape
        assert not result.value.any()
        assert not result.error.any()


def test_what_leaves_the_range_of_its_type_within_an_iteration_has_no_bound():
    given = 2.0**64 * MATRICES["small"]  # of which the squares are beyond float32
    for dtype, bounded_there in (("float32", False), ("float64", True)):
        own = ARITHMETICS[dtype]
        error = node(own)(newton_schulz)(own.tensor(given)).error
        assert np.array_equal(np.isfinite(error), np.full(given.shape, bounded_there))


def test_infinity_is_not_asked_for_its_factors():
    coarse = Arithmetic("float16")
    large = coarse.tensor(2.0**13 * np.ones((3, 3)))
    assert np.isinf(node(coarse)(newton_schulz)(large).error).all()
    for iteration, x in ((newton_schulz, 2.0**3 * large), (inverse_root, large)):
        with pytest.raises(OverflowError, match="leaves the range of float16"):
            node(coarse)(iteration)(x)


@pytest.mark.parametrize("name", ["tall", "wide", "square", "rank-one"])
@pytest.mark.parametrize(("dtype", "part"), [("float64", 1e-9), ("float32", 1e-3)])
def test_an_error_that_comes_in_goes_out(dtype, part, name):
    arithmetic, x = ARITHMETICS[dtype], MATRICES[name]
    error = part * np.abs(x)
    given = Bounded(arithmetic, arithmetic.tensor(x).value, error)
    result = node(arithmetic)(newton_schulz)(given)
    for seed in range(20):
        random = np.random.default_rng(seed)
        way = newton_schulz(x + error * random.uniform(-1, 1, size=x.shape))
        assert (np.abs(way - result.value) <= LIMIT * result.error).all()
    assert np.median(result.error / bounded(dtype, name).error) > 50


def test_an_iteration_takes_its_arguments_as_scalars_of_the_oracle():
    arithmetic = ARITHMETICS["float32"]
    x = arithmetic.tensor(MATRICES["small"])
    eps = arithmetic.scalar(0.03125)
    result = node(arithmetic)(newton_schulz)(x, 3, eps)
    assert np.array_equal(result.value, newton_schulz(x.value, 3, 0.03125))


@pytest.mark.parametrize("dtype", ARITHMETICS)
def test_the_bound_is_the_same_whenever_it_is_computed(dtype):
    for name in MATRICES:
        before = bounded(dtype, name)
        bounded.cache_clear()
        after = bounded(dtype, name)
        assert np.array_equal(before.value, after.value)
        assert np.array_equal(before.error, after.error)


def test_the_random_numbers_are_the_same_on_every_machine():
    assert UNIFORM[:2].tolist() == pytest.approx([-0.97186592866870, -0.48446550875076])
    assert bounded("float32", "one").error[0, 0] == pytest.approx(4.062876972e-06, rel=1e-6)


def test_the_pool_goes_on_from_its_beginning_where_it_ends():
    noise, part = Noise(2.0**-24), 400_000
    drawn = np.concatenate([noise.uniform((part,)) for _ in range(6)])
    drawn = np.append(drawn, noise.uniform((3, part)))
    assert np.array_equal(drawn, np.resize(UNIFORM, 9 * part))


def test_no_two_copies_of_a_large_matrix_share_their_noise():
    noise = Noise(2.0**-24)
    copies = noise.uniform((6, 1 << 18))
    assert len({copy[:8].tobytes() for copy in copies}) == 6
    assert not np.array_equal(noise.uniform((6, 1 << 18)), copies)


def test_noise_is_within_a_unit_and_without_bias():
    noise = Noise(2.0**-8)
    ones = noise.array(np.ones((SAMPLES, 50, 50)))
    assert isinstance(ones, Noisy)
    off = (ones.draws - 1) * 2.0**8
    assert np.abs(off).max() <= 1
    assert abs(off.mean()) < 0.01
    assert abs(off.std() - 3**-0.5) < 0.01
    assert abs(noise.normal((10000,)).std() - 1) < 0.01

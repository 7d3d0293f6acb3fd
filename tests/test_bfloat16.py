"""In bfloat16 an iteration is held to its own roundings, bit for bit where nothing is turned."""

import functools

import numpy as np
import pytest

from goldstep.conformance.cases import cases
from goldstep.oracle import Arithmetic, Truth, judge, observe, read
from goldstep.oracle.bfloat16 import PROFILES, Rounded, Rounding, emulated
from goldstep.oracle.replay import Stepper
from goldstep.oracle.rules import pipeline
from goldstep.oracle.safetensors import round_to_bfloat16

ARITHMETIC = Arithmetic("float32", "float64", "bfloat16")
RANDOM = np.random.default_rng(0)
SHAPES = [(5, 3), (3, 5), (8, 8), (1, 6), (6, 1), (16, 40)]
MATRICES = [RANDOM.normal(size=shape) for shape in SHAPES]


def in_bfloat16(profile, iteration):
    """The iteration as an implementation in bfloat16 has it."""

    @functools.wraps(iteration)
    def run(x, *more):
        copy = Rounded(Rounding(profile), np.asarray(x, np.float32)[None])
        return iteration(copy, *more).value[0].astype(x.dtype)

    return run


plain = functools.partial(in_bfloat16, iteration=read("newton_schulz").newton_schulz)


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_powers_of_two_signs_and_sides_go_through_bit_by_bit(profile):
    f = plain(profile)
    for x in map(round_to_bfloat16, MATRICES):
        np.testing.assert_array_equal(f(4 * x), f(x))
        np.testing.assert_array_equal(f(-x), -f(x))
        if x.shape[0] != x.shape[1]:
            np.testing.assert_array_equal(f(x.T), f(x).T)
    assert not f(np.zeros((3, 4))).any()


def test_every_result_is_a_bfloat16():
    for x in MATRICES:
        found = plain(PROFILES[0])(x)
        np.testing.assert_array_equal(round_to_bfloat16(found), found)


def test_the_iteration_of_torch_is_met_bit_by_bit_on_most_matrices():
    torch = pytest.importorskip("torch")
    from torch.optim._muon import _zeropower_via_newtonschulz as theirs  # noqa: PLC0415

    ours = in_bfloat16(
        PROFILES[0], read("newton_schulz", {"newton_schulz": "clamped-norm"}).newton_schulz
    )
    same = 0
    for x in map(round_to_bfloat16, MATRICES):
        got = theirs(torch.tensor(x, dtype=torch.float32), (3.4445, -4.7750, 2.0315), 5, 1e-7)
        same += np.array_equal(got.double().numpy(), ours(x))
    assert same >= len(MATRICES) - 2


@pytest.mark.parametrize("other", PROFILES[1:], ids=str)
def test_the_profiles_differ(other):
    assert any(np.any(plain(other)(x) != plain(PROFILES[0])(x)) for x in MATRICES)


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_its_own_profile_is_within_the_bound(profile):
    bounded = emulated(ARITHMETIC, profile)(read("newton_schulz").newton_schulz)
    for x in map(round_to_bfloat16, MATRICES):
        true = bounded(ARITHMETIC.tensor(x))
        assert (np.abs(plain(profile)(x) - true.value) <= true.error).all()


@functools.cache
def truth():
    (case,) = (c for c in cases("muon") if c.id == "muon/designed-matrices/amplified/constant")
    return Truth(case, ARITHMETIC)


def verdict(meant, profile=PROFILES[0]):
    """What is said of Muon, in bfloat16 and in a reading, by its questions about matrices."""

    def offered(rule, hyper, params):
        stages = pipeline(rule, meant, functools.partial(in_bfloat16, profile))
        return Stepper(stages, stages.check(hyper), params)

    return judge(truth(), observe(truth(), offered, free=False))


@pytest.mark.parametrize("profile", [PROFILES[0], PROFILES[3], PROFILES[5]], ids=str)
def test_muon_in_bfloat16_conforms_by_whatever_profile(profile):
    assert verdict({}, profile).conforms


def lines(tag, code):
    """A reading that no specification names."""
    return ((tag, code),)


@pytest.mark.parametrize(
    ("rule", "reading"),
    [
        ("newton_schulz", "one-percent"),
        ("newton_schulz", "a-step-too-many"),
        ("newton_schulz", "modula"),
        ("newton_schulz", lines("ns.4", "x = 1.01 * a * x + (b * A + c * (A @ A)) @ x")),
        ("newton_schulz", lines("ns.4", "x = 0.99 * a * x + (b * A + c * (A @ A)) @ x")),
        ("newton_schulz", lines("ns.4", "x = a * x + (b * A + 1.01 * c * (A @ A)) @ x")),
        ("newton_schulz", lines("ns.4", "x = a * x + (b * A + 0.99 * c * (A @ A)) @ x")),
        ("muon", lines("muon.3", "o = newton_schulz(u, steps); o = o.T if rows == cols else o")),
        ("muon", "four-steps"),
        ("muon", "no-nesterov"),
        ("muon", "scale-axes-swapped"),
        ("muon", "scaled-twice"),
        ("muon", "unclamped-ratio"),
        ("muon", "decay-never-applied"),
    ],
)
def test_a_mistake_is_seen_in_bfloat16_too(rule, reading):
    assert verdict({rule: reading}).ratio > 1


def test_a_factorisation_is_left_as_it_is():
    msign, x = read("msign").msign, ARITHMETIC.tensor(MATRICES[0])
    found = emulated(ARITHMETIC, PROFILES[0])(msign)(x)
    np.testing.assert_allclose(found.value.astype(float), msign(MATRICES[0]), atol=1e-12)

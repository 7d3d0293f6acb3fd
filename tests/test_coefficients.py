"""The coefficients that were published, and what they make of singular values."""

from itertools import pairwise

import numpy as np
import pytest

from goldstep import spec
from goldstep.oracle.polynomials import best_quintic, image, phi, polar_express
from goldstep.reference.iterations import _coefficients as sets

SETS = {c["name"]: c for c in spec.load("iterations", "newton_schulz")["coefficients"]}


def taken(name, steps):
    """The rows of as many steps, of which the last is repeated."""
    rows = [tuple(row) for row in SETS[name]["rows"]]
    return (rows + rows[-1:] * steps)[:steps]


def test_the_reference_has_the_coefficients_of_the_specification():
    there = {name: rows for name, rows in vars(sets).items() if name.isupper()}
    assert there == {n: tuple(map(tuple, c["rows"])) for n, c in SETS.items()}


@pytest.mark.parametrize(
    ("name", "low", "least", "largest"),
    [
        ("KELLER", 0.01, 0.6818, 1.1344),
        ("KELLER", 0.001, 0.4705, 1.2024),
        ("FIVE_ROWS", 0.01, 0.9778, 1.0318),
        ("MODULA", 0.01, 0.972, 1.188),
        ("CANS", 0.01, 0.884, 1.120),
        ("EIGHT_AND_TWO", 0.01, 1.0, 1.0005),
        ("CUBIC", 0.01, 1.0, 1.0),
    ],
)
def test_the_image_of_a_set_is_the_one_that_is_known(name, low, least, largest):
    found = image(taken(name, SETS[name]["steps"]), low)
    assert found == pytest.approx((least, largest), abs=6e-4)


def test_polar_express_is_made_again_by_its_generator():
    made = polar_express(1e-3, 8)
    np.testing.assert_allclose(made[:6], SETS["POLAR_EXPRESS"]["rows"][:6], rtol=1e-12)
    np.testing.assert_allclose(made, SETS["POLAR_EXPRESS"]["rows"], rtol=1e-5)
    made = polar_express(1e-3, 5, safety=0.02)
    np.testing.assert_allclose(made, SETS["POLAR_EXPRESS_SAFER"]["rows"], rtol=1e-12)


@pytest.mark.parametrize("low", [0.5, 0.1, 0.01])
def test_the_best_quintic_is_off_by_the_same_at_four_points_by_turns(low):
    row = best_quintic(low, 1.0)
    off = phi(np.linspace(low, 1, 100_001), [row]) - 1
    worst = np.abs(off).max()
    extremes = off[np.abs(off) > (1 - 1e-6) * worst]
    turns = 1 + np.count_nonzero(np.diff(np.sign(extremes)))
    assert turns == 4


@pytest.mark.parametrize("low", [0.1, 1e-2, 1e-3, 1e-5])
def test_more_steps_of_polar_express_come_nearer_to_one_for_any_lower_bound(low):
    off = [1 - image(polar_express(low, n, safety=0.0, cushion=0.0), low)[0] for n in range(1, 8)]
    assert all(a > b or b < 1e-12 for a, b in pairwise(off))

"""What the matrix rules do with what they are not for: as specified, or an error that says so."""

import numpy as np
import pytest

from goldstep import spec
from goldstep.oracle import make, pipeline
from goldstep.oracle.rules import alone

MATRIX = [n for n in spec.names("optimizers") if spec.load("optimizers", n)["theta"] == "matrix"]
ALONE = [n for n in spec.names("iterations") if alone(n) and pipeline(n).matrices_only]
SHAPES = [(3, 3), (4, 2), (2, 4), (1, 4), (4, 1)]


def given(rule, shape):
    """What a rule takes beside the gradient."""
    random = np.random.default_rng(0)
    return {k: {"w": random.normal(size=shape)} for k in pipeline(rule).given}


def square(rule, g):
    return g @ g.T if pipeline(rule).gram else g


def steps(rule, *grads):
    """The parameters after some steps from rest."""
    step = make(rule, {}, {"w": np.zeros_like(grads[0])})
    for g in grads:
        out = step({"w": g}, **given(rule, g.shape))["w"]
    return out


@pytest.mark.parametrize("rule", MATRIX + ALONE)
def test_a_vector_is_refused_and_the_remedy_named(rule):
    with pytest.raises(ValueError, match=r"takes matrices.*give the other tensors to another rule"):
        make(rule, {}, {"w": np.ones(3)})


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("rule", MATRIX + ALONE)
def test_zero_at_first_and_later_gives_numbers(rule, shape):
    zero, g = np.zeros(shape), np.random.default_rng(1).normal(size=shape)
    every = [square(rule, x) for x in (zero, g, zero)]
    assert np.isfinite(steps(rule, *every)).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("rule", MATRIX + ALONE)
def test_rank_one_gives_numbers(rule, shape):
    g = square(rule, np.outer(np.arange(1.0, 1 + shape[0]), np.arange(1.0, 1 + shape[1])))
    assert np.isfinite(steps(rule, g, 2 * g)).all()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("rule", MATRIX + ALONE)
def test_what_is_not_a_number_is_an_error_or_shows_and_is_never_passed_over(rule):
    g = np.eye(3)
    g[1, 2] = np.nan
    try:
        out = steps(rule, np.eye(3), square(rule, g))
    except np.linalg.LinAlgError:
        return
    assert np.isnan(out).any()

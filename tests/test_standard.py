"""The reference runs on any array library that follows the standard, in the type that comes in."""

import re

import array_api_strict
import numpy as np
import pytest

from goldstep import spec
from goldstep.conformance.cases import rules
from goldstep.conformance.margins import pipelines
from goldstep.oracle import make, module, pipeline
from goldstep.oracle.rules import read, readings

RULES = rules()
DEVICE = array_api_strict.Device("device1")
SHAPES = [(), (5,), (1, 4), (4, 1), (3, 4), (4, 3), (2, 2, 3), (0,)]


def problem(rule, dtype):
    """Parameters of every shape that the rule takes, and three steps of gradients."""
    shapes = filter(pipeline(rule).takes, SHAPES)
    random = np.random.default_rng(0)
    gram = pipeline(rule).gram

    def drawn(shape):
        x = random.normal(size=shape)
        return np.asarray(x @ x.T + np.eye(len(x)) if gram else x, dtype)

    params = {str(s): drawn(s) for s in shapes}
    grads = [{k: drawn(x.shape) for k, x in params.items()} for _ in "abc"]
    return params, grads


def beside(rule, params):
    """What a step is given beside the gradients: numbers, and arrays by name."""
    random, rows = np.random.default_rng(1), pipeline(rule).given

    def drawn(row, x):
        many = [int(n) for n in row["like"].split("*")[:-1]]
        shape = (len(x), 1) if row["like"] == "rows" else (*many, *x.shape)
        found = random.uniform(0.25, 1, shape)
        positive = row["draw"] in {"positive", "uniform"}
        return np.asarray(found if positive else 2 * found - 1, x.dtype)

    return {
        k: 0.5 if row["like"] == "1" else {name: drawn(row, x) for name, x in params.items()}
        for k, row in rows.items()
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
def test_the_strictest_library_agrees_with_numpy(rule, dtype):
    params, grads = problem(rule, dtype)
    hyper = pipeline(rule).profile("amplified")
    with array_api_strict.ArrayAPIStrictFlags(api_version="2024.12"):

        def strict(arrays):
            # On a device of its own: what would silently pass through NumPy fails there.
            return {k: array_api_strict.asarray(x, device=DEVICE) for k, x in arrays.items()}

        step, other = make(rule, hyper, params), make(rule, hyper, strict(params))
        given = beside(rule, params)
        strictly = {k: x if isinstance(x, float) else strict(x) for k, x in given.items()}
        for g in grads:
            want, got = step(g, **given), other(strict(g), **strictly)
        for name, x in got.items():
            assert x.dtype == getattr(array_api_strict, dtype)
            assert x.device == DEVICE
            assert x.shape == params[name].shape
            host = np.asarray(x.to_device(array_api_strict.Device("CPU_DEVICE")))
            tight = 1e-12 if dtype == "float64" else 1e-4
            np.testing.assert_allclose(host, want[name], rtol=tight, atol=tight)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
def test_the_type_that_comes_in_goes_out(rule, dtype):
    params, grads = problem(rule, dtype)
    step = make(rule, {}, params)
    out = step(grads[0], **beside(rule, params))
    assert {x.dtype for x in out.values()} == {np.dtype(dtype)}
    kept = [x for slots in step.state().values() for x in slots.values()]
    assert all(isinstance(x, int | float) or x.dtype == np.dtype(dtype) for x in kept)


SAID = [(name, said) for _, name in spec.every() for said in readings(name)]


@pytest.mark.parametrize(("name", "said"), SAID, ids=[f"{n}-{s}" for n, s in SAID])
def test_dialects_and_traps_keep_the_type_too(name, said):

    rule = pipelines(name)[0]
    params, grads = problem(rule, "float32")
    step = make(rule, pipeline(rule).profile("amplified"), params, {name: said})
    with np.errstate(all="ignore"):  # a mistake may well leave the numbers there are
        for g in grads:
            out = step(g, **beside(rule, params))
    assert {x.dtype for x in out.values()} == {np.dtype("float32")}


def test_nothing_that_is_given_is_mutated():
    for rule in RULES:
        params, grads = problem(rule, "float64")
        given = beside(rule, params)
        more = [x for by_name in given.values() if by_name != 0.5 for x in by_name.values()]
        for x in [*params.values(), *grads[0].values(), *more]:
            x.flags.writeable = False
        make(rule, {}, params)(grads[0], **given)


def pairs(rule):
    said = {stage.spec["complex"] for stage in pipeline(rule).stages}
    return said == {"as pairs of reals"}


PAIRS = list(filter(pairs, RULES))


@pytest.mark.parametrize("rule", PAIRS)
def test_complex_parameters_are_pairs_of_reals_where_the_specification_says_so(rule):
    (real, grads), (imaginary, others) = (problem(rule, "float64") for _ in "ab")
    imaginary = {k: 1 + x[::-1] if x.ndim else 1 + x for k, x in imaginary.items()}
    others = [{k: x * x for k, x in g.items()} for g in others]
    hyper = pipeline(rule).profile("amplified")
    whole = make(rule, hyper, {k: x + 1j * imaginary[k] for k, x in real.items()})
    parts = make(rule, hyper, real), make(rule, hyper, imaginary)
    for g, h in zip(grads, others, strict=True):
        got = whole({k: x + 1j * h[k] for k, x in g.items()})
        a, b = (step(x) for step, x in zip(parts, (g, h), strict=True))
        for name, x in got.items():
            assert x.dtype == np.complex128
            np.testing.assert_allclose(x, a[name] + 1j * b[name], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    ("rule", "given", "says"),
    [
        ("adam", np.arange(3), "adam: parameter 'w' is of int64; adam takes real floating-point"),
        ("sgd", np.ones(3, bool), "sgd: parameter 'w' is of bool; sgd takes floating-point arrays"),
        ("adam", np.ones(3, complex), "parameter 'w' is of complex128; adam takes real"),
        ("l2+adam", np.ones(3, complex), "parameter 'w' is of complex128; adam takes real"),
        ("lion", [1.0, 2.0], "lion: parameter 'w' is a list and no array"),
        ("lion", 1.0, "lion: parameter 'w' is a float and no array"),
    ],
)
def test_numbers_that_a_rule_has_no_meaning_for_are_an_error_that_says_what_it_takes(
    rule, given, says
):
    with pytest.raises(TypeError, match=re.escape(says)):
        make(rule, {}, {"w": given})


def test_a_gradient_is_held_to_the_same():
    step = make("adam", {}, {"w": np.ones(3)})
    with pytest.raises(TypeError, match="adam: the gradient of 'w' is of int64; adam takes real"):
        step({"w": np.arange(3)})


def test_a_reading_that_is_not_there_is_an_error_that_lists_those_that_are():
    with pytest.raises(LookupError, match="adam has no dialect or trap 'nope'; it has epsilon-hat"):
        read("adam", {"adam": "nope"})
    assert read("adam") is module("adam")

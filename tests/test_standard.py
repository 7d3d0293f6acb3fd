"""The reference runs on any array library that follows the standard, in the type that comes in."""

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
    params = {str(s): random.normal(size=s).astype(dtype) for s in shapes}
    grads = [
        {k: random.normal(size=x.shape).astype(dtype) for k, x in params.items()} for _ in "abc"
    ]
    return params, grads


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
        for g in grads:
            want, got = step(g), other(strict(g))
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
    out = step(grads[0])
    assert {x.dtype for x in out.values()} == {np.dtype(dtype)}
    kept = [x for slots in step.state().values() for x in slots.values()]
    assert all(isinstance(x, int | float) or x.dtype == np.dtype(dtype) for x in kept)


SAID = [(name, said) for _, name in spec.every() for said in readings(name)]


@pytest.mark.parametrize(("name", "said"), SAID, ids=[f"{n}-{s}" for n, s in SAID])
def test_dialects_and_traps_keep_the_type_too(name, said):

    rule = pipelines(name)[0]
    params, grads = problem(rule, "float32")
    step = make(rule, pipeline(rule).profile("amplified"), params, {name: said})
    for g in grads:
        out = step(g)
    assert {x.dtype for x in out.values()} == {np.dtype("float32")}


def test_nothing_that_is_given_is_mutated():
    for rule in RULES:
        params, grads = problem(rule, "float64")
        for x in [*params.values(), *grads[0].values()]:
            x.flags.writeable = False
        make(rule, {}, params)(grads[0])


def test_a_reading_that_is_not_there_is_an_error_that_lists_those_that_are():
    with pytest.raises(LookupError, match="adam has no dialect or trap 'nope'; it has epsilon-hat"):
        read("adam", {"adam": "nope"})
    assert read("adam") is module("adam")

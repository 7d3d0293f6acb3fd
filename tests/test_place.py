"""Implementations asked with the arrays of another library, which are compared where they are."""

import dataclasses
import subprocess
import sys

import array_api_strict
import numpy as np
import pytest
import torch

from goldstep.conformance.adapters import _torch
from goldstep.conformance.ask import ask
from goldstep.conformance.cases import asked
from goldstep.conformance.implementations import UnusableError, at, implementation
from goldstep.oracle import Arithmetic, Truth, judge, make
from goldstep.oracle import place as places
from goldstep.oracle.judge import excess
from goldstep.oracle.place import Place, namespace

PLACES = ("array_api_strict:device1", "torch:cpu", "numpy")
# A product, the whole model, a schedule alone, something given, a factorisation and a gauge.
RULES = ("adam", "muon_debiased", "clip_by_global_norm+adam", "cosine", "sophia", "soap")


def one(rule):
    return min(asked(rule, {"changes", "absences"}), key=lambda c: len(c.grads) * len(c.params))


@pytest.mark.parametrize(
    ("rule", "dtype"), [(r, "float64") for r in RULES[:-1]] + [(RULES[-1], "float32")]
)
@pytest.mark.parametrize("name", PLACES)
def test_the_reference_conforms_wherever_its_arrays_are(name, rule, dtype):
    made, case = implementation("reference"), one(rule)
    here, there = ask(made, case, dtype), ask(at(made, name), case, dtype)
    assert here.status == there.status == "conforms", there.message
    assert there.ratio <= 0.6


@pytest.mark.parametrize("rule", ["adam", "soap"])
def test_what_is_compared_there_is_what_would_be_compared_here(rule):
    case, made = one(rule), at(implementation("reference"), "array_api_strict:device1")
    for dtype in ["float32", *["float64"] * (rule == "adam")]:
        truth = Truth(case, Arithmetic(dtype))
        seen = made.seen(truth, free=True)
        moved = [x for m in seen.forced for _, _, x in m.slots() if not isinstance(x, np.ndarray)]
        assert {x.device for x in moved} == {array_api_strict.Device("device1")}
        brought = seen._replace(
            free=places.here(seen.free, made.place), forced=places.here(seen.forced, made.place)
        )
        assert judge(truth, seen, place=made.place).ratio == pytest.approx(
            judge(truth, brought).ratio, rel=1e-9
        )


def test_only_the_verdict_comes_back(monkeypatch):
    made, case = at(implementation("reference"), "array_api_strict:device1"), one("adam")
    monkeypatch.setattr(Place, "host", None)
    assert ask(made, case, "float64").status == "conforms"


@pytest.mark.parametrize("wrong", [2.0**-40, np.nan, np.inf])
def test_an_error_there_is_as_large_as_it_is_here(wrong):
    place, own = Place("array_api_strict:device1"), Arithmetic("float64")
    true = own.tensor(np.array([1.0, 3.0])) / 7
    got = true.value.astype(np.float64) + np.array([0, wrong])
    want = excess(got, true).max()
    assert want > 1
    assert float(place.excess(place.array(got), true)) == pytest.approx(want, rel=1e-9)


def test_a_mistake_there_is_told_as_it_is_here():
    made = implementation("reference")
    mistaken = dataclasses.replace(
        made, make=lambda *args: make(*args, meant={"adam": "count-from-two"})
    )
    found = ask(at(mistaken, "array_api_strict:device1"), one("adam"), "float64")
    assert found.verdict == ask(mistaken, one("adam"), "float64").verdict
    assert "count-from-two" in found.verdict


@pytest.mark.parametrize("name", ["torch", "torch_foreach", "torch_fused"])
def test_torch_conforms_on_arrays_of_another_library(name):
    for rule in ("adam", "muon" if name == "torch" else "nesterov"):
        answer = ask(at(implementation(name), PLACES[0]), one(rule), "float32")
        assert answer.status == "conforms", answer.message


def test_torch_is_fed_through_dlpack_without_a_copy():
    x = array_api_strict.asarray(np.ones(3))
    assert _torch.shared(x).data_ptr() == np.from_dlpack(x).ctypes.data
    assert _torch.tensor(x).data_ptr() != _torch.shared(x).data_ptr()
    y = torch.ones(3)
    taken = Place("torch").taken(y)
    assert taken.data_ptr() == y.data_ptr()
    mine = Place("array_api_strict").taken(y)
    assert np.from_dlpack(mine).ctypes.data == y.data_ptr()


def test_what_is_there_is_a_copy():
    x = np.ones(3)
    for name in PLACES:
        there = Place(name).array(x)
        there[0] = 2.0
        assert x[0] == 1.0


ABSENT = """
import sys
sys.modules["cupy"] = None
from goldstep.conformance.adapters import reference, torch
from goldstep.conformance import plugin, whole, smoke
from goldstep.oracle import place
try:
    place.namespace("cupy")
except ModuleNotFoundError as error:
    print(error)
"""


def test_nothing_imports_cupy_unless_it_is_asked_for_and_then_says_what_to_install():
    call = [sys.executable, "-c", ABSENT]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout == (
        "cupy is not installed: pip install cupy-cuda12x, or cupy-cuda13x where `nvidia-smi` "
        "shows CUDA 13\n"
    )


@pytest.mark.parametrize(
    ("impl", "name", "says"),
    [
        ("reference", "nowhere", "--xp=nowhere: nowhere is not installed: pip install nowhere"),
        ("reference", "json", "--xp=json: json is no array library: it has no function asarray"),
        ("reference", "torch:nowhere", "--xp=torch:nowhere: .*device"),
        ("reference", "array_api_strict:nowhere", "--xp=array_api_strict:nowhere: .*nowhere"),
    ],
)
def test_what_is_no_place_is_an_error_that_says_what_to_do(impl, name, says):
    with pytest.raises(UnusableError, match=says):
        at(implementation(impl), name)


def test_a_program_of_its_own_takes_no_arrays_of_ours():
    program = dataclasses.replace(implementation("reference"), name="cmd:./program")
    with pytest.raises(UnusableError, match="takes no arrays of ours"):
        at(program, "torch")


def test_a_namespace_is_found_by_the_name_it_is_imported_by():
    assert namespace("numpy").__name__ == "array_api_compat.numpy"
    assert namespace("torch").__name__ == "array_api_compat.torch"


def test_the_library_is_told_in_the_report():
    assert list(at(implementation("reference"), "torch:cpu").notes) == ["arrays of torch:cpu"]

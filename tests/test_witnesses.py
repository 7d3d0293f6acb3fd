"""Every witness that installs with the tests is run again, and agrees as the specification says."""

import importlib
from pathlib import Path

import pytest
from witnessing import difference

from goldstep import spec
from goldstep.oracle.rules import iterations

LIBRARIES = sorted(path.stem for path in (Path(__file__).parent / "witnesses").glob("*.py"))
EVERY = [
    pytest.param(
        w, id="-".join(filter(None, [library, w.rule.replace("|", "-"), w.dialect, str(i)]))
    )
    for library in LIBRARIES
    for i, w in enumerate(importlib.import_module(f"witnesses.{library}").WITNESSES)
]


@pytest.mark.filterwarnings("ignore")  # what a library warns of is its own affair
@pytest.mark.parametrize("witness", EVERY)
def test_a_witness_agrees(witness):
    assert difference(witness) <= witness.tolerance


@pytest.mark.parametrize("witness", EVERY)
def test_a_witness_is_in_the_specification(witness):
    rows = spec.load(spec.kind_of(witness.about), witness.about)["witness"]
    said = [f"{row['what']} {row['over']}" for row in rows]
    assert [s for s in said if witness.what in s and witness.dialect in s]


def test_every_rule_but_those_on_matrices_has_a_witness_that_is_run():
    run = {param.values[0].about for param in EVERY}
    every = [(kind, name) for kind, name in spec.every() if kind != "iterations"]
    on_matrices = {n for k, n in every if spec.load(k, n)["theta"] == "matrix" or iterations(n)}
    assert {name for _, name in every} - on_matrices <= run

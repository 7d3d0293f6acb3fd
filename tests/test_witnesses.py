"""Every witness that installs with the tests is run again, and agrees as the specification says."""

import pytest
import tried
from witnessing import difference, every, rows, run_again

from goldstep import spec
from goldstep.oracle.rules import iterations

EVERY = [
    pytest.param(
        w, id="-".join(filter(None, [library, w.rule.replace("|", "-"), w.dialect, str(i)]))
    )
    for library, witnesses in every().items()
    for i, w in enumerate(witnesses)
]


@pytest.mark.filterwarnings("ignore")  # what a library warns of is its own affair
@pytest.mark.parametrize("witness", EVERY)
def test_a_witness_agrees(witness):
    assert difference(witness) <= witness.tolerance


@pytest.mark.parametrize("witness", EVERY)
def test_a_witness_is_in_the_specification(witness):
    assert [*rows(witness)]


def test_the_witnesses_that_are_run_again_are_counted():
    noted = {name: counts["witnesses"] for name, counts in tried.noted().items()}
    run = {name: run_again(name) for _, name in spec.every()}
    assert run == noted, "run python tests/tried.py"


def test_every_rule_but_those_on_matrices_has_a_witness_that_is_run():
    run = {param.values[0].about for param in EVERY}
    every = [(kind, name) for kind, name in spec.every() if kind != "iterations"]
    on_matrices = {n for k, n in every if spec.load(k, n)["theta"] == "matrix" or iterations(n)}
    assert {name for _, name in every} - on_matrices <= run

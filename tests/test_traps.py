"""Every trap of the specification is caught through the contract, in every type."""

import json

import pytest

from goldstep.conformance import margins, trajectories
from goldstep.conformance.implementations import DTYPES

TRAPS = list(margins.traps())
ENTRIES = {e["id"]: e for e in trajectories.manifest()["trajectories"]}


def noted(rule, trap):
    """By trajectory, the margins that the manifest notes for a trap."""
    at = {id_: e["kills"].get(rule, {}).get(trap, {}) for id_, e in ENTRIES.items()}
    return {id_: by_type for id_, by_type in at.items() if by_type}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rule", "trap"), TRAPS, ids=[f"{r}-{t}" for r, t in TRAPS])
def test_a_trap_is_caught_where_the_manifest_says_and_by_the_margin_it_says(rule, trap, dtype):
    found = {id_: m[dtype] for id_, m in noted(rule, trap).items() if dtype in m}
    assert found, "no trajectory sees it: run python -m goldstep.conformance.margins"
    best = max(found, key=lambda id_: float("inf") if found[id_] is None else found[id_])
    seen = max(
        margins.margin(rule, trap, case, dtype)
        for pipeline in margins.pipelines(rule)
        for case in margins.questions(pipeline)
        if case.id.split("/")[1] == best
    )
    if found[best] is None:
        assert seen == float("inf")
    else:
        assert seen == pytest.approx(found[best], rel=0.05)
    assert seen > 100


def test_every_trajectory_kills_and_says_so():
    for id_, entry in ENTRIES.items():
        assert entry["kills"], id_


def test_the_manifest_notes_no_trap_that_is_no_more():
    known = {(rule, trap) for rule, trap in TRAPS}
    for entry in ENTRIES.values():
        assert {(r, t) for r, traps in entry["kills"].items() for t in traps} <= known
    json.dumps(ENTRIES, allow_nan=False)

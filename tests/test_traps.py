"""Every trap of the specification is caught through the contract, in every type."""

import json

import pytest

from goldstep import spec
from goldstep.conformance import margins, trajectories
from goldstep.conformance.cases import COUNT, asked, worth
from goldstep.conformance.implementations import CAPABILITIES
from goldstep.oracle.rounding import narrow

TRAPS = list(margins.traps())


@pytest.mark.parametrize("dtype", margins.MEASURED)
@pytest.mark.parametrize(("rule", "trap"), TRAPS, ids=[f"{r}-{t}" for r, t in TRAPS])
def test_a_trap_is_caught_by_the_case_that_is_noted_and_by_that_margin(rule, trap, dtype):
    caught = margins.noted(rule).get(trap, {}).get(dtype)
    if not caught and narrow(dtype):
        pytest.skip("no case catches it in so coarse a type")
    assert caught, f"no case catches it: run python -m goldstep.conformance.margins --rule {rule}"
    best = caught["by"][caught["case"].split("/")[1]]
    pipeline = caught["case"].split("/")[0]
    (case,) = (c for c in margins.questions(pipeline) if c.id == caught["case"])
    seen = margins.margin(rule, trap, case, dtype)
    assert seen == (float("inf") if best is None else pytest.approx(best, rel=0.05))
    assert seen > (1 if narrow(dtype) else 100)


@pytest.mark.parametrize(("rule", "trap"), TRAPS, ids=[f"{r}-{t}" for r, t in TRAPS])
def test_a_trap_that_a_coarse_type_hides_is_declared_so_and_no_other(rule, trap):
    (said,) = (t for t in spec.load(spec.kind_of(rule), rule)["trap"] if t["name"] == trap)
    hidden = margins.best(rule, trap, "bfloat16") < 2
    assert hidden == ("bfloat16" in said.get("unseen", [])), "unseen = ['bfloat16'] in its spec"


def test_every_trajectory_catches_a_trap():
    caught = [at for _, name in spec.every() for at in margins.noted(name).values()]
    assert {t for at in caught for by in at.values() for t in by["by"]} == {
        *trajectories.names(),
        COUNT,
    }


def test_no_trap_is_noted_that_is_no_more():
    names = [name for _, name in spec.every()]
    assert {path.stem for path in margins.KILLS.glob("*.json")} <= {*names}
    for name in names:
        there = [trap for rule, trap in TRAPS if rule == name]
        assert list(margins.noted(name)) == there
        json.dumps(margins.noted(name), allow_nan=False)


@pytest.mark.parametrize("rule", sorted({rule for rule, _ in TRAPS}))
def test_a_type_is_asked_the_case_that_catches_a_trap_best(rule):
    for caught in margins.noted(rule).values():
        for dtype, at in caught.items():
            name = at["case"].split("/")[0]
            found = {c.id: worth(c, dtype) for c in asked(name, CAPABILITIES)}
            twin = at["case"].replace("/constant", "/changing")
            assert found.get(at["case"]) or found.get(twin), (dtype, at["case"])

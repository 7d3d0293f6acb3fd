"""Every trap of the specification is caught through the contract, in every type."""

import json

import pytest

from goldstep import spec
from goldstep.conformance import cases, margins, trajectories
from goldstep.conformance.cases import COUNT, worth
from goldstep.oracle import Case
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


@pytest.mark.parametrize("rule", sorted({rule for rule, _ in TRAPS}))
def test_every_trap_is_far_from_the_limit_or_declared_hidden(rule):
    assert not list(margins.short(rule))


@pytest.mark.parametrize(
    ("dtype", "by", "said"),
    [
        ("float64", 9.9e8, "9.9e+08 times the limit in float64, not 1e+09"),
        ("float32", 99.0, "99 times the limit in float32, not 100"),
        ("bfloat16", 1.9, "1.9 times the limit in bfloat16, not 2"),
        ("bfloat16", 0.0, "or say unseen = ['bfloat16'] in its specification"),
    ],
)
def test_a_trap_that_is_near_to_the_limit_fails_by_name(dtype, by, said, monkeypatch, tmp_path):
    noted = margins.noted("lion")
    noted["coupled-decay"][dtype]["by"] = {"designed-scales": by} if by else {}
    (tmp_path / "lion.json").write_text(json.dumps(noted))
    monkeypatch.setattr(cases, "KILLS", tmp_path)
    (line,) = margins.short("lion")
    assert line.startswith("trap coupled-decay of lion: ")
    assert said in line


def test_a_trap_that_is_said_to_be_hidden_and_is_not_fails_by_name(monkeypatch):
    rule, trap = next(
        (rule, trap["name"])
        for _, rule in spec.every()
        for trap in spec.load(spec.kind_of(rule), rule)["trap"]
        if "unseen" in trap
    )
    monkeypatch.setattr(margins, "best", lambda *_: 1e10)
    assert any(f"trap {trap} of {rule}" in line for line in margins.short(rule))


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


def test_a_type_is_asked_the_case_that_catches_a_trap_best():
    for rule in {rule for rule, _ in TRAPS}:
        for caught in margins.noted(rule).values():
            for dtype, at in caught.items():
                case = Case(at["case"], at["case"].split("/")[0], {}, {}, [], [])
                assert worth(case, dtype), (dtype, case.id)

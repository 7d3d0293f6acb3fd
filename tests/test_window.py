"""The window that is noted of a rule is what is measured, and leaves room on both sides."""

import os

import pytest

from goldstep import spec
from goldstep.conformance import commands, window
from goldstep.conformance.rewrites import rewritten
from goldstep.oracle.replay import implementation
from goldstep.oracle.rounding import narrow

NAMES = [name for _, name in spec.every()]
MEASURED = [name for name in NAMES if window.noted(name)]


def test_every_rule_is_measured_and_nothing_else():
    assert {path.stem for path in window.FOLDER.glob("*.json")} == {*NAMES}


@pytest.mark.parametrize("rule", MEASURED)
def test_no_legal_rewriting_leaves_the_limit(rule):
    for dtype, found in window.noted(rule).items():
        assert found["legal"] <= 1, dtype


WHOLE = "GOLDSTEP_WHOLE" in os.environ
"""Whether all that is noted is measured again. Else it is, of each rule, in one type, of one legal
rewriting and of one hyper-parameter, which are others for the next rule."""


@pytest.mark.parametrize("rule", MEASURED)
def test_a_window_is_what_is_measured(rule):
    turn, cases = NAMES.index(rule), {case.id: case for case in window.questions(rule)}
    every = [*window.noted(rule).items()]
    for dtype, found in every if WHOLE else every[turn % len(every) :][:1]:
        made = implementation() if narrow(dtype) else rewritten(found["way"])
        at = [case for case in cases.values() if WHOLE or case.id == found["case"]]
        seen = max((window.ratio(case, dtype, made) for case in at), default=0)
        assert seen == pytest.approx(found["legal"], rel=0.05)
        changes = [c for c in found["changes"].items() if c[1]["relative"]]
        start = 0 if WHOLE or not changes else turn // len(every) % len(changes)
        for name, change in changes if WHOLE else changes[start:][:1]:
            altered = window.altered(name, 1.02 * change["relative"] + 2.0**-54)
            assert window.ratio(cases[change["case"]], dtype, altered) > 1, (dtype, name)


def test_the_command_says_what_is_noted(capsys):
    assert commands.main(["window", "lion"]) == 0
    said = capsys.readouterr().out
    assert "lion in bfloat16" in said
    assert "  lr, relative change: seen from 0.035 on" in said
    assert "times the limit" in said
    assert "of the limit" in said
    assert commands.main(["window", "lionn"]) == 2

"""`goldstep coverage` counts the known bugs that are caught, declared, and out of reach."""

import json

import pytest

from goldstep.conformance import commands
from goldstep.conformance.commands import coverage


@pytest.fixture
def counted(tmp_path, capsys):
    """The exit code and the output of the command on a list of ids."""

    def run(*ids):
        path = tmp_path / "known.json"
        path.write_text(json.dumps([{"id": i, "kind": "BUG", "summary": ""} for i in ids]))
        code = commands.main(["coverage", str(path)])
        return code, capsys.readouterr().out

    return run


def test_a_trap_is_caught_a_dialect_is_declared_and_the_rest_has_a_reason(counted):
    code, said = counted("adam-step-twice", "adam-eps-inside-sqrt", "adam-complex-square")
    assert code == 0
    assert "caught        adam-step-twice       the trap counted-twice of adam" in said
    assert "the dialect epsilon-inside-the-root of adam; " in said
    assert "out of reach  adam-complex-square   It shows only on complex parameters" in said
    assert said.endswith("3: 1 caught, 1 declared, 1 out of reach, 0 not covered\n")


def test_a_bug_that_nobody_has_thought_of_fails(counted):
    code, said = counted("adam-step-twice", "nobody-has-thought-of-it")
    assert code == 1
    assert "not covered   nobody-has-thought-of-it" in said


def test_a_file_that_is_not_there_is_an_error_of_one_sentence(capsys):
    assert commands.main(["coverage", "nowhere.json"]) == 2
    assert capsys.readouterr().err.startswith("goldstep: nowhere.json: No such file")


def test_nothing_is_both_a_line_of_a_rule_and_beyond_all_rules():
    ruled = {id_ for id_, _, _ in coverage.specified()}
    assert not ruled & {id_ for id_, _, _ in coverage.beyond()}
    assert {verdict for _, verdict, _ in coverage.beyond()} <= set(coverage.VERDICTS[:3])

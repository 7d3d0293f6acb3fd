"""The list of the mutants that may survive is of the code and of the tests that there are."""

import pytest
from mutation import ROOT, SAID


@pytest.mark.parametrize("name", SAID)
def test_a_mutant_that_may_survive_is_of_a_line_that_there_is(name):
    lines = (ROOT / "oracle" / f"{name}.py").read_text(encoding="utf-8").splitlines()
    there = {line.strip() for line in lines}
    for survivor in SAID[name].get("survivor", []):
        assert survivor["was"] in there
        assert survivor["now"] not in there
        assert survivor["why"]


@pytest.mark.parametrize("name", SAID)
def test_the_tests_that_guard_a_module_exist(name):
    for test in SAID[name]["tests"]:
        path, _, function = test.removeprefix("--deselect=").partition("::")
        assert function in (ROOT / path).read_text(encoding="utf-8")

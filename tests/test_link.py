"""The specification and the reference say the same things in the same order."""

import inspect

import pytest

from goldstep import spec
from goldstep.oracle import link, module
from goldstep.oracle.rules import readings

EVERY = spec.every()
SAID = [(name, said) for kind, name in EVERY for said in readings(name)]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_equation_is_one_line_in_order(kind, name):
    tags = [e["tag"] for e in spec.load(kind, name)["equation"]]
    assert list(link.tagged(module(name))) == tags


@pytest.mark.parametrize("name", [name for _, name in EVERY])
def test_equation_numbers_stand_in_the_margin(name):
    for line in inspect.getsource(module(name)).splitlines():
        if link.MARGIN.fullmatch(line):
            assert line.rindex("#") == link.COLUMN, line


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, name in EVERY if kind != "iterations"]
)
def test_hyper_parameters_and_state_are_those_specified(kind, name):
    s, reference = spec.load(kind, name), module(name)
    assert reference.Hyper()._asdict() == {k: v["default"] for k, v in s["hyper"].items()}
    assert list(reference.Hyper._fields) == list(s["hyper"])
    if kind == "schedules":  # these have a value, and the count is the caller's
        assert list(inspect.signature(reference.value).parameters) == ["t", "hyper"]
        return
    assert list(reference.State._fields) == list(s["state"])


@pytest.mark.parametrize("name", spec.names("iterations"))
def test_the_arguments_of_an_iteration_are_those_specified(name):
    arguments = inspect.signature(getattr(module(name), name)).parameters
    given = {k: p.default for k, p in arguments.items() if p.default is not p.empty}
    specified = spec.load("iterations", name)["hyper"]
    assert given == {k: v["default"] for k, v in specified.items()}


@pytest.mark.parametrize(("name", "said"), SAID, ids=[f"{n}-{s}" for n, s in SAID])
def test_dialects_and_traps_replace_lines_that_exist(name, said):
    reading = readings(name)[said]
    lines = link.tagged(module(name))
    assert reading["code"].keys() <= lines.keys()
    assert reading.get("tex", {}).keys() <= lines.keys()
    assert all(lines[tag] != code for tag, code in reading["code"].items())


def test_an_unknown_tag_is_an_error_that_names_it():
    with pytest.raises(LookupError, match=r"lion has no line tagged lion\.9"):
        link.variant(module("lion"), {"lion.9": "pass"})


def test_a_mutant_says_the_other_line_and_leaves_the_module_alone():
    lion = module("lion")
    mutant = link.variant(lion, {"lion.3": "m = c"})
    assert mutant.update is not lion.update
    assert link.tagged(lion)["lion.3"] == "m = b2 * m + (1 - b2) * g"


def test_suspects_are_the_equations_that_a_wrong_output_depends_on():
    adam = module("adam")
    assert link.suspects(adam, {"theta"}, {"m", "v", "t"}) == ["adam.4", "adam.5", "adam.6"]
    assert link.suspects(adam, {"v"}, {"m", "t"}) == ["adam.3"]
    assert link.suspects(adam, {"theta"}, set())[0] == "adam.1"


def test_hyper_parameters_are_known_by_the_names_that_they_are_unpacked_to():
    assert link.unpacked(module("lion")) == ["lr", "b1", "b2", "wd"]
    assert link.unpacked(module("sgd")) == ["lr"]
    assert link.unpacked(module("delay")) == []


def test_a_file_of_the_reference_is_at_most_90_lines():
    for _, name in EVERY:
        assert len(inspect.getsource(module(name)).splitlines()) <= 90, name

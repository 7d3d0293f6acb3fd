"""The specification is data that anyone can use: it says all that it has to, in one form."""

import builtins
import dis
import json
import re
from types import CodeType, FunctionType

import jsonschema
import numpy as np
import pytest

from goldstep import spec
from goldstep.oracle.rules import PROFILES, read, readings, within

EVERY = spec.every()
SCHEMA = json.loads((spec.FOLDER / "rule.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_rule_satisfies_the_schema(kind, name):
    jsonschema.validate(spec.load(kind, name), SCHEMA)


def test_names_are_unique_across_kinds():
    names = [name for _, name in EVERY]
    assert len(names) == len(set(names))


def test_tags_are_unique():
    tags = [e["tag"] for kind, name in EVERY for e in spec.load(kind, name)["equation"]]
    assert len(tags) == len(set(tags))


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_readings_of_a_rule_have_names_of_their_own(kind, name):
    s = spec.load(kind, name)
    names = [r["name"] for r in s["dialect"] + s["trap"]]
    assert len(names) == len(set(names))


def used(code):
    """The global names that a piece of code reads."""
    yield from (i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL")
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from used(inner)


@pytest.mark.parametrize("name", [name for _, name in EVERY])
def test_a_reading_uses_no_name_that_there_is_not(name):
    for reading in readings(name):
        found = vars(read(name, {name: reading}))
        own = [f for f in found.values() if isinstance(f, FunctionType) and f.__globals__ is found]
        missing = {n for f in own for n in used(f.__code__)} - found.keys() - vars(builtins).keys()
        assert missing == set(), reading


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_values_lie_in_their_domain(kind, name):
    for row in spec.load(kind, name)["hyper"].values():
        assert all(within(row[profile], row["domain"]) for profile in PROFILES)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_dyadic_and_amplified_values_are_exact_in_bfloat16(kind, name):
    for row in spec.load(kind, name)["hyper"].values():
        for profile in ("dyadic", "amplified"):
            mantissa, _ = np.frexp(row[profile])
            assert mantissa * 2**8 % 1 == 0


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_hyper_parameters_of_a_profile_differ_so_that_a_swap_is_seen(kind, name):
    for profile in PROFILES[1:]:
        values = [row[profile] for row in spec.load(kind, name)["hyper"].values()]
        assert len(values) == len(set(values))


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_letter_of_a_hyper_parameter_stands_in_an_equation(kind, name):
    s = spec.load(kind, name)
    said = " ".join(e["tex"] for e in s["equation"])
    begins = {row["init"] for row in s["state"].values()}
    begins |= {word for row in s["state"].values() for word in row["like"].split()}  # a rank
    for key, row in s["hyper"].items():
        if key not in begins:
            assert re.search(re.escape(row["tex"]) + r"(?![A-Za-z])", said), key


def test_an_unknown_rule_is_an_error_that_names_the_nearest():
    with pytest.raises(LookupError, match="no rule 'adamm' among spec/optimizers; there is adam"):
        spec.load("optimizers", "adamm")
    with pytest.raises(LookupError, match="no rule 'loin'; there is lion"):
        spec.kind_of("loin")

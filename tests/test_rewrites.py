"""What is legal conforms: every rule, computed in every other way that implementers use."""

import ast
import dataclasses
import inspect
import itertools
import re

import numpy as np
import pytest

from goldstep.conformance.cases import cases, rules
from goldstep.conformance.rewrites import WAYS, WORDS, reworded, rewrites, rewritten
from goldstep.oracle import Arithmetic, Truth, judge, link, module, observe, pipeline
from goldstep.oracle.rules import iterations

STEPS = 6
"""Of a rule with gradients; each is forced from its own golden moment, so that more of them add
nothing but numbers."""


def question(rule):
    """The case that is asked: of the large, dyadic hyper-parameters, the widest gradients."""
    fit = [c for c in cases(rule) if "/amplified/constant" in c.id]
    case = next((c for c in fit if "scales" in c.id), next(iter(fit), next(iter(cases(rule)))))
    if not pipeline(rule).stages:
        return case
    first = {name: getattr(case, name)[:STEPS] for name in ("grads", "changes", "given")}
    return dataclasses.replace(case, **first)


def others(rule):
    """The ways in which a rule is computed otherwise at all; where none does, as it is written."""
    stages = pipeline(rule).stages
    if not stages:  # a schedule by itself is nothing but a host scalar
        return [*WORDS]
    lines = [line for stage in stages for line in code(stage)]
    sums = any(adds(stage) for stage in stages)
    return [
        name
        for name in rewrites()
        if (sums or not name.startswith("summed"))
        and (name not in WORDS or any(says_otherwise(line, WORDS[name]) for line in lines))
    ]


def adds(stage):
    if not hasattr(stage.module, "__file__"):
        return True
    return iterations(stage.name) or re.search(r"(sum|mean)\(", inspect.getsource(stage.module))


def says_otherwise(line, words):
    """Whether a line is reworded, and not only set otherwise."""
    try:
        return reworded(line, words) != ast.unparse(ast.parse(line))
    except SyntaxError:  # the head of a loop
        return False


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", rules())
def test_every_legal_way_to_compute_a_rule_conforms(rule, dtype):
    case = question(rule)
    truth = Truth(case, Arithmetic(dtype, "float32"))
    for name in others(rule):
        with np.errstate(all="ignore"):  # reciprocals of zero, which are then left out
            verdict = judge(truth, observe(truth, rewritten(name), free=False))
        assert verdict.conforms, (name, verdict)


def test_what_is_left_out_of_a_rule_says_the_same_of_it():
    left = {*rewrites()} - {*others("lion")}
    assert left >= {"summed backwards", "divided first"}
    assert not left & {"as written", "fused", "as a step towards"}
    assert "summed backwards" in others("adafactor")
    case = question("lion")
    truth = Truth(case, Arithmetic("float32"))
    written, *same = (observe(truth, rewritten(n), free=False) for n in ["as written", *left])
    for seen in same:
        for a, b in zip(written.forced, seen.forced, strict=True):
            assert all(
                np.array_equal(x, y) for (*_, x), (*_, y) in zip(a.slots(), b.slots(), strict=True)
            )


def test_every_other_way_is_another():
    found = {}
    for rule, name in itertools.product(
        ("adamw", "adafactor", "clip_by_global_norm+adam"), rewrites()
    ):
        case = next(c for c in cases(rule) if "/default/" in c.id)  # where products are inexact
        truth = Truth(case, Arithmetic("float32"))
        with np.errstate(all="ignore"):
            forced = observe(truth, rewritten(name), free=False).forced
        found[rule, name] = np.concatenate(
            [np.ravel(x) for moment in forced for _, _, x in moment.slots()]
        )
    for name in {*rewrites()} - {"as written"}:
        assert any(
            not np.array_equal(x, found[rule, "as written"])
            for (rule, other), x in found.items()
            if other == name
        ), name


def test_every_other_word_is_said_somewhere_and_none_at_random():
    lines = [line for rule in rules() for stage in pipeline(rule).stages for line in code(stage)]
    for name, words in WORDS.items():
        assert any(reworded(line, words) != line for line in lines), name
    assert reworded("x = a - b", WORDS["as a step towards"]) == "x = a - b"
    assert "as written" in WAYS


def code(stage):
    return link.tagged(module(stage.name)).values() if hasattr(stage.module, "__file__") else ()

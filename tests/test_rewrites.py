"""What is legal conforms: every rule, computed in every other way that implementers use."""

import itertools

import numpy as np
import pytest

from goldstep.conformance.cases import cases, rules
from goldstep.conformance.rewrites import WAYS, WORDS, reworded, rewrites, rewritten
from goldstep.oracle import Arithmetic, Truth, judge, link, module, observe, pipeline


def question(rule):
    """The case that is asked: of the large, dyadic hyper-parameters, the widest gradients."""
    fit = [c for c in cases(rule) if "/amplified/constant" in c.id]
    return next((c for c in fit if "scales" in c.id), next(iter(fit), next(iter(cases(rule)))))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", rules())
def test_every_legal_way_to_compute_a_rule_conforms(rule, dtype):
    case = question(rule)
    truth = Truth(case, Arithmetic(dtype, "float32"))
    # A schedule by itself is nothing but a host scalar.
    for name in [*rewrites()] if pipeline(rule).stages else WORDS:
        with np.errstate(all="ignore"):  # reciprocals of zero, which are then left out
            verdict = judge(truth, observe(truth, rewritten(name), free=False))
        assert verdict.conforms, (name, verdict)


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

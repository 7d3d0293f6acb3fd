"""What the pages certify of each rule is what is measured."""

import numpy as np
import pytest

from goldstep import spec
from goldstep.conformance import certificates
from goldstep.oracle.certify import difference, turned
from goldstep.oracle.digits import Digits
from goldstep.oracle.examples import examples

EVERY = [name for _, name in spec.every()]


@pytest.mark.parametrize("name", EVERY)
def test_a_certificate_is_what_is_measured(name):
    stored = certificates.stored(name)
    assert stored, "run python -m goldstep.conformance.certificates"
    assert certificates.agree(certificates.measured(name), stored)


@pytest.mark.parametrize(("kind", "name"), spec.every())
def test_a_certificate_has_every_equation_that_is_executed(kind, name):
    executed = [e["tag"] for e in spec.load(kind, name)["equation"] if "says-only" not in e]
    assert list(certificates.stored(name)["equations"]) == executed


def test_no_certificate_is_of_a_rule_that_is_no_more():
    assert {p.stem for p in certificates.FOLDER.glob("*.json")} <= set(EVERY)


def test_a_certificate_that_differs_does_not_agree():
    made = certificates.stored("adam")
    other = {**made, "equations": {**made["equations"], "adam.3": 40.0}}
    assert not certificates.agree(made, other)
    assert not certificates.agree(made, {**made, "equations": {}})
    assert not certificates.agree(made, None)


def test_a_basis_is_measured_but_for_signs_and_turns():
    whole = Digits(np.eye(4))
    basis, turn = np.eye(4)[:, :3], np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    same, other = whole @ Digits(basis @ turn), whole @ Digits(np.eye(4)[:, 1:])
    assert difference(turned(same, Digits(basis)), Digits(basis)) == 0
    assert difference(turned(other, Digits(basis)), Digits(basis)) == 1


def test_rounding_is_that_of_the_type():
    assert certificates.rounding("sgd", "float32") < 2
    assert certificates.rounding("sgd", "bfloat16") <= 0.51
    e = next(iter(examples("adam")))
    assert certificates.cast(e, np.float32).theta.dtype == np.float32

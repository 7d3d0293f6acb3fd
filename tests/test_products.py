"""Products of matrices whose operands hardware rounds first: TF32, and what is coarser."""

import functools

import numpy as np
import pytest

from goldstep.conformance.ask import ask
from goldstep.conformance.cases import cases
from goldstep.conformance.implementations import Implementation, UnusableError, declared
from goldstep.oracle import Arithmetic
from goldstep.oracle import make as reference
from goldstep.oracle.judge import excess
from goldstep.oracle.rounding import PRODUCTS

BITS = {"tf32": 13, "bfloat16": 16}
"""So many of the last bits of float32 are not multiplied."""


def operand(x, kind):
    """The nearest number of a type, to even, of each float32."""
    bits, off = np.ascontiguousarray(x, np.float32).view(np.uint32), BITS[kind]
    half = np.uint32((1 << (off - 1)) - 1) + ((bits >> off) & 1)
    return ((bits + half) >> off << off).astype(np.uint32).view(np.float32)


def product(a, b, kind):
    """As tensor cores do it: each product exact, each sum in float32 cut off towards zero."""
    a, b = (operand(x, kind).astype(np.float64) for x in (a, b))
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for k in range(a.shape[1]):
        exact = total + a[:, k, None] * b[None, k]
        near = exact.astype(np.float32)
        over = np.abs(near.astype(np.float64)) > np.abs(exact)
        total = np.where(over, np.nextafter(near, np.float32(0)), near)
    return total


class Rounded(np.ndarray):
    """Matrices of which every product is that of hardware."""

    kind = "tf32"

    def __matmul__(self, other):
        return product(np.asarray(self), np.asarray(other), self.kind).view(type(self))


class Coarse(Rounded):
    kind = "bfloat16"


class Step:
    """The reference on such matrices."""

    def __init__(self, kind, rule, hyper, params):
        self.kind, self.step = kind, reference(rule, hyper, self.own(kind, params))

    @staticmethod
    def own(kind, x):
        if isinstance(x, dict):
            return {k: Step.own(kind, v) for k, v in x.items()}
        return x.view(kind) if isinstance(x, np.ndarray) else x

    def __call__(self, grads, **also):
        out = self.step(self.own(self.kind, grads), **self.own(self.kind, also))
        return {k: np.array(x) for k, x in out.items()}

    def state(self):
        return self.own(np.ndarray, self.step.state())

    def load(self, params, state):
        self.step.load(self.own(self.kind, params), self.own(self.kind, state))


def answer(rule, kind, **said):
    made = Implementation("mine", functools.partial(Step, kind), **said)
    case = next(c for c in cases(rule) if "designed-matrices/amplified" in c.id)
    return ask(made, case, "float32")


RULES = ("shampoo", "newton_schulz", "inverse_root", "muon_debiased", "soap")


@pytest.mark.parametrize("kind", [Rounded, Coarse])
@pytest.mark.parametrize("rule", RULES)
def test_what_is_declared_conforms(rule, kind):
    found = answer(rule, kind, products=kind.kind)
    assert found.status == "conforms", found.message


@pytest.mark.parametrize("rule", RULES)
def test_what_is_not_declared_is_found_and_named(rule):
    found = answer(rule, Rounded)
    assert found.verdict == (
        "does not conform: multiplies matrices in tf32, though float32 is declared"
    )
    assert "declare products = 'tf32'" in " ".join(found.message.split())
    assert found.ratio > 2


@pytest.mark.parametrize("kind", BITS)
@pytest.mark.parametrize("n", [1, 3, 16, 200])
def test_a_product_stays_within_its_error_and_comes_near(n, kind):
    random = np.random.default_rng(n)
    a, b = (random.uniform(0.5, 1, (8, n)).astype(np.float32) for _ in "ab")
    plain, coarse = Arithmetic("float32"), Arithmetic("float32", products=kind)
    got = product(a, b.T, kind)
    bound = coarse.tensor(a) @ coarse.tensor(b.T)
    assert 0.02 < excess(got, bound).max() * 2 <= 1
    assert excess(got, plain.tensor(a) @ plain.tensor(b.T)).max() > 1


def test_operands_that_the_hardware_holds_are_summed_in_float32():
    x = np.full((1, 8), 0.75)
    each = [Arithmetic("bfloat16", products=p) for p in (None, "bfloat16")]
    loose, sharp = ((a.tensor(x) @ a.tensor(x.T)).error.item() for a in each)
    assert sharp < loose / 3


def test_no_hardware_rounds_operands_in_float64():
    assert Arithmetic("float64", products="tf32").products is None


def test_another_type_is_an_error_that_lists_those_there_are():
    class Adapter:
        make, products = reference, "float32"

    with pytest.raises(UnusableError, match=f"type 'float32'; there is {', '.join(PRODUCTS)}"):
        declared(Adapter, "mine")

"""An implementation that computes more coarsely than it declares is told so, and in what type."""

import functools

import numpy as np
import pytest

from goldstep.conformance.ask import ask
from goldstep.conformance.cases import cases
from goldstep.conformance.implementations import Implementation
from goldstep.oracle import Arithmetic, Truth, Verdict
from goldstep.oracle import make as reference
from goldstep.oracle.declared import coarser, kept_in, misdeclared
from goldstep.oracle.observe import Seen
from goldstep.oracle.rounding import numpy_dtype
from goldstep.oracle.truth import Moment


class Coarse:
    """The reference with one thing in float32 (or float16) whatever its tensors are in."""

    def __init__(self, inside, rule, hyper, params, kept=np.float32):
        self.inside, self.dtype, self.kept = inside, next(iter(params.values())).dtype, kept
        if inside == "scalar":
            hyper = {k: np.float32(x) if isinstance(x, float) else x for k, x in hyper.items()}
        self.step = reference(rule, hyper, self.cast(params))

    def cast(self, arrays):
        dtype = np.float32 if self.inside == "compute" else self.dtype
        return {k: x if x is None else x.astype(dtype) for k, x in arrays.items()}

    def narrowed(self, state):
        if self.inside == "scalar":
            return state
        return {
            n: {k: x if isinstance(x, int) else self.held(x) for k, x in s.items()}
            for n, s in state.items()
        }

    def held(self, x):
        dtype = np.float32 if self.inside == "compute" else self.dtype
        return x.astype(self.kept).astype(dtype)

    def __call__(self, grads):
        params = self.step(self.cast(grads))
        self.step.load(params, self.narrowed(self.step.state()))
        return {k: x.astype(self.dtype) for k, x in params.items()}

    def state(self):
        return self.step.state()

    def load(self, params, state):
        self.step.load(self.cast(params), self.narrowed(state))


def small():
    return next(c for c in cases("adam") if "recorded-convnet/default/constant" in c.id)


def answer(inside, dtype="float64", **given):
    declared = {k: given.pop(k) for k in ("scalar", "state", "compute") if k in given}
    made = Implementation("mine", functools.partial(Coarse, inside, **given), **declared)
    return ask(made, small(), dtype)


@pytest.mark.parametrize(
    ("inside", "says"),
    [
        ("scalar", "computes host scalars in float32, though float64 is declared"),
        ("state", "keeps its state in float32, though float64 is declared"),
        ("compute", "computes in float32, though float64 is declared"),
    ],
)
def test_what_is_coarser_than_declared_is_said_with_the_type_that_fits(inside, says):
    found = answer(inside)
    assert found.status == "differs"
    assert found.verdict == f"does not conform: {says}"
    assert len(found.matches) == 1
    assert f"declare {inside} = 'float32'" in " ".join(found.message.split())
    assert found.ratio > 1e3


def test_a_state_in_float32_is_found_where_it_does_not_show():
    made = Implementation("mine", lambda *given: Coarse("state", *given).__call__)
    # Of dyadic hyper-parameters the numbers of the host are the same in float32.
    case = next(c for c in cases("novograd") if "designed-matrices/dyadic/constant" in c.id)
    found = ask(made, case, "float64")
    assert found.level == 0
    assert found.verdict.endswith("keeps its state in float32, though float64 is declared")


def test_a_state_in_a_coarse_type_is_found_beside_float32():
    found = answer("state", "float32", kept=numpy_dtype("bfloat16"))
    assert found.verdict.endswith("keeps its state in bfloat16, though float32 is declared")


def test_what_is_declared_conforms():
    assert answer("scalar", scalar="float32").status == "conforms"
    assert answer("state", state="float32").status == "conforms"
    assert answer("compute", state="float32", compute="float32", scalar="float32").status == (
        "conforms"
    )


def test_a_mistake_is_no_declaration():
    made = Implementation("mine", functools.partial(reference, meant={"adam": "count-from-two"}))
    assert ask(made, small(), "float64").matches[0].kind == "trap"


def test_a_state_that_does_not_show_is_suspected_last_and_of_no_coarse_type():
    def blind(inside, dtype, **given):
        made = lambda *args: Coarse(inside, *args, **given).__call__  # noqa: E731
        return ask(Implementation("mine", made), small(), dtype)

    assert "computes host scalars in float32" in blind("scalar", "float64").verdict
    assert "its state" not in blind("state", "float32", kept=numpy_dtype("bfloat16")).verdict


@pytest.mark.parametrize(
    ("own", "found"),
    [
        (
            {"dtype": "float64"},
            [
                ("compute", "float32", "float32", "float32", "float32", None),
                ("state", "float32", "float64", "float32", "float64", None),
                ("scalar", "float32", "float64", "float64", "float32", None),
            ],
        ),
        (
            {"dtype": "float32", "products": "tf32", "flush": False},
            [
                ("state", "float16", "float32", "float16", "float32", "tf32"),
                ("state", "bfloat16", "float32", "bfloat16", "float32", "tf32"),
            ],
        ),
        (
            {"dtype": "float64", "scalar": "float32", "state": "float32", "compute": "float32"},
            [
                ("products", "tf32", "float32", "float32", "float32", "tf32"),
                ("products", "bfloat16", "float32", "float32", "float32", "bfloat16"),
            ],
        ),
        ({"dtype": "bfloat16"}, []),
    ],
)
def test_each_coarser_arithmetic_is_coarser_in_one_respect(own, found):
    arithmetic = Arithmetic(**own)
    tried = list(coarser(arithmetic))
    assert [
        (what, dtype, other.compute, other.state, other.scalar_dtype, other.products)
        for what, dtype, other in tried
    ] == found
    assert {other.dtype for _, _, other in tried} <= {arithmetic.dtype}
    assert {other.flush for _, _, other in tried} <= {arithmetic.flush}


def test_what_was_seen_speaks_for_a_type_or_against_it():
    coarse, fine = np.array([0.5, 0.25]), np.array([0.5, 0.1])
    for theta, m in ((coarse, fine), (fine, coarse)):
        seen = Seen(1, [Moment({"w": theta}, {"w": {"m": m, "t": 3}})], [])
        assert kept_in("float32", seen, "theta") == (theta is coarse)
        assert kept_in("float32", seen, None) == (m is coarse)
        assert kept_in("float32", seen, "")


def test_an_arithmetic_that_has_no_bound_explains_nothing_and_the_others_are_asked(monkeypatch):
    judged = []

    def verdict(truth, *_, **__):
        judged.append(truth.arithmetic.compute)
        if len(judged) == 1:
            raise OverflowError
        return Verdict(len(judged) / 4, None)  # each nearer to its bound than the one before

    monkeypatch.setitem(misdeclared.__globals__, "judge", verdict)
    (match,) = misdeclared(Truth(small(), Arithmetic("float64")), Seen(0, [], []))
    assert judged == ["float32", "float64", "float64"]
    assert match.suspicion.name == "computes host scalars in float32, though float64 is declared"


@pytest.mark.parametrize("inside", ["state", "scalar"])
def test_where_the_state_does_not_show_both_that_explain_it_are_told(inside):
    made = Implementation("mine", lambda *given: Coarse(inside, *given).__call__)
    case = next(c for c in cases("adam") if "designed-matrices/amplified/constant" in c.id)
    (match,) = ask(made, case, "float64").matches
    assert len(match.rivals) == 1
    told = " ".join([match.name, *match.rivals])
    assert "keeps its state in float32" in told
    assert "computes host scalars in float32" in told


def test_where_the_state_does_not_show_products_are_suspected_in_float32(monkeypatch):
    monkeypatch.setitem(misdeclared.__globals__, "judge", lambda *_, **__: Verdict(0.5, None))
    (match,) = misdeclared(Truth(small(), Arithmetic("float32")), Seen(0, [], []))
    assert match.name == "multiplies matrices in tf32, though float32 is declared"

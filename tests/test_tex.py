"""The equations are executed: each says what its line computes, and no other would do."""

import itertools
import math
import re
import sys

import numpy as np
import pytest
import tried
from tried import EQUIVALENT, EXECUTED

from goldstep import spec
from goldstep.conformance import trajectories
from goldstep.oracle import certify, module
from goldstep.oracle.certify import Comparison, Point, limit
from goldstep.oracle.evaluate import Scope
from goldstep.oracle.examples import Draw, Example, examples, inner
from goldstep.oracle.tex import TexError

DIALECTS = [
    (name, d["name"]) for name in EXECUTED for d in spec.load(spec.kind_of(name), name)["dialect"]
]
READINGS = [(name, None) for name in EXECUTED] + DIALECTS
IDS = [f"{name}-{reading}" if reading else name for name, reading in READINGS]
SAYS_ONLY = 40
"""How many equations are not executed. It may only fall."""
CONVERGED = {("shampoo", "coupled-newton")}
"""Dialects that come to the same numbers by another way: their equations cannot be told apart."""
DIVIDED = {"sam", "asam"}
"""Rules that divide by the norm of the gradients: where all are zero, 0 / 0, they say nothing."""


# ------------------------------------------------------------------- The equations of the rules.


@pytest.mark.parametrize(("name", "reading"), READINGS, ids=IDS)
def test_every_equation_says_what_its_line_computes(name, reading):
    assert list(certify.failures(name, reading)) == []


def along(name, trajectory):
    """The last of a rule's first steps along a trajectory, on each of its small tensors."""
    s, plain = spec.load(spec.kind_of(name), name), module(name)
    t, whole = trajectories.load(trajectory), s["scope"] == "model"
    hyper = {k: row["amplified"] for k, row in s["hyper"].items()}
    shapes = {x.shape: k for k, x in t.params.items() if 0 < x.size <= 24}
    for shape, tensor in shapes.items():
        if s["theta"] == "matrix" and len(shape) != 2:
            continue

        def model(x, tensor=tensor):
            return {tensor: x} if whole else x

        theta, last = model(np.float64(t.params[tensor])), None
        state = plain.init(theta, plain.Hyper(**hyper))
        draw = Draw(np.random.default_rng(8), shape, whole=False)
        for grads in [grads for grads in t.grads[:6] if grads[tensor] is not None]:
            if name in DIVIDED and not grads[tensor].any():
                continue
            g, given = model(np.float64(grads[tensor])), draw.given(s["given"])
            given = {k: x if s["given"][k]["like"] == "1" else model(x) for k, x in given.items()}
            last = Example(f"{trajectory} {tensor}", hyper, theta, g, state, given)
            more = ([plain.Given(**given)] if given else []) + inner(plain)
            theta, *_, state = plain.update(theta, g, state, plain.Hyper(**hyper), *more)
        yield from [last] if last else []


@pytest.mark.parametrize("name", [n for n in EXECUTED if hasattr(module(n), "update")])
def test_every_equation_holds_along_the_designed_trajectories(name):
    comparison = Comparison(name)
    for trajectory in trajectories.names():
        if trajectory.startswith("designed-"):
            for e in along(name, trajectory):
                for point in comparison.points(e):
                    assert point.difference <= limit(exact=False), (point.tag, e.what)


@pytest.mark.parametrize(("name", "reading"), DIALECTS, ids=IDS[len(EXECUTED) :])
def test_a_dialect_says_otherwise_in_its_equations_as_in_its_lines(name, reading):
    plain, other = certify.said(name), certify.said(name, reading)
    tags = [tag for tag in plain.code if plain.code[tag] != other.code[tag]]
    changed = [tag for tag in plain.tex if plain.tex[tag] != other.tex[tag]]
    executed = [tag for tag in changed if tag not in other.says_only]
    assert [t for t in tags if t not in other.says_only] == [t for t in executed if t in tags]
    assert changed
    comparison, alike = Comparison(name, reading), {*executed}
    for point in itertools.chain.from_iterable(map(comparison.points, examples(name, reading))):
        if point.tag in alike and tried.told(Point.otherwise, [point], plain.tex[point.tag]):
            alike.remove(point.tag)
        if not alike:
            break
    assert alike == ({*executed} if (name, reading) in CONVERGED else set())


def test_few_equations_are_in_words_only_and_never_more(capsys):
    only = [
        e["tag"]
        for kind, name in spec.every()
        for e in spec.load(kind, name)["equation"]
        if "says-only" in e or "says-only" in spec.load(kind, name)
    ]
    total = sum(len(spec.load(kind, name)["equation"]) for kind, name in spec.every())
    with capsys.disabled():
        sys.stdout.write(f" [{len(only)} of {total} equations are in words only] ")
    assert len(only) <= SAYS_ONLY
    assert len(only) <= total / 10
    dialects = [d for at in spec.every() for d in spec.load(*at)["dialect"] if "says-only" in d]
    assert [d["name"] for d in dialects] == ["statistics-first"]


# ------------------------------------------------------------------- Nothing else would do.


@pytest.mark.parametrize("name", EXECUTED)
@pytest.mark.parametrize("what", [tried.equations, tried.lines], ids=lambda f: f.__name__)
def test_no_equation_and_no_line_can_be_changed_in_one_place(what, name):
    changes = what(name)
    assert {c for c in changes if not changes[c]} == EQUIVALENT & changes.keys()
    assert tried.noted()[name][what.__name__] == tried.count(changes), "run python tests/tried.py"


def test_every_change_that_is_listed_as_equivalent_is_one():
    noted = tried.noted().values()
    assert len(EQUIVALENT) == sum(of["equations"][1] + of["lines"][1] for of in noted)
    assert tried.noted().keys() == {name for _, name in spec.every()}


# ------------------------------------------------------------------- The grammar.


def scope():
    """A step 3 at which m and g are tensors, A and B matrices, c and d numbers."""
    made = Scope(np.float64, 3, matrices=True)
    made.declare("c", 0.5)
    made.declare(r"\beta_2", 0.25)
    made.declare("t", 3)
    made.declare("m", np.array([2.0, 4.0]), at=2)
    made.declare("g", np.array([1.0, 3.0]), at=3)
    made.declare("A", np.array([[2.0, 1.0], [1.0, 2.0]]), at=3)
    made.declare("B", np.array([[1.0, 0.0, -2.0], [3.0, 1.0, 1.0]]), at=3)
    return made


@pytest.mark.parametrize(
    ("tex", "value"),
    [
        (r"y = 1 - c \cdot 2 + t", 3.0),
        (r"y = \frac{c}{2} t", 0.75),
        (r"y = -c^2", -0.25),
        (r"y = \beta_2^t", 0.25**3),
        (r"y = 10^{-2}", 0.01),
        (r"y_t = g_t^2 + c", [1.5, 9.5]),
        (r"y_t = m_{t-1} \odot g_t / (\sqrt{m_{t-1}} + c)", [2 / (2**0.5 + 0.5), 12 / 2.5]),
        (r"y = \lVert m_{t-1} \rVert_2^2", 20.0),
        (r"y = \lVert g_t \rVert_1 - \lVert g_t \rVert_\infty", 1.0),
        (r"y = \langle m_{t-1}, g_t \rangle", 14.0),
        (r"y = \max(c, t) + \min(1, 2, c)", 3.5),
        (r"y_t = \max(g_t, 2)", [2.0, 3.0]),
        (r"y_t = \operatorname{clip}(g_t, -1, 2)", [1.0, 2.0]),
        (r"y = t \bmod 2 + \lfloor 2.5 \rfloor", 3.0),
        (r"y = \operatorname{mean}(g_t) + \operatorname{rms}(g_t)^2", 7.0),
        (r"y = \sum_{i=1}^{3} i^2 + 1", 15.0),
        (r"y = \prod_{i=2}^{t} i", 6.0),
        (r"y = \sum_{i} g_{t,i}", 4.0),
        (r"y = \max_{i} g_{t,i}", 3.0),
        (r"y_{t,i} = \sum_{j} B_{t,ij}^2", [5.0, 11.0]),
        (r"y_{t,ij} = g_{t,i} m_{t-1,j}", [[2.0, 4.0], [6.0, 12.0]]),
        (r"y_t = A_t^2", [[5.0, 4.0], [4.0, 5.0]]),
        (r"y_t = A_t^{\odot 2}", [[4.0, 1.0], [1.0, 4.0]]),
        (r"y_t = A_t^{-1} A_t + 2 I", [[3.0, 0.0], [0.0, 3.0]]),
        (r"y_t = (A_t^{1/2})^2 - A_t", [[0.0, 0.0], [0.0, 0.0]]),
        (r"y_t = B_t^\top A_t", [[5.0, 7.0], [1.0, 2.0], [-3.0, 0.0]]),
        (r"y = \operatorname{tr}(B_t B_t^\top) / \lVert B_t \rVert_F^2", 1.0),
        (r"y_t = A_t \oslash A_t + A_t \odot A_t", [[5.0, 2.0], [2.0, 5.0]]),
        (r"y_t = \operatorname{flat}(m_{t-1})", [[2.0], [4.0]]),
        (r"y_t = \operatorname{reshape}(\operatorname{vec}(A_t), A_t) - A_t", [[0.0, 0.0]] * 2),
        (r"y = \operatorname{rows}(B_t) / \operatorname{cols}(B_t)", 2 / 3),
        (
            r"y = \begin{cases} 1 & \text{if } t > 2 \wedge c < 1 \\ 2 & \text{otherwise} \end{cases}",
            1.0,
        ),
        (r"y = \begin{cases} 1 & \text{if } 2 \mid t \\ 2 & \text{otherwise} \end{cases}", 2.0),
        (
            r"y_t = \begin{cases} c & \text{if } g_t > 2 \\ g_t & \text{otherwise} \end{cases}",
            [1.0, 0.5],
        ),
        (r"y^{\max}_t = g_t - m_{t-1}", [-1.0, -1.0]),
        (r"y = \pi", math.pi),
    ],
)
def test_an_equation_says(tex, value):
    said = scope()
    said.say(tex)
    key = next(k for k in said.table if k.startswith("y"))
    np.testing.assert_allclose(next(iter(said.table[key].values())).x, value, atol=1e-15)


def test_neighbours_with_one_range_are_one_loop():
    said = scope()
    said.say(
        "x_0 = 1",
        r"y_k = 2 x_k, \quad k = 0, \dots, 3-1",
        r"x_{k+1} = y_k + 1, \quad k = 0, \dots, 3 - 1",
    )
    assert said["x", 3] == 15.0


@pytest.mark.parametrize(
    ("tex", "what", "at"),
    [
        (r"y = c m_{t-1} g_t", r"a tensor beside a tensor: write \odot", 14),
        (r"y = a / b c", "a / b c is ambiguous", 10),
        (r"y = m_t", "m is not known at t here; it is at t-1", 4),
        (r"y = m_{t-2}", "m is not known at t-2 here", 4),
        (r"y = m", "m has an index", 4),
        (r"y = \beta_3", r"\beta_3 is not declared; is it \beta_2?", 4),
        (r"y = \nabla f", r"\nabla is not in the grammar", 4),
        (r"y = B_t^2", "not square", 7),
        (r"y = A_t + B_t", "do not match", 8),
        (r"y = B_t A_t", "do not multiply", 8),
        (r"y = A_t B_t \odot B_t", "use parentheses", 12),
        (r"y = \sqrt{A_t}", "root is", 4),
        (r"y = g_t / A_t", "division by a matrix", 8),
        (r"y = g_t + I", "have no sum", 8),
        (r"y = g_t^\top", "the transpose of a tensor", 7),
        (r"y = G^T", r"the transpose is ^\top", 6),
        (r"y = c^10", "only the first digit", 6),
        (r"y = c^2^2", "two superscripts", 7),
        (r"y'^2 = c", "without a power", 2),
        (r"y = c'^2", "collide in TeX", 6),
        (r"y = \frac12", "two arguments in braces", 9),
        (r"y = |c|", "opens and closes alike", 4),
        (r"y = \lVert g_t \rVert", "a norm has a name", 21),
        (r"y = \lVert B_t \rVert_2", "of a matrix", 4),
        (r"y = \operatorname{sign} c", "stands in parentheses", 24),
        (r"y = \operatorname{sgn}(c)", "there is no sgn; is it sign?", 4),
        (r"y = \operatorname{sign}(c, t)", "takes 1 argument", 4),
        (r"y = (c, t)", "a tuple is no value", 6),
        (r"y = c +", "expected a value, found the end", 7),
        (r"y = c ) 2", "cannot read on from )", 6),
        (r"c^2 = y", "without a power", 1),
        (r"y = \begin{cases} 1 & \text{if } t > 2 \end{cases}", "the last arm", 4),
        (r"y = \begin{cases} 1 & \text{for } t \end{cases}", "an arm reads", 22),
        (r"m = c", "m has an index: write m_t", 0),
        (r"m_t = c", "m was a tensor and this is a number", 0),
        (r"y = g_{t,3}", "no such component", 4),
        (r"y = \max_{i} c", "is the index of nothing", 13),
        (r"y_{t,i} = c", "is the index of nothing", 10),
        (r"y = \sum_{i=4}^{3} g_t + g_{q}", "q is no index that is known here", 28),
    ],
)
def test_what_is_not_an_equation_is_pointed_at(tex, what, at):
    with pytest.raises(TexError, match=re.escape(what)) as caught:
        scope().say(tex)
    assert caught.value.at == at


def test_an_error_names_the_file_the_line_and_the_tag():
    said = certify.said("adam")
    text = (spec.FOLDER / "optimizers" / "adam.toml").read_text().splitlines()
    line = next(i for i, s in enumerate(text, 1) if "adam.3" in s) + 1
    error = certify.placed(said, "adam.3", TexError("what", said.tex["adam.3"], 6))
    assert str(error).startswith(f"spec/optimizers/adam.toml:{line}:15: adam.3: what\n")


# ------------------------------------------------------------------- The comparison.


def wrong(monkeypatch, tag, code):
    """What is said of adam if one of its lines says `code`."""
    plain = certify.said("adam")
    other = plain._replace(code=plain.code | {tag: code})
    monkeypatch.setattr(certify, "said", lambda *_: other)
    return list(certify.failures("adam"))


def test_a_line_that_says_something_else_is_named_with_its_equation(monkeypatch):
    found = wrong(monkeypatch, "adam.3", "v = b2 * v + (1 - b2) * g * m")
    assert len(found) == 1
    assert found[0].startswith(
        "spec/optimizers/adam.toml: adam.3: the equation and the line differ"
    )
    assert r"\beta_2 v_{t-1}" in found[0]
    assert "g * m" in found[0]


def test_a_line_that_no_example_passes_is_named(monkeypatch):
    vectors = [*examples("adafactor", shapes=1)]
    monkeypatch.setattr(certify, "examples", lambda *_, **__: iter(vectors))
    assert [said.split(": ", 1)[1] for said in certify.failures("adafactor")] == [
        f"adafactor.{n}: no example passes its line" for n in (1, 10, 11, 9)
    ]


def test_digits_see_what_float64_does_not(monkeypatch):
    found = wrong(monkeypatch, "adam.3", "v = b2 * v + (1 - b2) * g * g * (1 + 2.0**-60)")
    assert len(found) == 1
    assert "with 50 digits" in found[0]


def test_a_variable_of_another_name_is_not_enough(monkeypatch):
    found = wrong(monkeypatch, "adam.6", "theta_new = theta - lr * m_hat / (xp.sqrt(v_hat) + eps)")
    assert found
    assert r"what is given back as theta is not \theta_t" in found[0]

"""What a theorem about a rule is said in: what is drawn, what is compared, and how it is declared.

A theorem bears the name of its law. Its first argument is the rule that it is about, the others are
drawn as `notation` says. It is computed in float64 that carries its own rounding error: two things
are the same if rounding explains how they differ, and no tolerance is chosen by hand.

A file of theorems is named test_laws*.py and ends with

    @pytest.mark.parametrize("theorem", broken(__name__))
    def test_a_mistake_breaks(theorem):
        with pytest.raises(AssertionError):
            theorem()
"""

import inspect

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from goldstep import spec
from goldstep.oracle import Arithmetic, link, module, read
from goldstep.oracle.rounding import LIMIT, Bounded
from goldstep.reference.optimizers import sgd

xp = Arithmetic("float64")
xp.truth = np.float64  # its values, too, are what float64 makes of them

SHAPES = [(), (1,), (4,), (1, 3), (2, 3), (3, 2), (2, 1, 2)]
MATRICES = [(1, 1), (1, 4), (4, 1), (2, 3), (3, 2), (3, 3)]
POWERS = st.floats(-6, 6, width=16)
DOMAINS = {
    "> 0": st.floats(-6, 1, width=16).filter(bool).map(lambda power: xp.scalar(10.0**power)),
    ">= 0": st.floats(0, 16, width=16).map(xp.scalar),
    "[0, 1)": st.floats(0, 1 - 2**-10, width=16).map(xp.scalar),
    "[0, 1]": st.floats(0, 1, width=16).map(xp.scalar),
    "(0, 1]": st.floats(2**-10, 1, width=16).map(xp.scalar),
    "(0, 1)": st.floats(2**-10, 1 - 2**-10, width=16).map(xp.scalar),
    ">= 1": st.integers(1, 6),
}
WHOLE = {
    ">= 0": st.integers(0, 3),
    ">= 1": st.integers(1, 6),
    ">= 2": st.integers(2, 8),
    "[0, 1]": st.integers(0, 1),
}
FAR = 2.0**300
"""Beside gradients that are larger by this, the floor of a normalisation is below rounding."""

# ------------------------------------------------------------------- What is drawn.


def scaled(array, power):
    return xp.tensor(10.0**power * array)


def reflection(v):
    """I - 2 v v' / v' v, which is orthogonal. Every orthogonal matrix is a product of such."""
    v = xp.tensor(v)
    return xp.tensor(np.eye(v.shape[0])) - 2 * (v @ v.T) / (v.T @ v)


def arrays(shape, least=-8.0):
    """Zeros, and numbers from 6e-8 to 8."""
    elements = st.floats(least, 8, width=16)
    return hnp.arrays(np.float64, shape, elements=elements, fill=st.nothing())


def along(row, shape):
    """What stands for one thing that a step is given beside the gradient."""
    if row["like"] == "1":
        return DOMAINS["> 0"]
    if row["like"] == "rows":
        return st.builds(scaled, shape.flatmap(lambda s: arrays((s[0], 1))), POWERS)
    more, least = row["like"].split("*")[:-1], 0.125 if row["draw"] == "positive" else -8.0
    each = shape.flatmap(lambda s: arrays((*map(int, more), *s), least))
    return st.builds(scaled, each, st.shared(POWERS, key="g"))


def notation(rule):
    """What may stand for each argument of a theorem. All tensors of one example have one shape."""
    specified = spec.load(spec.kind_of(rule), rule)
    shapes = st.sampled_from(MATRICES if specified["theta"] == "matrix" else SHAPES)
    shape, length = st.shared(shapes, key="shape"), st.shared(st.integers(2, 6), key="length")
    theta = st.builds(scaled, shape.flatmap(arrays), POWERS)
    g = st.builds(scaled, shape.flatmap(arrays), st.shared(POWERS, key="g"))
    factor = st.builds(scaled, shape.flatmap(lambda s: arrays(s, 0.125)), POWERS)
    hyper = {
        name: (WHOLE if isinstance(row["default"], int) else DOMAINS)[row["domain"]]
        for name, row in specified["hyper"].items()
    }
    beside = {k: along(row, shape) for k, row in specified["given"].items()}
    given_once = st.builds(getattr(module(rule), "Given", dict), **beside)
    return hyper | {
        "givens": length.flatmap(lambda n: st.lists(given_once, min_size=n, max_size=n)),
        "hyper": st.builds(getattr(module(rule), "Hyper", dict), **hyper),
        "theta": theta,
        "other": theta,
        "g": g,
        "grads": length.flatmap(lambda n: st.lists(g, min_size=n, max_size=n)),
        "factors": length.flatmap(lambda n: st.lists(factor, min_size=n, max_size=n)),
        "model": st.dictionaries(
            st.sampled_from("abc"), st.builds(scaled, shapes.flatmap(arrays), POWERS), min_size=1
        ),
        "c": DOMAINS["> 0"],
        "t": st.integers(0, 12),
        "share": st.floats(0.01, 1).map(xp.scalar),
        "q": shape.flatmap(lambda s: arrays((s[0], 1)).filter(np.any).map(reflection)),
        "p": shape.flatmap(lambda s: arrays((s[1], 1)).filter(np.any).map(reflection)),
        "random": st.randoms(use_true_random=False),
    }


# ------------------------------------------------------------------- What is said of it.


def room(a, b):
    """By how much rounding can have moved `a` and `b` apart."""
    error = LIMIT * (a.error + b.error)
    if not np.all(np.isfinite(error)):
        msg = "rounding leaves nothing of this example"
        raise ArithmeticError(msg)
    return error


def same(a, b):
    return a.shape == b.shape and bool(np.all(abs(a.value - b.value) <= room(a, b)))


def identical(a, b):
    return np.array_equal(a.value, b.value)


def at_most(a, b):
    return bool(np.all(a.value - b.value <= room(a, b)))


def norm(*tensors):
    return xp.sqrt(sum(xp.sum(x * x) for x in tensors))


def flat(model):
    """All tensors of a model as one vector."""
    parts = [(np.ravel(x.value), np.ravel(x.error)) for x in model.values()]
    return Bounded(xp, *map(np.concatenate, zip(*parts, strict=True)))


def singular_values(matrix):
    """From the largest down, each with its error (Weyl; LAPACK's own is below size * eps)."""
    found = np.linalg.svd(matrix.value.astype(np.float64), compute_uv=False)
    own = matrix.value.size * 2 * xp.unit * found[0]
    return Bounded(xp, found, np.full(found.shape, own + np.linalg.norm(matrix.error)))


def run(rule, hyper, theta, grads, givens=None):
    """The parameters and the states of an optimizer, both from the start on."""
    thetas, states = [theta], [rule.init(theta, hyper)]
    for t, g in enumerate(grads):
        more = [] if givens is None else [givens[t]]
        theta, state = rule.update(thetas[-1], g, states[-1], hyper, *more)
        thetas.append(theta)
        states.append(state)
    return thetas, states


def transform(rule, hyper, theta, g):
    """The parameters and the gradient that a transform leaves to the rule behind it."""
    theta, g, _ = rule.update(theta, g, rule.init(theta, hyper), hyper)
    return theta, g


def before_sgd(rule, hyper, theta, grads, lr):
    """The parameters, from the start on, of SGD behind a transform."""
    thetas = [theta]
    for g in grads:
        theta, seen = transform(rule, hyper, thetas[-1], g)
        thetas.append(sgd.update(theta, seen, (), sgd.Hyper(lr))[0])
    return thetas


ON_A_MUTANT = {}
"""Every theorem, by its module and its name, as said of a rule for which it is false."""

TRIES = 50
"""After how many examples a mistake has to be found at the latest, whatever the profile."""


def law(*, broken_by):
    """Declare a theorem, and by which dialect, trap or {tag: line} of its rule it is broken."""

    def declare(theorem):
        rule, *arguments = inspect.signature(theorem).parameters
        drawn = {name: notation(rule)[name] for name in arguments}

        def said_of(reference, **how):
            with_infinite_errors = np.errstate(divide="ignore", invalid="ignore")(theorem)
            on_examples = given(**{rule: st.just(reference)}, **drawn)(with_infinite_errors)
            return settings(**how)(on_examples)  # and else as the profile says

        named = isinstance(broken_by, str)
        mutant = read(rule, {rule: broken_by}) if named else link.variant(module(rule), broken_by)
        ON_A_MUTANT[theorem.__module__, theorem.__name__] = said_of(
            mutant, max_examples=TRIES, derandomize=True, phases=[Phase.generate]
        )
        return said_of(module(rule))

    return declare


def broken(module_name):
    """The theorems of a module, each as said of a rule for which it is false, under its name."""
    return [
        pytest.param(theorem, id=name)
        for (where, name), theorem in ON_A_MUTANT.items()
        if where == module_name
    ]

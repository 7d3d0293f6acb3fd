"""Every law of the specifications: a theorem about the reference, and a mistake that breaks it.

A theorem bears the name of its law. Its first argument is the rule that it is about, the others are
drawn as `notation` says. It is computed in float64 that carries its own rounding error: two things
are the same if rounding explains how they differ, and no tolerance is chosen by hand.
"""

import inspect
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from goldstep import spec
from goldstep.oracle import Arithmetic, link, module, read
from goldstep.oracle.rounding import LIMIT, Bounded
from goldstep.reference.optimizers import adam, muon, sgd
from goldstep.reference.transforms import l2

xp = Arithmetic("float64")
xp.truth = np.float64  # its values, too, are what float64 makes of them

SHAPES = [(), (1,), (4,), (1, 3), (2, 3), (3, 2), (2, 1, 2)]
MATRICES = [(1, 1), (1, 4), (4, 1), (2, 3), (3, 2), (3, 3)]
POWERS = st.floats(-6, 6, width=16)
DOMAINS = {
    "> 0": st.floats(-6, 1, width=16).filter(bool).map(lambda power: xp.scalar(10.0**power)),
    ">= 0": st.floats(0, 16, width=16).map(xp.scalar),
    "[0, 1)": st.floats(0, 1 - 2**-10, width=16).map(xp.scalar),
    ">= 1": st.integers(1, 6),
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


def notation(rule):
    """What may stand for each argument of a theorem. All tensors of one example have one shape."""
    specified = spec.load(spec.kind_of(rule), rule)
    shapes = st.sampled_from(MATRICES if specified["theta"] == "matrix" else SHAPES)
    shape, length = st.shared(shapes, key="shape"), st.shared(st.integers(2, 6), key="length")
    theta = st.builds(scaled, shape.flatmap(arrays), POWERS)
    g = st.builds(scaled, shape.flatmap(arrays), st.shared(POWERS, key="g"))
    factor = st.builds(scaled, shape.flatmap(lambda s: arrays(s, 0.125)), POWERS)
    hyper = {name: DOMAINS[row["domain"]] for name, row in specified["hyper"].items()}
    return hyper | {
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
    found = np.linalg.svd(matrix.value, compute_uv=False)
    own = matrix.value.size * 2 * xp.unit * found[0]
    return Bounded(xp, found, np.full(found.shape, own + np.linalg.norm(matrix.error)))


def run(rule, hyper, theta, grads):
    """The parameters and the states of an optimizer, both from the start on."""
    thetas, states = [theta], [rule.init(theta, hyper)]
    for g in grads:
        theta, state = rule.update(thetas[-1], g, states[-1], hyper)
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


LAWS = {
    f"test_{rule}_{law['name'].replace('-', '_')}"
    for kind in spec.KINDS
    for rule in spec.names(kind)
    for law in spec.load(kind, rule)["law"]
}
ON_A_MUTANT = {}
"""Every theorem, by name, as said of a rule for which it is false."""

ALWAYS = settings(
    max_examples=50,
    derandomize=True,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)


def law(*, broken_by):
    """Declare a theorem, and by which dialect, trap or {tag: line} of its rule it is broken."""

    def declare(theorem):
        rule, *arguments = inspect.signature(theorem).parameters
        drawn = {name: notation(rule)[name] for name in arguments}

        def said_of(reference, how=ALWAYS):
            with_infinite_errors = np.errstate(divide="ignore", invalid="ignore")(theorem)
            return how(given(**{rule: st.just(reference)}, **drawn)(with_infinite_errors))

        named = isinstance(broken_by, str)
        mutant = read(rule, {rule: broken_by}) if named else link.variant(module(rule), broken_by)
        ON_A_MUTANT[theorem.__name__] = said_of(mutant, settings(ALWAYS, phases=[Phase.generate]))
        return said_of(module(rule))

    return declare


# ------------------------------------------------------------------- Optimizers.


@law(broken_by="forgets-the-sum")
def test_adagrad_order_of_the_past(adagrad, hyper, theta, grads, random):
    _, states = run(adagrad, hyper, theta, grads)
    _, shuffled = run(adagrad, hyper, theta, random.sample(grads, len(grads)))
    assert same(states[-1].G, shuffled[-1].G)


@law(broken_by="learning-rate-in-the-sum")
def test_adagrad_constant_gradient(adagrad, hyper, theta, grads, g):
    hyper = hyper._replace(initial_accumulator=0.0)
    thetas, _ = run(adagrad, hyper, theta, [g for _ in grads])
    for t, (before, after) in enumerate(pairwise(thetas), 1):
        assert same(before - after, hyper.lr * g / (xp.scalar(t) ** 0.5 * xp.abs(g) + hyper.eps))


@law(broken_by="count-from-two")
def test_adam_first_step_has_length_lr(adam, hyper, theta, g):
    (before, after), _ = run(adam, hyper, theta, [g])
    assert same(before - after, hyper.lr * g / (xp.abs(g) + hyper.eps))


@law(broken_by="count-from-zero")
def test_adam_constant_gradient(adam, hyper, theta, grads, g):
    thetas, _ = run(adam, hyper, theta, [g for _ in grads])
    for before, after in pairwise(thetas):
        assert same(before - after, thetas[0] - thetas[1])


@law(broken_by="epsilon-inside-the-root")
def test_adam_scale_invariance(adam, hyper, theta, grads, c):
    thetas, _ = run(adam, hyper, theta, grads)
    scaled, _ = run(adam, hyper._replace(eps=c * hyper.eps), theta, [c * g for g in grads])
    assert all(map(same, thetas, scaled))


@law(broken_by="square-of-the-average")
def test_adamw_adam_without_decay(adamw, hyper, theta, grads):
    thetas, _ = run(adamw, hyper._replace(weight_decay=0.0), theta, grads)
    expected, _ = run(adam, adam.Hyper(*hyper[:-1]), theta, grads)
    assert all(map(same, thetas, expected))


@law(broken_by="decay-times-lr-twice")
def test_adamw_zero_gradients(adamw, hyper, theta, grads):
    thetas, _ = run(adamw, hyper, theta, [xp.zeros_like(g) for g in grads])
    for before, after in pairwise(thetas):
        assert same(after, (1 - hyper.lr * hyper.weight_decay) * before)


@law(broken_by="l2-instead-of-decay")
def test_adamw_averages_see_no_decay(adamw, hyper, theta, other, grads, c):
    _, states = run(adamw, hyper, theta, grads)
    _, others = run(adamw, hyper._replace(weight_decay=c), other, grads)
    for a, b in zip(states, others, strict=True):
        assert identical(a.m, b.m)
        assert identical(a.v, b.v)


@law(broken_by="nesterov-by-mistake")
def test_heavy_ball_three_terms(heavy_ball, hyper, theta, grads):
    thetas, _ = run(heavy_ball, hyper, theta, grads)
    for older, old, new, g in zip(thetas, thetas[1:], thetas[2:], grads[1:], strict=False):
        assert same(new, old - hyper.lr * g + hyper.momentum * (old - older))


@law(broken_by="velocity-never-decays")
def test_heavy_ball_sgd_without_momentum(heavy_ball, hyper, theta, grads):
    thetas, _ = run(heavy_ball, hyper._replace(momentum=0.0), theta, grads)
    expected, _ = run(sgd, sgd.Hyper(hyper.lr), theta, grads)
    assert all(map(same, thetas, expected))


@law(broken_by="momentum-ignored")
def test_heavy_ball_coasts(heavy_ball, hyper, theta, grads):
    thetas, _ = run(heavy_ball, hyper, theta, grads + [xp.zeros_like(theta) for _ in grads])
    *_, before, last = thetas[: len(grads) + 1]
    end = last + hyper.momentum / (1 - hyper.momentum) * (last - before)
    for before, after in pairwise(thetas[len(grads) :]):
        assert same(end - after, hyper.momentum * (end - before))


@law(broken_by="coupled-decay")
def test_lion_scale_invariant(lion, hyper, theta, grads, c):
    thetas, states = run(lion, hyper, theta, grads)
    unmoved, scaled = run(lion, hyper, theta, [c * g for g in grads])
    assert all(map(same, thetas, unmoved))
    assert all(same(c * a.m, b.m) for a, b in zip(states, scaled, strict=True))


@law(broken_by="vote-from-the-new-average")
def test_lion_signum_when_the_betas_agree(lion, hyper, theta, grads):
    hyper = hyper._replace(beta2=hyper.beta1, weight_decay=0.0)
    thetas, states = run(lion, hyper, theta, grads)
    m = xp.zeros_like(theta)
    for (before, after), state, g in zip(pairwise(thetas), states[1:], grads, strict=True):
        m = hyper.beta1 * m + (1 - hyper.beta1) * g
        assert same(state.m, m)
        assert same(after, before - hyper.lr * xp.sign(m))


@law(broken_by="not-times-lr")
def test_lion_bounded_by_the_decay(lion, hyper, theta, grads, c, share):
    hyper = hyper._replace(lr=share / c, weight_decay=c)
    thetas, _ = run(lion, hyper, theta, grads)
    assert all(at_most(xp.abs(x), xp.maximum(xp.abs(theta), 1 / c)) for x in thetas)


@law(broken_by="not-orthogonalised")
def test_muon_gradient_scale(muon, hyper, theta, grads, c):
    thetas, states = run(muon, hyper, theta, [FAR * g for g in grads])
    unmoved, scaled = run(muon, hyper, theta, [c * FAR * g for g in grads])
    assert all(map(same, thetas, unmoved))
    assert all(same(c * a.m, b.m) for a, b in zip(states, scaled, strict=True))


@law(broken_by={"muon.3": "o = namespace(u).sign(u)"})
def test_muon_rotations(muon, hyper, theta, grads, q, p):
    thetas, _ = run(muon, hyper, theta, grads)
    rotated, _ = run(muon, hyper, q @ theta @ p, [q @ g @ p for g in grads])
    assert all(same(q @ x @ p, y) for x, y in zip(thetas, rotated, strict=True))


@law(broken_by="not-orthogonalised")
def test_muon_bounded_step(muon, hyper, theta, grads):
    rows, cols = theta.shape
    thetas, _ = run(muon, hyper._replace(weight_decay=0.0), theta, grads)
    for before, after in pairwise(thetas):
        longest = 1.2024 * hyper.lr * max(1, rows / cols) ** 0.5
        assert at_most(singular_values(after - before), longest)


@law(broken_by={"muon_debiased.4": "g_hat = g / (1 - mu)"})
def test_muon_debiased_muon_in_the_long_run(muon_debiased, hyper, theta, grads):
    m, g = FAR * grads[0], FAR * grads[1]
    long_since = muon_debiased.State(m, t=2**20)
    step, _ = muon_debiased.update(theta, g, long_since, hyper)
    assert same(step, muon.update(theta, g, muon.State(m), hyper)[0])


@law(broken_by={"muon_debiased.7": "o = max(1, cols / rows) ** 0.5 * o"})
def test_muon_debiased_first_step_is_muon(muon_debiased, hyper, theta, g):
    (_, first), _ = run(muon_debiased, hyper, theta, [FAR * g])
    (_, expected), _ = run(muon, hyper, theta, [FAR * g])
    assert same(first, expected)


@law(broken_by="no-look-ahead")
def test_nesterov_point_behind_moves_by_the_velocity(nesterov, hyper, theta, grads):
    thetas, states = run(nesterov, hyper, theta, grads)
    behind = [x - hyper.momentum * s.v for x, s in zip(thetas, states, strict=True)]
    for (before, after), state in zip(pairwise(behind), states[1:], strict=True):
        assert same(after, before + state.v)


@law(broken_by={"nesterov.2": "theta = theta + v - lr * g"})
def test_nesterov_sgd_without_momentum(nesterov, hyper, theta, grads):
    thetas, _ = run(nesterov, hyper._replace(momentum=0.0), theta, grads)
    expected, _ = run(sgd, sgd.Hyper(hyper.lr), theta, grads)
    assert all(map(same, thetas, expected))


@law(broken_by="pushes-back")
def test_nesterov_longer_first_step(nesterov, hyper, theta, g):
    (before, after), _ = run(nesterov, hyper, theta, [g])
    _, stepped = run(sgd, sgd.Hyper(hyper.lr), theta, [g])[0]
    assert same(after - before, (1 + hyper.momentum) * (stepped - before))


@law(broken_by="averages-after-the-step")
def test_rmsprop_bounded_step(rmsprop, hyper, theta, grads):
    thetas, _ = run(rmsprop, hyper, theta, grads)
    for before, after in pairwise(thetas):
        assert at_most(xp.abs(after - before), hyper.lr / (1 - hyper.rho) ** 0.5)


@law(broken_by="a-sum-that-decays")
def test_rmsprop_adam_without_momentum(rmsprop, hyper, theta, grads):
    uncorrected = read("adam", {"adam": "no-bias-correction"})
    thetas, _ = run(rmsprop, hyper, theta, grads)
    lr, rho, eps = hyper
    expected, _ = run(uncorrected, adam.Hyper(lr, 0.0, rho, eps), theta, grads)
    assert all(map(same, thetas, expected))


@law(broken_by="step-for-parameter")
def test_sgd_sum_of_gradients(sgd, hyper, theta, grads, random):
    thetas, _ = run(sgd, hyper, theta, grads)
    assert same(thetas[-1], theta - hyper.lr * sum(random.sample(grads, len(grads))))


@law(broken_by="rate-twice")
def test_sgd_proportional(sgd, hyper, theta, grads, c):
    thetas, _ = run(sgd, hyper, theta, grads)
    scaled, _ = run(sgd, hyper._replace(lr=hyper.lr / c), theta, [c * g for g in grads])
    assert all(map(same, thetas, scaled))


@law(broken_by="scaled-by-the-one-norm")
def test_signsgd_scale_invariant(signsgd, hyper, theta, grads, factors):
    thetas, _ = run(signsgd, hyper, theta, grads)
    scaled = [c * g for c, g in zip(factors, grads, strict=True)]
    assert all(map(identical, thetas, run(signsgd, hyper, theta, scaled)[0]))


@law(broken_by="sign-of-zero")
def test_signsgd_step_of_one_length(signsgd, hyper, theta, grads):
    thetas, _ = run(signsgd, hyper, theta, grads)
    for (before, after), g in zip(pairwise(thetas), grads, strict=True):
        assert same(xp.abs(after - before), hyper.lr * xp.tensor(g.value != 0))


# ------------------------------------------------------------------- Iterations.


@law(broken_by="normalised-by-the-sum")
def test_newton_schulz_rotations(newton_schulz, hyper, g, q, p):
    f = newton_schulz.newton_schulz
    assert same(f(q @ g @ p, **hyper), q @ f(g, **hyper) @ p)


@law(broken_by={"ns.5": "return x"})
def test_newton_schulz_transposition(newton_schulz, hyper, g):
    f = newton_schulz.newton_schulz
    assert same(f(g.T, **hyper), f(g, **hyper).T)


@law(broken_by="square-missing")
def test_newton_schulz_band(newton_schulz, g, steps, eps):
    out = singular_values(newton_schulz.newton_schulz(g, steps, eps))
    assert at_most(out, xp.scalar(1.2024))
    high = singular_values(g).value >= 0.01 * (norm(g) + eps).value  # as many come out high
    assert steps < 4 or np.all(out.value[high] >= 0.68 - LIMIT * out.error[high])


# ------------------------------------------------------------------- Transforms.


@law(broken_by="sum-of-norms")
def test_clip_by_global_norm_bounded(clip_by_global_norm, hyper, model):
    _, clipped = transform(clip_by_global_norm, hyper, model, model)
    assert same(norm(*clipped.values()), xp.minimum(norm(*model.values()), hyper.max_norm))


@law(broken_by="always-rescales")
def test_clip_by_global_norm_identity_below(clip_by_global_norm, hyper, model):
    roomy = hyper._replace(max_norm=xp.maximum(hyper.max_norm, norm(*model.values())))
    _, clipped = transform(clip_by_global_norm, roomy, model, model)
    assert identical(flat(clipped), flat(model))


@law(broken_by="per-tensor")
def test_clip_by_global_norm_blind_to_the_cut(clip_by_global_norm, hyper, model):
    uncut = {"all": flat(model)}
    _, clipped = transform(clip_by_global_norm, hyper, model, model)
    _, expected = transform(clip_by_global_norm, hyper, uncut, uncut)
    assert same(flat(clipped), expected["all"])


@law(broken_by="epsilon-in-the-norm")
def test_clip_by_global_norm_once_is_enough(clip_by_global_norm, hyper, model):
    _, once = transform(clip_by_global_norm, hyper, model, model)
    _, twice = transform(clip_by_global_norm, hyper, once, once)
    assert same(flat(twice), flat(once))


@law(broken_by="twice")
def test_decoupled_decay_geometric(decoupled_decay, hyper, theta, grads):
    zeros = [xp.zeros_like(g) for g in grads]
    for before, after in pairwise(before_sgd(decoupled_decay, hyper, theta, zeros, hyper.lr)):
        assert same(after, (1 - hyper.lr * hyper.weight_decay) * before)


@law(broken_by="not-times-lr")
def test_decoupled_decay_l2_under_sgd(decoupled_decay, hyper, theta, grads):
    lr, decay = hyper
    thetas = before_sgd(decoupled_decay, hyper, theta, grads, lr)
    assert all(map(same, thetas, before_sgd(l2, l2.Hyper(decay), theta, grads, lr)))


@law(broken_by="coupled")
def test_decoupled_decay_leaves_the_gradient(decoupled_decay, hyper, theta, g):
    assert identical(transform(decoupled_decay, hyper, theta, g)[1], g)
    undecayed = hyper._replace(weight_decay=0.0)
    assert identical(transform(decoupled_decay, undecayed, theta, g)[0], theta)


@law(broken_by="half")
def test_l2_gradient_of_the_penalty(l2, hyper, theta, g, other):
    _, seen = transform(l2, hyper, theta, g)
    up, down = (hyper.weight_decay / 2 * xp.sum(x * x) for x in (theta + other, theta - other))
    assert same(2 * xp.sum((seen - g) * other), up - down)  # for a square, exactly


@law(broken_by="decoupled")
def test_l2_leaves_the_parameter(l2, hyper, theta, g):
    assert identical(transform(l2, hyper, theta, g)[0], theta)
    assert identical(transform(l2, hyper._replace(weight_decay=0.0), theta, g)[1], g)


# ------------------------------------------------------------------- Laws and theorems.


def test_every_law_is_a_theorem_and_every_theorem_a_law():
    assert set(ON_A_MUTANT) == LAWS


@pytest.mark.parametrize("theorem", ON_A_MUTANT)
def test_a_mistake_breaks(theorem):
    with pytest.raises(AssertionError):
        ON_A_MUTANT[theorem]()

"""Every law of the specifications: a theorem about the reference, and a mistake that breaks it."""

import ast
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from laws import (
    FAR,
    LIMIT,
    at_most,
    before_sgd,
    broken,
    flat,
    identical,
    law,
    norm,
    run,
    same,
    singular_values,
    transform,
    xp,
)

from goldstep import spec
from goldstep.oracle import read
from goldstep.reference.optimizers import adam, muon, sgd
from goldstep.reference.transforms import l2

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

LAWS = {
    f"test_{rule}_{law['name'].replace('-', '_')}"
    for kind, rule in spec.every()
    for law in spec.load(kind, rule)["law"]
}


def theorems():
    """The names of all theorems, of every file of them."""
    for path in Path(__file__).parent.glob("test_laws*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert "test_a_mistake_breaks" in functions, path
        for name, function in functions.items():
            if any(ast.unparse(d).startswith("law(") for d in function.decorator_list):
                yield name


def test_every_law_is_a_theorem_and_every_theorem_a_law():
    assert sorted(theorems()) == sorted(LAWS)


@pytest.mark.parametrize("theorem", broken(__name__))
def test_a_mistake_breaks(theorem):
    with pytest.raises(AssertionError):
        theorem()

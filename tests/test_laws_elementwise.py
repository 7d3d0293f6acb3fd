"""The laws of the rules that take each coordinate on its own, and of their like."""

from itertools import accumulate, pairwise

import numpy as np
import pytest
from laws import FAR, at_most, broken, flat, identical, law, norm, run, same, xp

from goldstep.oracle import read
from goldstep.reference.optimizers import (
    adam,
    adamw,
    heavy_ball,
    lion,
    nesterov,
    rmsprop,
    sgd,
    signsgd,
)


def zeros(grads):
    return [xp.zeros_like(g) for g in grads]


def steps(thetas):
    return [after - before for before, after in pairwise(thetas)]


def highest(grads):
    """Of each coordinate the largest gradient so far, in size."""
    return accumulate(map(xp.abs, grads), xp.maximum)


# ------------------------------------------------------------------- Momentum.


@law(broken_by="a-sum")
def test_ema_momentum_heavy_ball_at_another_rate(ema_momentum, hyper, theta, grads):
    thetas, _ = run(ema_momentum, hyper, theta, grads)
    slower = heavy_ball.Hyper(hyper.lr * (1 - hyper.momentum), hyper.momentum)
    assert all(map(same, thetas, run(heavy_ball, slower, theta, grads)[0]))


@law(broken_by="a-sum")
def test_ema_momentum_bounded_by_the_gradients(ema_momentum, hyper, theta, grads):
    _, states = run(ema_momentum, hyper, theta, grads)
    assert all(at_most(xp.abs(s.m), h) for s, h in zip(states[1:], highest(grads), strict=True))


@law(broken_by="momentum-by-the-damping")
def test_damped_momentum_heavy_ball_undamped(damped_momentum, hyper, theta, grads):
    thetas, _ = run(damped_momentum, hyper._replace(dampening=0.0), theta, grads)
    expected, _ = run(heavy_ball, heavy_ball.Hyper(hyper.lr, hyper.momentum), theta, grads)
    assert all(map(same, thetas, expected))


@law(broken_by="damped-from-the-start")
def test_damped_momentum_first_step_is_sgd(damped_momentum, hyper, theta, g):
    thetas, _ = run(damped_momentum, hyper, theta, [g])
    assert all(map(same, thetas, run(sgd, sgd.Hyper(hyper.lr), theta, [g])[0]))


@law(broken_by="steps-from-the-parameter")
def test_nesterov_lookahead_heavy_ball_of_the_same_gradients(
    nesterov_lookahead, hyper, theta, grads
):
    thetas, _ = run(nesterov_lookahead, hyper, theta, grads)
    assert all(map(same, thetas, run(heavy_ball, heavy_ball.Hyper(*hyper), theta, grads)[0]))


@law(broken_by="remembers-the-point-ahead")
def test_nesterov_lookahead_nesterov_at_the_point_ahead(nesterov_lookahead, hyper, theta, grads):
    thetas, states = run(nesterov_lookahead, hyper, theta, grads)
    ahead = [x + hyper.momentum * (x - s.x) for x, s in zip(thetas, states, strict=True)]
    assert all(map(same, ahead, run(nesterov, nesterov.Hyper(*hyper), theta, grads)[0]))


@law(broken_by="from-zero")
def test_optimistic_gd_telescopes(optimistic_gd, hyper, theta, grads):
    thetas, _ = run(optimistic_gd, hyper._replace(alpha=0.0), theta, grads)
    assert same(thetas[-1], theta - hyper.lr * hyper.beta * (grads[-1] - grads[0]))


@law(broken_by="alpha-for-both")
def test_optimistic_gd_sgd_without_optimism(optimistic_gd, hyper, theta, grads):
    thetas, _ = run(optimistic_gd, hyper._replace(beta=0.0), theta, grads)
    expected, _ = run(sgd, sgd.Hyper(hyper.lr * hyper.alpha), theta, grads)
    assert all(map(same, thetas, expected))


@law(broken_by="gradient-not-kept")
def test_optimistic_gd_sgd_under_a_constant_gradient(optimistic_gd, hyper, theta, grads, g):
    thetas, _ = run(optimistic_gd, hyper, theta, [g for _ in grads])
    expected, _ = run(sgd, sgd.Hyper(hyper.lr * hyper.alpha), theta, [g for _ in grads])
    assert all(map(same, thetas, expected))


# ------------------------------------------------------------------- Adaptive.


@law(broken_by="decays-the-new")
def test_adamax_maximum_unrolled(adamax, hyper, theta, grads):
    _, states = run(adamax, hyper._replace(eps=0.0), theta, grads)
    longest = xp.zeros_like(theta)
    for i, g in enumerate(grads, 1):
        decayed = hyper.beta2 ** (len(grads) - i) if i < len(grads) else 1.0
        longest = xp.maximum(longest, decayed * xp.abs(g))
    assert same(states[-1].u, longest)


@law(broken_by="root-taken")
def test_adamax_bounded_step(adamax, hyper, theta, grads):
    thetas, _ = run(adamax, hyper._replace(beta1=0.0, eps=1e-300), theta, grads)
    assert all(at_most(xp.abs(step), hyper.lr) for step in steps(thetas))


@law(broken_by="count-from-two")
def test_adamax_first_step_has_length_lr(adamax, hyper, theta, g):
    hyper = hyper._replace(eps=hyper.eps + 1e-3)
    (before, after), _ = run(adamax, hyper, theta, [g])
    assert same(before - after, hyper.lr * g / (xp.abs(g) + hyper.eps))


@law(broken_by="epsilon-outside-the-roots")
def test_adadelta_first_step(adadelta, hyper, theta, g):
    (before, after), _ = run(adadelta, hyper, theta, [g])
    longest = xp.sqrt((1 - hyper.rho) * g * g + hyper.eps)
    assert same(before - after, hyper.lr * hyper.eps**0.5 * g / longest)


@law(broken_by="gradients-in-both")
def test_adadelta_scale_of_the_gradients(adadelta, hyper, theta, grads, c):
    thetas, _ = run(adadelta, hyper, theta, [FAR * g for g in grads])
    scaled, _ = run(adadelta, hyper, theta, [c * FAR * g for g in grads])
    assert all(map(same, thetas, scaled))


@law(broken_by="rate-in-the-average")
def test_adadelta_rate_only_scales(adadelta, hyper, theta, grads, c):
    thetas, states = run(adadelta, hyper, theta, grads)
    scaled, others = run(adadelta, hyper._replace(lr=c * hyper.lr), theta, grads)
    assert all(identical(a.u, b.u) for a, b in zip(states, others, strict=True))
    assert all(same(c * a, b) for a, b in zip(steps(thetas), steps(scaled), strict=True))


@law(broken_by="maximum-not-kept")
def test_amsgrad_never_falls(amsgrad, hyper, theta, grads):
    _, states = run(amsgrad, hyper, theta, grads)
    assert all(at_most(a.v_max, b.v_max) for a, b in pairwise(states))
    assert all(at_most(s.v, s.v_max) for s in states)


@law(broken_by="maximum-of-the-squares")
def test_amsgrad_adam_under_growing_gradients(amsgrad, hyper, theta, grads):
    growing = [xp.sqrt(sum((g * g for g in grads[:t]), xp.zeros_like(theta))) for t in (1, 2)]
    thetas, _ = run(amsgrad, hyper, theta, growing)
    assert all(map(same, thetas, run(adam, adam.Hyper(*hyper), theta, growing)[0]))


@law(broken_by="maximum-of-the-squares")
def test_amsgrad_first_step_is_adam(amsgrad, hyper, theta, g):
    thetas, _ = run(amsgrad, hyper, theta, [g])
    assert all(map(same, thetas, run(adam, adam.Hyper(*hyper), theta, [g])[0]))


@law(broken_by="coefficients-swapped")
def test_rmsprop_momentum_rmsprop_without_momentum(rmsprop_momentum, hyper, theta, grads):
    thetas, _ = run(rmsprop_momentum, hyper._replace(momentum=0.0), theta, grads)
    plain = rmsprop.Hyper(hyper.lr, hyper.rho, hyper.eps)
    assert all(map(same, thetas, run(rmsprop, plain, theta, grads)[0]))


@law(broken_by="sum-divided")
def test_rmsprop_momentum_coasts(rmsprop_momentum, hyper, theta, grads):
    thetas, _ = run(rmsprop_momentum, hyper, theta, [*grads, *zeros(grads)])
    coasting = steps(thetas)[len(grads) - 1 :]
    assert all(same(b, hyper.momentum * a) for a, b in pairwise(coasting))


@law(broken_by="centred-gradient")
def test_rmsprop_centered_first_step(rmsprop_centered, hyper, theta, g, share):
    hyper = hyper._replace(rho=(hyper.rho + share) / 2)  # where it is 0, so is v - m * m
    (before, after), _ = run(rmsprop_centered, hyper, theta, [g])
    spread = hyper.rho * (1 - hyper.rho) * g * g + hyper.eps
    assert same(before - after, hyper.lr * g / xp.sqrt(spread))


@law(broken_by="a-sum-that-decays")
def test_rmsprop_tf_remembers_the_one(rmsprop_tf, hyper, theta, grads):
    _, states = run(rmsprop_tf, hyper, theta, grads)
    plain = rmsprop.Hyper(hyper.lr, hyper.rho, hyper.eps)
    _, others = run(rmsprop, plain, theta, grads)
    for t, (a, b) in enumerate(zip(states, others, strict=True)):
        assert same(a.v, b.v + (hyper.rho**t if t else 1.0))


@law(broken_by="average-for-sum")
def test_rmsprop_tf_sgd_below_one(rmsprop_tf, hyper, theta, g):
    thetas, _ = run(rmsprop_tf, hyper._replace(rho=xp.scalar(0.75)), theta, [g / FAR])
    rate = hyper.lr / (0.75 + hyper.eps) ** 0.5
    assert all(map(same, thetas, run(sgd, sgd.Hyper(rate), theta, [g / FAR])[0]))


def scaled(rule, hyper, theta, grads, c):
    """The parameters where the gradients and the floor are both multiplied by c."""
    return run(rule, hyper._replace(eps=c * hyper.eps), theta, [c * g for g in grads])[0]


@law(broken_by={"nadam.10": "theta = theta - lr * (m_hat + g_hat) / xp.sqrt(v_hat + eps)"})
def test_nadam_scale_invariance(nadam, hyper, theta, grads, c):
    thetas, _ = run(nadam, hyper, theta, grads)
    assert all(map(same, thetas, scaled(nadam, hyper, theta, grads, c)))


@law(broken_by="product-not-kept")
def test_nadam_half_the_momentum_without_decay(nadam, hyper, theta, grads):
    _, states = run(nadam, hyper._replace(momentum_decay=0.0), theta, grads)
    for t, s in enumerate(states[1:], 1):
        assert same(s.prod * xp.tensor(1.0), (hyper.beta1 / 2) ** t * xp.tensor(1.0))


@law(broken_by="same-momentum-for-both")
def test_nadam_first_step(nadam, hyper, theta, g):
    (before, after), _ = run(nadam, hyper, theta, [g])
    one, two = (hyper.beta1 * (1 - 0.5 * 0.96 ** (t * hyper.momentum_decay)) for t in (1, 2))
    ahead = (1 - hyper.beta1) * two / (1 - one * two) + 1
    assert same(before - after, hyper.lr * ahead * g / (xp.abs(g) + hyper.eps))


@law(broken_by={"nadam_constant.8": "theta = theta - lr * u / xp.sqrt(v_hat + eps)"})
def test_nadam_constant_scale_invariance(nadam_constant, hyper, theta, grads, c):
    thetas, _ = run(nadam_constant, hyper, theta, grads)
    assert all(map(same, thetas, scaled(nadam_constant, hyper, theta, grads, c)))


@law(broken_by={"nadam_constant.7": "u = b1 * m_hat + g_hat"})
def test_nadam_constant_adam_in_the_long_run(nadam_constant, hyper, theta, g):
    m, v = g, g * g
    after, _ = nadam_constant.update(theta, g, nadam_constant.State(m, v, 2**20), hyper)
    expected, _ = adam.update(theta, g, adam.State(m, v, 2**20), adam.Hyper(*hyper))
    assert same(after, expected)


@law(broken_by={"nadam_constant.6": "v_hat = v"})
def test_nadam_constant_adam_without_momentum(nadam_constant, hyper, theta, grads):
    hyper = hyper._replace(beta1=0.0)
    thetas, _ = run(nadam_constant, hyper, theta, grads)
    assert all(map(same, thetas, run(adam, adam.Hyper(*hyper), theta, grads)[0]))


@law(broken_by="adam-from-the-start")
def test_radam_first_step_is_sgd(radam, hyper, theta, g):
    thetas, _ = run(radam, hyper, theta, [g])
    assert all(map(same, thetas, run(sgd, sgd.Hyper(hyper.lr), theta, [g])[0]))


@law(broken_by="adam-from-the-start")
def test_radam_always_momentum_where_the_average_is_short(radam, hyper, theta, grads, share, c):
    hyper = hyper._replace(beta2=0.59 * share)
    thetas, _ = run(radam, hyper, theta, grads)
    others, _ = run(radam, hyper._replace(beta2=0.3 * share, eps=c), theta, grads)
    assert all(map(identical, thetas, others))


@law(broken_by="momentum-uncorrected")
def test_radam_rho_is_one_at_first(radam, hyper, theta, grads):
    hyper, grads = hyper._replace(beta2=xp.scalar(0.96875)), grads[:3]
    thetas, states = run(radam, hyper, theta, grads)
    for t, (step, s) in enumerate(zip(steps(thetas), states[1:], strict=True), 1):
        assert same(-step, hyper.lr * s.m / (1 - hyper.beta1**t))


@law(broken_by="old-expectation")
def test_adabelief_constant_gradient(adabelief, hyper, theta, grads, g):
    hyper = hyper._replace(beta2=0.0)
    _, states = run(adabelief, hyper, theta, [g for _ in grads])
    for t, s in enumerate(states[1:], 1):
        surprise = hyper.beta1**t * g
        assert same(s.s, surprise * surprise + hyper.eps)


@law(broken_by="no-floor-in-the-average")
def test_adabelief_first_step(adabelief, hyper, theta, g):
    (before, after), _ = run(adabelief, hyper, theta, [g])
    belief = xp.sqrt((hyper.beta1 * g) ** 2 + hyper.eps / (1 - hyper.beta2))
    assert same(before - after, hyper.lr * g / (belief + hyper.eps))


@law(broken_by={"adabelief.2": "m = b1 * m + (1 - b1) * (g + theta)"})
def test_adabelief_blind_to_the_past_of_the_parameter(adabelief, hyper, theta, other, grads):
    _, states = run(adabelief, hyper, theta, grads)
    _, others = run(adabelief, hyper, other, grads)
    assert all(identical(a.m, b.m) for a, b in zip(states, others, strict=True))
    assert all(identical(a.s, b.s) for a, b in zip(states, others, strict=True))


@law(broken_by="adams-average")
def test_yogi_moves_by_a_share_of_the_square(yogi, hyper, theta, grads):
    _, states = run(yogi, hyper, theta, grads)
    for (a, b), g in zip(pairwise(states), grads, strict=True):
        moves = xp.tensor(a.v.value != (g * g).value)
        assert same(xp.abs(b.v - a.v), (1 - hyper.beta2) * moves * g * g)


@law(broken_by="step-of-the-difference")
def test_yogi_adam_from_zero(yogi, hyper, theta, g):
    thetas, _ = run(yogi, hyper._replace(initial=0.0), theta, [g])
    uncorrected = read("adam", {"adam": "no-bias-correction"})
    assert all(map(same, thetas, run(uncorrected, adam.Hyper(*hyper[:4]), theta, [g])[0]))


@law(broken_by="first-difference-is-the-gradient")
def test_adan_adam_under_a_constant_gradient(adan, hyper, theta, grads, g):
    constant = [g for _ in grads]
    thetas, _ = run(adan, hyper._replace(weight_decay=0.0), theta, constant)
    plain = adam.Hyper(hyper.lr, hyper.beta1, hyper.beta3, hyper.eps)
    assert all(map(same, thetas, run(adam, plain, theta, constant)[0]))


@law(broken_by={"adan.9": "u = (m_hat + b2 * v_hat) / xp.sqrt(n_hat + eps)"})
def test_adan_scale_invariance(adan, hyper, theta, grads, c):
    thetas, _ = run(adan, hyper, theta, grads)
    assert all(map(same, thetas, scaled(adan, hyper, theta, grads, c)))


@law(broken_by="decay-not-proximal")
def test_adan_zero_gradients(adan, hyper, theta, grads):
    thetas, _ = run(adan, hyper, theta, zeros(grads))
    for before, after in pairwise(thetas):
        assert same(after, before / (1 + hyper.lr * hyper.weight_decay))


@law(broken_by="alpha-forgotten")
def test_ademamix_adamw_without_the_slow_average(ademamix, hyper, theta, grads):
    hyper = hyper._replace(alpha=0.0)
    thetas, _ = run(ademamix, hyper, theta, grads)
    plain = adamw.Hyper(hyper.lr, hyper.beta1, hyper.beta2, hyper.eps, hyper.weight_decay)
    assert all(map(same, thetas, run(adamw, plain, theta, grads)[0]))


@law(broken_by={"ademamix.7": "u = (m_hat + alpha * n) / xp.sqrt(v_hat + eps)"})
def test_ademamix_scale_invariance(ademamix, hyper, theta, grads, c):
    thetas, _ = run(ademamix, hyper, theta, grads)
    assert all(map(same, thetas, scaled(ademamix, hyper, theta, grads, c)))


@law(broken_by={"ademamix.3": "n = b3 * n + (1 - b3) * (g + wd * theta)"})
def test_ademamix_averages_see_no_decay(ademamix, hyper, theta, other, grads, c):
    _, states = run(ademamix, hyper, theta, grads)
    _, others = run(ademamix, hyper._replace(weight_decay=c), other, grads)
    assert all(identical(a.n, b.n) for a, b in zip(states, others, strict=True))
    assert all(identical(a.v, b.v) for a, b in zip(states, others, strict=True))


@law(broken_by="gradient-undivided")
def test_simplified_ademamix_scale_invariance(simplified_ademamix, hyper, theta, grads, c):
    thetas, _ = run(simplified_ademamix, hyper, theta, grads)
    assert all(map(same, thetas, scaled(simplified_ademamix, hyper, theta, grads, c)))


@law(broken_by="average-for-sum")
def test_simplified_ademamix_adam_without_its_correction_of_m(
    simplified_ademamix, hyper, theta, grads
):
    hyper = hyper._replace(alpha=0.0)
    thetas, _ = run(simplified_ademamix, hyper, theta, grads)
    plain = adam.Hyper(hyper.lr, hyper.beta1, hyper.beta2, hyper.eps)
    expected, _ = run(adam, plain, theta, grads)
    for t, (a, b) in enumerate(zip(steps(thetas), steps(expected), strict=True), 1):
        assert same((1 - hyper.beta1) * a, (1 - hyper.beta1**t) * b)


@law(broken_by="moves-at-once")
def test_adopt_first_step_stays(adopt, hyper, theta, g):
    thetas, states = run(adopt, hyper, theta, [g])
    assert identical(thetas[0], thetas[1])
    assert same(states[1].v, g * g)


@law(broken_by="unclipped")
def test_adopt_bounded_step(adopt, hyper, theta, grads):
    thetas, _ = run(adopt, hyper, theta, grads)
    for t, step in enumerate(steps(thetas)):
        assert at_most(xp.abs(step), hyper.lr * t**0.25)


@law(broken_by={"adopt.3": "u = xp.clip(g / xp.sqrt(v + eps), -c, c)"})
def test_adopt_scale_invariance(adopt, hyper, theta, grads, c):
    thetas, _ = run(adopt, hyper, theta, grads)
    assert all(map(same, thetas, scaled(adopt, hyper, theta, grads, c)))


@law(broken_by="sign-of-the-average")
def test_grams_never_uphill(grams, hyper, theta, grads):
    thetas, _ = run(grams, hyper._replace(weight_decay=0.0), theta, grads)
    for step, g in zip(steps(thetas), grads, strict=True):
        assert at_most(step * xp.sign(g), xp.zeros_like(g))


@law(broken_by="size-of-the-gradient")
def test_grams_as_far_as_adamw(grams, hyper, theta, grads, g):
    hyper = hyper._replace(weight_decay=0.0)
    _, states = run(grams, hyper, theta, grads)
    one, _ = grams.update(theta, g, states[-1], hyper)
    two, _ = adamw.update(theta, g, adamw.State(*states[-1]), adamw.Hyper(*hyper))
    assert same(xp.abs(one - theta), xp.abs(two - theta) * xp.tensor(g.value != 0))


@law(broken_by={"grams.6": "u = xp.abs(m_hat / xp.sqrt(v_hat + eps))"})
def test_grams_scale_invariance(grams, hyper, theta, grads, c):
    thetas, _ = run(grams, hyper, theta, grads)
    assert all(map(same, thetas, scaled(grams, hyper, theta, grads, c)))


def within_one(grads):
    """The same gradients, so short that no norm is above one."""
    return [g / (1 + norm(*grads)) for g in grads]


@law(broken_by={"mars.2": "c = g + b1 / (1 - b1) * (g - h)"})
def test_mars_adamw_where_nothing_is_corrected(mars, hyper, theta, grads):
    hyper, grads = hyper._replace(gamma=0.0), within_one(grads)
    thetas, _ = run(mars, hyper, theta, grads)
    plain = adamw.Hyper(hyper.lr, hyper.beta1, hyper.beta2, hyper.eps, hyper.weight_decay)
    assert all(map(same, thetas, run(adamw, plain, theta, grads)[0]))


@law(broken_by="raw-gradient-in-the-square")
def test_mars_blind_to_the_length(mars, hyper, theta, grads, c):
    hyper = hyper._replace(gamma=0.0)
    thetas, _ = run(mars, hyper, theta, [FAR * g for g in grads])
    scaled, _ = run(mars, hyper, theta, [(1 + c) * FAR * g for g in grads])
    assert all(map(same, thetas, scaled))


@law(broken_by={"mars_exact.2": "c = g + gamma * b1 / (1 - b1) * g"})
def test_mars_exact_adamw_where_nothing_is_corrected(mars_exact, hyper, theta, grads):
    grads = within_one(grads)
    thetas, _ = run(mars_exact, hyper, theta, grads, [mars_exact.Given(g) for g in grads])
    plain = adamw.Hyper(hyper.lr, hyper.beta1, hyper.beta2, hyper.eps, hyper.weight_decay)
    assert all(map(same, thetas, run(adamw, plain, theta, grads)[0]))


@law(broken_by="raw-gradient-in-the-square")
def test_mars_exact_blind_to_the_length(mars_exact, hyper, theta, grads, c):
    long, longer = ([a * FAR * g for g in grads] for a in (1, 1 + c))
    thetas, _ = run(mars_exact, hyper, theta, long, [mars_exact.Given(g) for g in long])
    scaled, _ = run(mars_exact, hyper, theta, longer, [mars_exact.Given(g) for g in longer])
    assert all(map(same, thetas, scaled))


@law(broken_by="clamped-denominator")
def test_sophia_bounded_step(sophia, hyper, theta, grads, givens):
    thetas, _ = run(sophia, hyper._replace(weight_decay=0.0), theta, grads, givens)
    assert all(at_most(xp.abs(step), hyper.lr) for step in steps(thetas))


@law(broken_by="size-of-the-curvature")
def test_sophia_sign_under_negative_curvature(sophia, hyper, theta, grads, givens):
    hyper = hyper._replace(weight_decay=0.0, eps=1e-300)
    saddles = [sophia.Given(-xp.abs(x.hessian)) for x in givens]
    thetas, states = run(sophia, hyper, theta, grads, saddles)
    for step, s in zip(steps(thetas), states[1:], strict=True):
        assert same(-step, hyper.lr * xp.sign(s.m))


@law(broken_by={"sophia.4": "u = m / xp.maximum(gamma * h, eps * eps)"})
def test_sophia_scale_invariance(sophia, hyper, theta, grads, givens, c):
    thetas, _ = run(sophia, hyper, theta, grads, givens)
    larger = [sophia.Given(c * x.hessian) for x in givens]
    more = hyper._replace(eps=c * hyper.eps)
    scaled, _ = run(sophia, more, theta, [c * g for g in grads], larger)
    assert all(map(same, thetas, scaled))


# ------------------------------------------------------------------- Signs.


@law(broken_by="sign-of-the-average")
def test_signsgd_majority_scale_of_each_worker(signsgd_majority, hyper, theta, grads, givens, c):
    thetas, _ = run(signsgd_majority, hyper, theta, grads, givens)
    larger = [signsgd_majority.Given(c * x.others) for x in givens]
    assert all(map(identical, thetas, run(signsgd_majority, hyper, theta, grads, larger)[0]))


@law(broken_by="one-worker")
def test_signsgd_majority_order_of_the_workers(signsgd_majority, hyper, theta, g, givens):
    others = givens[0].others
    one, _ = signsgd_majority.update(theta, g, (), hyper, signsgd_majority.Given(others))
    turned = xp.stack([g, others[2], others[1]])
    other, _ = signsgd_majority.update(theta, others[0], (), hyper, signsgd_majority.Given(turned))
    assert identical(one, other)


@law(broken_by="average-of-the-signs")
def test_signsgd_majority_signsgd_in_agreement(signsgd_majority, hyper, theta, g):
    hyper, zero = hyper._replace(weight_decay=0.0), xp.zeros_like(g)
    agreed = signsgd_majority.Given(xp.stack([g, g, zero]))
    one, _ = signsgd_majority.update(theta, g, (), hyper, agreed)
    assert same(one, signsgd.update(theta, g, (), signsgd.Hyper(hyper.lr))[0])


@law(broken_by="soft-threshold")
def test_lion_dead_zone_lion_without_the_zone(lion_dead_zone, hyper, theta, grads):
    hyper = hyper._replace(eps=0.0)
    thetas, _ = run(lion_dead_zone, hyper, theta, grads)
    assert all(map(same, thetas, run(lion, lion.Hyper(*hyper[:4]), theta, grads)[0]))


@law(broken_by="soft-threshold")
def test_lion_dead_zone_steps_of_one_length(lion_dead_zone, hyper, theta, g):
    zero = xp.zeros_like(theta)
    step, _ = lion_dead_zone.update(zero, g, lion_dead_zone.State(zero), hyper)
    length = abs(step.value)
    assert bool(np.all((length == 0) | (length == hyper.lr.value)))


@law(broken_by={"lion_dead_zone.2": "u = xp.clip(c / eps, -1, 1) * xp.abs(c)"})
def test_lion_dead_zone_scale_invariance(lion_dead_zone, hyper, theta, grads):
    hyper = hyper._replace(eps=hyper.eps + 1.0)
    thetas, _ = run(lion_dead_zone, hyper, theta, grads)
    zone = hyper._replace(eps=4 * hyper.eps)
    scaled, _ = run(lion_dead_zone, zone, theta, [4 * g for g in grads])
    assert all(map(same, thetas, scaled))


@law(broken_by="annealed-upwards")
def test_lion_soft_sign_towards_lion(lion_soft_sign, hyper, theta, grads):
    grads = [FAR * g for g in grads]
    thetas, _ = run(lion_soft_sign, hyper._replace(anneal=xp.scalar(2.0**-100)), theta, grads)
    assert all(map(same, thetas, run(lion, lion.Hyper(*hyper[:4]), theta, grads)[0]))


@law(broken_by={"lion_soft_sign.4": "u = c / s"})
def test_lion_soft_sign_shorter_than_lion(lion_soft_sign, hyper, theta, grads):
    thetas, _ = run(lion_soft_sign, hyper._replace(weight_decay=0.0), theta, grads)
    assert all(at_most(xp.abs(step), hyper.lr) for step in steps(thetas))


@law(broken_by={"lion_soft_sign.4": "u = c / (s * s + xp.abs(c))"})
def test_lion_soft_sign_scale_invariance(lion_soft_sign, hyper, theta, grads, c):
    thetas, _ = run(lion_soft_sign, hyper, theta, grads)
    soft = hyper._replace(tau=c * hyper.tau)
    scaled, _ = run(lion_soft_sign, soft, theta, [c * g for g in grads])
    assert all(map(same, thetas, scaled))


@law(broken_by="average-shared")
def test_hybrid_adam_lion_lion_at_once(hybrid_adam_lion, hyper, theta, grads):
    hyper = hyper._replace(steps=1)
    thetas, _ = run(hybrid_adam_lion, hyper, theta, grads)
    plain = lion.Hyper(hyper.lr, hyper.beta3, hyper.beta4, hyper.weight_decay)
    assert all(map(same, thetas, run(lion, plain, theta, grads)[0]))


@law(broken_by="weights-reversed")
def test_hybrid_adam_lion_adamw_forever(hybrid_adam_lion, hyper, theta, grads):
    thetas, _ = run(hybrid_adam_lion, hyper._replace(steps=2**90), theta, grads)
    plain = adamw.Hyper(hyper.lr, hyper.beta1, hyper.beta2, hyper.eps, hyper.weight_decay)
    assert all(map(same, thetas, run(adamw, plain, theta, grads)[0]))


@law(broken_by="truncated")
def test_lion_int8_off_by_half_a_code(lion_int8, hyper, theta, g):
    (_, state), full = run(lion_int8, hyper, theta, [g])[1], (1 - hyper.beta2) * g
    assert at_most(xp.abs(state.s * state.q - full), (0.5 + 2.0**-20) * state.s)


@law(broken_by={"lion_int8.5": "s = xp.max(xp.abs(m)) / 127 + 1"})
def test_lion_int8_scale_invariance(lion_int8, hyper, theta, grads):
    thetas, states = run(lion_int8, hyper, theta, grads)
    others, codes = run(lion_int8, hyper, theta, [4 * g for g in grads])
    assert all(map(same, thetas, others))
    assert all(same(a.q, b.q) for a, b in zip(states, codes, strict=True))


@law(broken_by="coupled-decay")
def test_lion_int8_first_step_is_lion(lion_int8, hyper, theta, g):
    thetas, _ = run(lion_int8, hyper, theta, [g])
    assert all(map(same, thetas, run(lion, lion.Hyper(*hyper), theta, [g])[0]))


def bounded(hyper):
    """Two bounds that are the right way round."""
    return hyper._replace(step_min=0.5 * hyper.step_min, step_max=2 * hyper.step_min)


@law(broken_by="steps-by-the-gradient")
def test_rprop_blind_to_the_size(rprop, hyper, theta, grads, factors):
    hyper = bounded(hyper)
    thetas, _ = run(rprop, hyper, theta, grads)
    scaled = [c * g for c, g in zip(factors, grads, strict=True)]
    assert all(map(same, thetas, run(rprop, hyper, theta, scaled)[0]))


@law(broken_by="not-clipped-above")
def test_rprop_between_its_bounds(rprop, hyper, theta, grads):
    hyper = bounded(hyper)
    _, states = run(rprop, hyper, theta, grads)
    assert all(at_most(s.s, hyper.step_max) for s in states[1:])
    assert all(at_most(hyper.step_min, s.s) for s in states[1:])


@law(broken_by="factors-swapped")
def test_rprop_geometric_under_a_constant_sign(rprop, hyper, theta, grads, g):
    hyper = hyper._replace(step_min=1e-300, step_max=1e300, eta_plus=xp.scalar(1.5))
    thetas, _ = run(rprop, hyper, theta, [g for _ in grads])
    for before, after in pairwise(steps(thetas)):
        assert same(after, 1.5 * before)


@law(broken_by={"asgd.2": "theta = (1 - decay) * theta - r * r * g"})
def test_asgd_sgd_without_decay(asgd, hyper, theta, grads):
    thetas, _ = run(asgd, hyper._replace(decay=0.0), theta, grads)
    assert all(map(same, thetas, run(sgd, sgd.Hyper(hyper.lr), theta, grads)[0]))


@law(broken_by="averages-the-old")
def test_asgd_mean_of_the_parameters(asgd, hyper, theta, grads):
    thetas, states = run(asgd, hyper._replace(t0=0), theta, grads)
    assert same(states[-1].a, sum(thetas[2:]) / (len(grads) - 1))


@law(broken_by="moving-average")
def test_asgd_parameter_before_its_time(asgd, hyper, theta, grads):
    thetas, states = run(asgd, hyper._replace(t0=len(grads) - 1), theta, grads)
    assert all(same(s.a, x) for s, x in zip(states[1:], thetas[1:], strict=True))


@law(broken_by="unbounded")
def test_polyak_sgd_bounded_rate(polyak_sgd, hyper, model, c):
    given = polyak_sgd.Given(hyper.low + c)
    after, _ = polyak_sgd.update(model, model, (), hyper, given)
    moved = {k: after[k] - x for k, x in model.items()}
    assert at_most(norm(flat(moved)), hyper.lr * norm(flat(model)))


@law(broken_by="norm-without-its-square")
def test_polyak_sgd_scale_of_the_loss(polyak_sgd, hyper, model, c):
    one, _ = polyak_sgd.update(model, model, (), hyper, polyak_sgd.Given(hyper.low + c))
    larger = hyper._replace(low=4 * hyper.low, lr=hyper.lr / 4)
    loss = polyak_sgd.Given(4 * (hyper.low + c))
    four, _ = polyak_sgd.update(model, {k: 4 * g for k, g in model.items()}, (), larger, loss)
    assert same(flat(one), flat(four))


@law(broken_by="per-tensor")
def test_polyak_sgd_blind_to_the_cut(polyak_sgd, hyper, model, c):
    given = polyak_sgd.Given(hyper.low + c)
    one, _ = polyak_sgd.update(model, model, (), hyper, given)
    uncut = {"all": flat(model)}
    other, _ = polyak_sgd.update(uncut, uncut, (), hyper, given)
    assert same(flat(one), other["all"])


@law(broken_by="size-of-the-momentum")
def test_tiger_as_large_as_the_tensor(tiger, hyper, theta, grads):
    hyper = hyper._replace(weight_decay=0.0)
    thetas, _ = run(tiger, hyper, theta, grads)
    larger, _ = run(tiger, hyper, 4 * theta, grads)
    assert all(same(4 * a, b) for a, b in zip(thetas, larger, strict=True))


@law(broken_by="size-of-the-momentum")
def test_tiger_scale_of_the_gradients(tiger, hyper, theta, grads, c):
    grads = grads[:4]  # a decay larger than one squares the parameter in each step
    thetas, _ = run(tiger, hyper, theta, grads)
    assert all(map(same, thetas, run(tiger, hyper, theta, [c * g for g in grads])[0]))


@law(broken_by={"signum.1": "m = b * m + (1 - b) * g + 0.25"})
def test_signum_scale_of_the_gradients(signum, hyper, theta, grads):
    thetas, _ = run(signum, hyper, theta, grads)
    assert all(map(same, thetas, run(signum, hyper, theta, [4 * g for g in grads])[0]))


@law(broken_by="weights-swapped")
def test_signum_signsgd_without_memory(signum, hyper, theta, grads):
    thetas, _ = run(signum, hyper._replace(beta=0.0), theta, grads)
    assert all(map(same, thetas, run(signsgd, signsgd.Hyper(hyper.lr), theta, grads)[0]))


# ------------------------------------------------------------------- A mistake breaks each.


@pytest.mark.parametrize("theorem", broken(__name__))
def test_a_mistake_breaks(theorem):
    with pytest.raises(AssertionError):
        theorem()

"""The laws of the rules that take each coordinate on its own, and of their like."""

from itertools import accumulate, pairwise

import pytest
from laws import FAR, at_most, broken, identical, law, run, same, xp

from goldstep.reference.optimizers import adam, heavy_ball, nesterov, rmsprop, sgd


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
def test_rmsprop_centered_first_step(rmsprop_centered, hyper, theta, g):
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


# ------------------------------------------------------------------- A mistake breaks each.


@pytest.mark.parametrize("theorem", broken(__name__))
def test_a_mistake_breaks(theorem):
    with pytest.raises(AssertionError):
        theorem()

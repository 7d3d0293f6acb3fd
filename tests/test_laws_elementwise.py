"""The laws of the rules that take each coordinate on its own, and of their like."""

from itertools import accumulate, pairwise

import pytest
from laws import at_most, broken, law, run, same, xp

from goldstep.reference.optimizers import heavy_ball, nesterov, sgd


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


# ------------------------------------------------------------------- A mistake breaks each.


@pytest.mark.parametrize("theorem", broken(__name__))
def test_a_mistake_breaks(theorem):
    with pytest.raises(AssertionError):
        theorem()

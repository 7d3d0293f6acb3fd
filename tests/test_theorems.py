"""Theorems that are about more than one rule, or about what is random, and the seeds' examples."""

import math

import numpy as np
import pytest

from goldstep.oracle import make, module
from goldstep.reference.iterations.msign import msign
from goldstep.reference.optimizers import adafactor, adam, heavy_ball, lion, nesterov, sgd, signsgd

RANDOM = np.random.default_rng(8)


def descend(rule, hyper, theta, gradient, steps):
    """The parameters from the start on."""
    state, found = rule.init(theta, hyper), [theta]
    for _ in range(steps):
        theta, state = rule.update(theta, gradient(theta), state, hyper)
        found.append(theta)
    return found


# ------------------------------------------------------------------- The seeds' worked examples.


def test_two_steps_of_lion_on_a_quadratic_are_those_worked_by_hand():
    hyper = lion.Hyper(lr=0.1, beta1=0.9, beta2=0.9, weight_decay=0.01)
    curvature = np.array([1.0, 4.0])
    theta, state = np.ones(2), lion.init(np.ones(2), hyper)
    theta, state = lion.update(theta, curvature * theta, state, hyper)
    np.testing.assert_allclose(theta, [0.899, 0.899], rtol=1e-15)
    np.testing.assert_allclose(state.m, [0.1, 0.4], rtol=1e-15)
    theta, state = lion.update(theta, curvature * theta, state, hyper)
    np.testing.assert_allclose(theta, [0.798101, 0.798101], rtol=1e-15)
    np.testing.assert_allclose(state.m, [0.1799, 0.7196], rtol=1e-15)
    theta, state = lion.update(theta, curvature * theta, state, hyper)
    np.testing.assert_allclose(theta, [0.697302899] * 2, rtol=1e-15)
    np.testing.assert_allclose(state.m, [0.2417201, 0.9668804], rtol=1e-14)


def test_rate_and_decay_that_follow_from_the_width_are_4e_5_and_0_015():
    scale, width = 1.11e-3, 768
    sigma = 1 / math.sqrt(width)
    rate, decay = scale * sigma, scale / (2 * sigma)
    assert rate == pytest.approx(4.0054e-5, rel=1e-4)
    assert decay == pytest.approx(0.0153806, rel=1e-4)


# ------------------------------------------------------------------- What is random.


def test_the_sign_of_a_normal_number_has_the_mean_and_the_variance_of_its_error_function():
    for mean, sigma in ((0.3, 1.0), (-1.0, 2.0), (0.0, 0.5)):
        signs = np.sign(RANDOM.normal(mean, sigma, 400_000))
        expected = math.erf(mean / sigma / math.sqrt(2))
        assert signs.mean() == pytest.approx(expected, abs=0.01)
        assert signs.var() == pytest.approx(1 - expected**2, abs=0.01)


@pytest.mark.parametrize("beta1", [0.5, 0.9, 0.95])
def test_adams_step_on_independent_noise_has_the_rms_of_its_average(beta1):
    hyper = adam.Hyper(lr=1.0, beta1=beta1, beta2=0.999)
    thetas = [np.zeros(2000)]
    state = adam.init(thetas[0], hyper)
    for g in RANDOM.normal(size=(600, 2000)):
        theta, state = adam.update(thetas[-1], g, state, hyper)
        thetas.append(theta)
    rms = np.sqrt(np.mean((thetas[-1] - thetas[-2]) ** 2))
    assert rms == pytest.approx(math.sqrt((1 - beta1) / (1 + beta1)), rel=0.05)


def test_a_sign_step_has_the_rms_of_its_rate_where_no_coordinate_is_zero():
    theta = signsgd.update(np.zeros(50), RANDOM.normal(size=50), (), signsgd.Hyper(lr=0.3))[0]
    assert np.sqrt(np.mean(theta**2)) == pytest.approx(0.3)


# ------------------------------------------------------------------- Steepest descent.


def test_each_rule_steps_furthest_down_of_all_steps_of_one_length_in_its_norm():
    g = RANDOM.normal(size=(3, 4))
    steps = {
        "l2": (g / np.linalg.norm(g), lambda d: d / np.linalg.norm(d)),
        "l-infinity": (np.sign(g), lambda d: d / np.abs(d).max()),
        "spectral": (msign(g), lambda d: d / np.linalg.norm(d, 2)),
    }
    dual = {
        "l2": np.linalg.norm(g),
        "l-infinity": np.abs(g).sum(),
        "spectral": np.linalg.norm(g, "nuc"),
    }
    for norm, (best, unit) in steps.items():
        assert np.sum(g * best) == pytest.approx(dual[norm])
        assert all(np.sum(g * unit(d)) < dual[norm] for d in RANDOM.normal(size=(2000, 3, 4)))


def test_the_orthogonal_factor_is_the_nearest_orthogonal_matrix():
    g = RANDOM.normal(size=(3, 3))
    nearest = np.linalg.norm(g - msign(g))
    others = [np.linalg.qr(x)[0] for x in RANDOM.normal(size=(2000, 3, 3))]
    assert all(np.linalg.norm(g - q) > nearest for q in others)


# ------------------------------------------------------------------- Optima.


def test_adagrads_preconditioner_is_the_best_of_its_trace():
    y = RANDOM.normal(size=(4, 6))
    a = y @ y.T
    values, q = np.linalg.eigh(a)
    root = (q * np.sqrt(values)) @ q.T

    def cost(s):
        return np.trace(np.linalg.inv(s / np.trace(s)) @ a)

    assert cost(root) == pytest.approx(np.trace(root) ** 2)
    for y in RANDOM.normal(size=(500, 4, 4)):
        assert cost(root + 0.1 * (y @ y.T)) > cost(root)


def test_adafactors_estimate_is_nearest_of_rank_one_in_the_i_divergence():
    g, hyper = RANDOM.normal(size=(4, 5)), adafactor.Hyper(eps1=0.0)
    v = g * g
    state = adafactor.update(np.zeros((4, 5)), g, adafactor.init(g, hyper), hyper)[1]
    w = state.r * state.c / np.mean(state.r)

    def divergence(w):
        return np.sum(v * np.log(v / w) - v + w)

    assert np.allclose(w.sum(0), v.sum(0))
    assert np.allclose(w.sum(1), v.sum(1))
    for a, b in zip(RANDOM.normal(size=(500, 4, 1)), RANDOM.normal(size=(500, 1, 5)), strict=True):
        assert divergence(w * np.exp(0.1 * (a + b))) > divergence(w)


def test_the_best_rate_is_a_share_of_one_over_smoothness_that_grows_with_the_batch():
    grad, smooth, noise = 2.0, 3.0, 5.0
    for batch in (1, 16, 1024):
        best = grad**2 / (smooth * (grad**2 + noise**2 / batch))

        def bound(eta, batch=batch):
            return -eta * grad**2 + smooth * eta**2 / 2 * (grad**2 + noise**2 / batch)

        assert all(bound(best) < bound(f * best) for f in (0.5, 0.9, 1.1, 2.0))


def test_sam_is_descent_on_the_largest_value_nearby_to_first_order():
    curvature, theta = np.array([1.0, 9.0]), np.array([1.0, -0.5])
    g = curvature * theta
    for rho in (1e-2, 1e-4):
        ahead = curvature * (theta + rho * g / np.linalg.norm(g))
        first_order = g + rho * curvature * g / np.linalg.norm(g)
        assert np.allclose(ahead, first_order, atol=1e-12)
        worst = 0.5 * np.sum(curvature * (theta + rho * g / np.linalg.norm(g)) ** 2)
        sharp = 0.5 * np.sum(curvature * theta**2) + rho * np.linalg.norm(g)
        assert worst == pytest.approx(sharp, abs=10 * rho**2)


# ------------------------------------------------------------------- Convergence on quadratics.


def test_gradient_descent_converges_below_twice_the_inverse_curvature_and_not_above():
    curvature = np.array([0.5, 4.0])
    for rate, converges in ((0.49, True), (0.51, False)):
        last = descend(sgd, sgd.Hyper(lr=rate), np.ones(2), lambda x: curvature * x, 400)[-1]
        assert bool(np.abs(last).max() < 1) == converges


def test_gradient_descent_is_as_fast_as_the_condition_of_polyak_and_lojasiewicz_says():
    curvature = np.array([0.5, 4.0])
    thetas = descend(sgd, sgd.Hyper(lr=0.25), np.ones(2), lambda x: curvature * x, 50)
    values = [0.5 * np.sum(curvature * x * x) for x in thetas]
    assert all(f <= (1 - 0.5 / 4) ** t * values[0] * (1 + 1e-12) for t, f in enumerate(values))


def test_the_heavy_ball_reaches_polyaks_rate_which_descent_does_not():
    low, high = 1.0, 100.0
    curvature, ratio = np.array([low, 30.0, high]), math.sqrt(high / low)
    beta = ((ratio - 1) / (ratio + 1)) ** 2
    hyper = heavy_ball.Hyper(lr=(2 / (math.sqrt(high) + math.sqrt(low))) ** 2, momentum=beta)
    ball = descend(heavy_ball, hyper, np.ones(3), lambda x: curvature * x, 300)[-1]
    plain = descend(sgd, sgd.Hyper(lr=2 / 101), np.ones(3), lambda x: curvature * x, 300)[-1]
    assert np.abs(ball).max() < 3e4 * math.sqrt(beta) ** 300
    assert np.abs(plain).max() > 1e9 * np.abs(ball).max()


def test_nesterovs_method_reaches_its_rate_under_strong_convexity():
    low, high = 1.0, 100.0
    curvature, ratio = np.array([low, 30.0, high]), math.sqrt(high / low)
    hyper = nesterov.Hyper(lr=1 / high, momentum=(ratio - 1) / (ratio + 1))
    values = [
        0.5 * np.sum(curvature * x * x)
        for x in descend(nesterov, hyper, np.ones(3), lambda x: curvature * x, 300)
    ]
    assert all(f <= 4 * 131 * (1 - 1 / ratio) ** t for t, f in enumerate(values))


def test_sign_descent_reaches_a_small_gradient_at_the_rate_that_is_true():
    for y in RANDOM.normal(size=(50, 3, 3)):
        h = y @ y.T
        start, eta, steps = RANDOM.normal(size=3), 0.01, 200
        thetas = descend(signsgd, signsgd.Hyper(lr=eta), start, lambda x, h=h: h @ x, steps)
        least = min(np.abs(h @ x).sum() for x in thetas)
        assert least <= 0.5 * start @ h @ start / (eta * steps) + np.linalg.norm(h, 2) * eta * 3 / 2


def test_decoupled_and_coupled_decay_agree_under_sgd_and_not_under_adam():
    def last(pipeline, decay):
        rates = {"lr": 0.1, "weight_decay": decay}
        step = make(pipeline, rates, {"w": np.array([1.0, -2.0])})
        for g in np.random.default_rng(1).normal(size=(5, 2)):
            w = step({"w": g})["w"]
        return w

    assert np.allclose(last("l2+sgd", 0.5), last("decoupled_decay+sgd", 0.5), rtol=1e-12)
    assert not np.allclose(last("l2+adam", 0.5), last("decoupled_decay+adam", 0.5), rtol=1e-2)


def test_one_step_of_shampoo_from_nothing_is_the_orthogonal_factor():
    shampoo, g = module("shampoo"), RANDOM.normal(size=(3, 3))
    left, right = (np.linalg.eigh(x) for x in (g @ g.T, g.T @ g))
    root = [(q * w**-0.25) @ q.T for w, q in (left, right)]
    assert np.allclose(root[0] @ g @ root[1], msign(g))
    assert shampoo.init(g, shampoo.Hyper()).L.shape == (3, 3)

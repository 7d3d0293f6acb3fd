"""Theorems that are about more than one rule, or about what is random, and the seeds' examples.

Each is told its rules, by name, and of one of them a line that would make it false.
"""

import functools
import inspect
import math

import numpy as np
import pytest

from goldstep.oracle import link, make, module

MUTANTS = {}


def theorem(**broken_by):
    """Declare a theorem, and by which lines of which of its rules it is broken."""

    def declare(said):
        names = list(inspect.signature(said).parameters)

        def of(changed):
            found = {name: module(name) for name in names if name != "random"}
            found |= {name: link.variant(module(name), lines) for name, lines in changed.items()}
            return found | ({"random": np.random.default_rng(8)} if "random" in names else {})

        @functools.wraps(said)
        def holds():
            said(**of({}))

        del holds.__wrapped__  # it asks for no fixtures
        MUTANTS[said.__name__] = lambda: said(**of(broken_by))
        return holds

    return declare


def descend(rule, hyper, theta, gradient, steps):
    """The parameters from the start on."""
    state, found = rule.init(theta, hyper), [theta]
    for _ in range(steps):
        theta, state = rule.update(theta, gradient(theta), state, hyper)
        found.append(theta)
    return found


# ------------------------------------------------------------------- The seeds' worked examples.


@theorem(lion={"lion.2": "theta = theta - lr * (xp.sign(c) - wd * theta)"})
def test_two_steps_of_lion_on_a_quadratic_are_those_worked_by_hand(lion):
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


@theorem(signsgd={"signsgd.1": "theta = theta - lr * xp.tanh(g)"})
def test_the_sign_of_a_normal_number_has_the_mean_and_the_variance_of_its_error_function(
    signsgd, random
):
    for mean, sigma in ((0.3, 1.0), (-1.0, 2.0), (0.0, 0.5)):
        g = random.normal(mean, sigma, 400_000)
        signs = -signsgd.update(np.zeros(g.size), g, (), signsgd.Hyper(lr=1.0))[0]
        expected = math.erf(mean / sigma / math.sqrt(2))
        assert signs.mean() == pytest.approx(expected, abs=0.01)
        assert signs.var() == pytest.approx(1 - expected**2, abs=0.01)


@theorem(adam={"adam.3": "v = b2 * v + (1 - b2) * m * m"})
def test_adams_step_on_independent_noise_has_the_rms_of_its_average(adam, random):
    for beta1 in (0.5, 0.9, 0.95):
        hyper = adam.Hyper(lr=1.0, beta1=beta1, beta2=0.999)
        theta = np.zeros(1000)
        state = adam.init(theta, hyper)
        for g in random.normal(size=(400, 1000)):
            before = theta
            theta, state = adam.update(theta, g, state, hyper)
        rms = np.sqrt(np.mean((theta - before) ** 2))
        assert rms == pytest.approx(math.sqrt((1 - beta1) / (1 + beta1)), rel=0.06)


@theorem(signsgd={"signsgd.1": "theta = theta - lr * g"})
def test_a_sign_step_has_the_rms_of_its_rate_where_no_coordinate_is_zero(signsgd, random):
    theta = signsgd.update(np.zeros(50), random.normal(size=50), (), signsgd.Hyper(lr=0.3))[0]
    assert np.sqrt(np.mean(theta**2)) == pytest.approx(0.3)


# ------------------------------------------------------------------- Steepest descent.


@theorem(msign={"msign.2": "K = S"})
def test_each_rule_steps_furthest_down_of_all_steps_of_one_length_in_its_norm(
    sgd, signsgd, msign, random
):
    g, still = random.normal(size=(3, 4)), np.zeros((3, 4))
    along = sgd.update(still, -g, (), sgd.Hyper(lr=1 / np.linalg.norm(g)))[0]
    by_sign = signsgd.update(still, -g, (), signsgd.Hyper(lr=1.0))[0]
    steps = {
        "l2": (along, lambda d: d / np.linalg.norm(d)),
        "l-infinity": (by_sign, lambda d: d / np.abs(d).max()),
        "spectral": (msign.msign(g), lambda d: d / np.linalg.norm(d, 2)),
    }
    dual = {
        "l2": np.linalg.norm(g),
        "l-infinity": np.abs(g).sum(),
        "spectral": np.linalg.norm(g, "nuc"),
    }
    for norm, (best, unit) in steps.items():
        assert np.sum(g * best) == pytest.approx(dual[norm])
        assert all(np.sum(g * unit(d)) < dual[norm] for d in random.normal(size=(2000, 3, 4)))


@theorem(msign={"msign.3": "return (U * K) @ -Vt"})
def test_the_orthogonal_factor_is_the_nearest_orthogonal_matrix(msign, random):
    g = random.normal(size=(3, 3))
    nearest = np.linalg.norm(g - msign.msign(g))
    others = [np.linalg.qr(x)[0] for x in random.normal(size=(2000, 3, 3))]
    assert all(np.linalg.norm(g - q) > nearest for q in others)


# ------------------------------------------------------------------- Optima.


@theorem(full_adagrad={"full_adagrad.3": "H = spectral_power(S, 1.0, 0.0)"})
def test_adagrads_preconditioner_is_the_best_of_its_trace(full_adagrad, random):
    y = random.normal(size=(4, 6))
    a, hyper = y @ y.T, full_adagrad.Hyper(lr=1.0, eps=0.0)
    before = full_adagrad.init(np.zeros(4), hyper)._replace(S=a)  # a step of g: S^-1/2 g
    steps = [full_adagrad.update(np.zeros(4), -1e-9 * e, before, hyper)[0] for e in np.eye(4)]
    root = np.linalg.inv(1e9 * np.array(steps))

    def cost(s):
        return np.trace(np.linalg.inv(s / np.trace(s)) @ a)

    assert cost(root) == pytest.approx(np.sum(np.sqrt(np.linalg.eigvalsh(a))) ** 2)
    for y in random.normal(size=(500, 4, 4)):
        assert cost(root + 0.1 * (y @ y.T)) > cost(root)


@theorem(adafactor={"adafactor.10": "c = b2 * c + (1 - b2) * xp.max(s, axis=rows, keepdims=True)"})
def test_adafactors_estimate_is_nearest_of_rank_one_in_the_i_divergence(adafactor, random):
    g, hyper = random.normal(size=(4, 5)), adafactor.Hyper(eps1=0.0)
    v = g * g
    state = adafactor.update(np.zeros((4, 5)), g, adafactor.init(g, hyper), hyper)[1]
    w = state.r * state.c / np.mean(state.r)

    def divergence(w):
        return np.sum(v * np.log(v / w) - v + w)

    assert np.allclose(w.sum(0), v.sum(0))
    assert np.allclose(w.sum(1), v.sum(1))
    for a, b in zip(random.normal(size=(500, 4, 1)), random.normal(size=(500, 1, 5)), strict=True):
        assert divergence(w * np.exp(0.1 * (a + b))) > divergence(w)


@theorem(noise_scale={"noise_scale.1": "f = 2 / (1 + noise / batch)"})
def test_the_best_rate_is_a_share_of_one_over_smoothness_that_grows_with_the_batch(noise_scale):
    grad, smooth, noise = 2.0, 3.0, 5.0
    for batch in (1, 16, 1024):
        hyper = noise_scale.Hyper(batch=batch, noise=noise**2 / grad**2)
        best = noise_scale.value(0, hyper) / smooth

        def bound(eta, batch=batch):
            return -eta * grad**2 + smooth * eta**2 / 2 * (grad**2 + noise**2 / batch)

        assert all(bound(best) < bound(f * best) for f in (0.5, 0.9, 1.1, 2.0))


@theorem(sam={"sam.3": "norm = sum(xp.sum(x * x) for x in g.values())"})
def test_sam_is_descent_on_the_largest_value_nearby_to_first_order(sam):
    curvature, theta = np.array([1.0, 9.0]), np.array([1.0, -0.5])
    g = curvature * theta
    for rho in (1e-2, 1e-4):
        hyper, start = sam.Hyper(rho=rho), {"x": theta}
        ahead, _ = sam.update(start, {"x": g}, sam.init(start, hyper), hyper, None)
        first_order = g + rho * curvature * g / np.linalg.norm(g)
        assert np.allclose(curvature * ahead["x"], first_order, atol=1e-12)
        worst = 0.5 * np.sum(curvature * ahead["x"] ** 2)
        sharp = 0.5 * np.sum(curvature * theta**2) + rho * np.linalg.norm(g)
        assert worst == pytest.approx(sharp, abs=10 * rho**2)


# ------------------------------------------------------------------- Convergence on quadratics.


@theorem(sgd={"sgd.1": "theta = theta - 2 * lr * g"})
def test_gradient_descent_converges_below_twice_the_inverse_curvature_and_not_above(sgd):
    curvature = np.array([0.5, 4.0])
    for rate, converges in ((0.49, True), (0.51, False)):
        last = descend(sgd, sgd.Hyper(lr=rate), np.ones(2), lambda x: curvature * x, 400)[-1]
        assert bool(np.abs(last).max() < 1) == converges


@theorem(sgd={"sgd.1": "theta = theta - lr / 8 * g"})
def test_gradient_descent_is_as_fast_as_the_condition_of_polyak_and_lojasiewicz_says(sgd):
    curvature = np.array([0.5, 4.0])
    thetas = descend(sgd, sgd.Hyper(lr=0.25), np.ones(2), lambda x: curvature * x, 50)
    values = [0.5 * np.sum(curvature * x * x) for x in thetas]
    assert all(f <= (1 - 0.5 / 4) ** t * values[0] * (1 + 1e-12) for t, f in enumerate(values))


@theorem(heavy_ball={"heavy_ball.2": "theta = theta + mu * v"})
def test_the_heavy_ball_reaches_polyaks_rate_which_descent_does_not(heavy_ball, sgd):
    low, high = 1.0, 100.0
    curvature, ratio = np.array([low, 30.0, high]), math.sqrt(high / low)
    beta = ((ratio - 1) / (ratio + 1)) ** 2
    hyper = heavy_ball.Hyper(lr=(2 / (math.sqrt(high) + math.sqrt(low))) ** 2, momentum=beta)
    ball = descend(heavy_ball, hyper, np.ones(3), lambda x: curvature * x, 300)[-1]
    plain = descend(sgd, sgd.Hyper(lr=2 / 101), np.ones(3), lambda x: curvature * x, 300)[-1]
    assert np.abs(ball).max() < 3e4 * math.sqrt(beta) ** 300
    assert np.abs(plain).max() > 1e9 * np.abs(ball).max()


@theorem(nesterov={"nesterov.2": "theta = theta - lr * g"})
def test_nesterovs_method_reaches_its_rate_under_strong_convexity(nesterov):
    low, high = 1.0, 100.0
    curvature, ratio = np.array([low, 30.0, high]), math.sqrt(high / low)
    hyper = nesterov.Hyper(lr=1 / high, momentum=(ratio - 1) / (ratio + 1))
    values = [
        0.5 * np.sum(curvature * x * x)
        for x in descend(nesterov, hyper, np.ones(3), lambda x: curvature * x, 300)
    ]
    assert all(f <= 4 * 131 * (1 - 1 / ratio) ** t for t, f in enumerate(values))


@theorem(signsgd={"signsgd.1": "theta = theta - lr / 100 * xp.sign(g)"})
def test_sign_descent_reaches_a_small_gradient_at_the_rate_that_is_true(signsgd, random):
    for y in random.normal(size=(50, 3, 3)):
        h = y @ y.T
        start, eta, steps = random.normal(size=3), 0.01, 200
        thetas = descend(signsgd, signsgd.Hyper(lr=eta), start, lambda x, h=h: h @ x, steps)
        least = min(np.abs(h @ x).sum() for x in thetas)
        assert least <= 0.5 * start @ h @ start / (eta * steps) + np.linalg.norm(h, 2) * eta * 3 / 2


def decays_apart(pipelines, meant=None):
    """The parameters after a few steps of one rule behind coupled and behind decoupled decay."""
    hyper, found = {"lr": 0.1, "weight_decay": 0.5}, []
    for pipeline in pipelines:
        step = make(pipeline, hyper, {"w": np.array([1.0, -2.0])}, meant)
        for g in np.random.default_rng(1).normal(size=(5, 2)):
            w = step({"w": g})["w"]
        found.append(w)
    return found


@pytest.mark.parametrize("meant", [None, {"decoupled_decay": "twice"}, {"l2": "decoupled"}])
def test_decoupled_and_coupled_decay_agree_under_sgd_and_not_under_adam(meant):
    agree = np.allclose(*decays_apart(["l2+sgd", "decoupled_decay+sgd"], meant), rtol=1e-12)
    differ = not np.allclose(*decays_apart(["l2+adam", "decoupled_decay+adam"], meant), rtol=1e-2)
    assert (agree and differ) == (meant is None)


@theorem(shampoo={"shampoo.3": "A = inverse_root(L, 2, eps)"})
def test_one_step_of_shampoo_from_nothing_is_the_orthogonal_factor(shampoo, msign, random):
    g, hyper = random.normal(size=(3, 3)), shampoo.Hyper(lr=1.0, eps=0.0)
    nothing = shampoo.State(np.zeros((3, 3)), np.zeros((3, 3)))
    step = shampoo.update(np.zeros((3, 3)), -g, nothing, hyper)[0]
    assert np.allclose(step, msign.msign(g))


@pytest.mark.parametrize("broken", MUTANTS.values(), ids=MUTANTS)
def test_a_mistake_breaks(broken):
    with pytest.raises(AssertionError), np.errstate(all="ignore"):
        broken()


def test_every_theorem_about_a_rule_has_a_mistake_that_breaks_it():
    arithmetic = {"test_rate_and_decay_that_follow_from_the_width_are_4e_5_and_0_015"}
    own = {"test_decoupled_and_coupled_decay_agree_under_sgd_and_not_under_adam"}
    last = {"test_a_mistake_breaks", "test_every_theorem_about_a_rule_has_a_mistake_that_breaks_it"}
    every = {name for name in globals() if name.startswith("test_")}
    assert every == {*MUTANTS} | arithmetic | own | last

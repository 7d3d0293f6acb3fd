"""What the seed texts say and is not so: a counterexample for each, that runs."""

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

from goldstep.oracle import make, module
from goldstep.reference.iterations.newton_schulz import COEFFICIENTS, newton_schulz
from goldstep.reference.optimizers import (
    adabelief,
    adafactor,
    adam,
    adam_mini,
    lion,
    signsgd,
    signum,
)

ERRATA = tomllib.loads((Path(__file__).parent.parent / "docs" / "errata.toml").read_text("utf-8"))[
    "erratum"
]
RANDOM = np.random.default_rng(8)


def run(rule, hyper, theta, grads):
    """The parameters after each of the gradients."""
    found, state = [], rule.init(theta, hyper)
    for g in grads:
        theta, state = rule.update(theta, g, state, hyper)
        found.append(theta)
    return found


def descend(rule, hyper, theta, gradient, steps):
    state, found = rule.init(theta, hyper), [theta]
    for _ in range(steps):
        theta, state = rule.update(theta, gradient(theta), state, hyper)
        found.append(theta)
    return found


def lion_is_signum():
    grads = RANDOM.normal(0.05, 1, (200, 50))
    a = np.diff(run(lion, lion.Hyper(weight_decay=0.0, lr=1.0), np.zeros(50), grads), axis=0)
    b = np.diff(run(signum, signum.Hyper(lr=1.0, beta=0.9), np.zeros(50), grads), axis=0)
    assert 0.2 < np.mean(np.abs(a - b) > 0.5) < 0.32


def gram_matrix_positive_definite():
    m = np.array([[1.0, 2.0], [3.0, 6.0]])
    assert np.linalg.eigvalsh(m.T @ m)[0] == pytest.approx(0, abs=1e-12)


def cosine_at_least_a_tenth():
    n = 1000
    s = np.r_[1.0, np.full(n - 1, 1e-9)]  # only the singular values matter
    cosine = s.sum() / (math.sqrt(n) * np.linalg.norm(s))
    assert cosine < 0.04


def theorem_1_of_lion():
    c, lr, steps = 100.0, 0.01, 200
    hyper = lion.Hyper(lr=lr, beta1=0.9, beta2=0.99, weight_decay=0.0)
    thetas = descend(lion, hyper, np.array(1.0), lambda x: c * x, steps)
    bound = 1 / (2 * lr * steps) + lr / 2
    assert 0.5 * c * np.mean(thetas) ** 2 > 2 * bound


def expansion_of_the_decay():
    theta, star, u, lam = np.array([1.0, -2.0]), np.array([3.0, 0.5]), np.array([1.0, -1.0]), 0.3
    off = {}
    for eta in (1e-5, 1e-7):
        new = theta - eta * (u + lam * theta)
        change = (
            np.sum((new - star) ** 2) - np.sum((theta - star) ** 2) + 2 * eta * u @ (theta - star)
        )
        off[eta] = [
            abs(change + 2 * eta * lam * part) / eta
            for part in (np.sum((theta - star) ** 2), theta @ (theta - star))
        ]
    assert off[1e-7][0] > 1
    assert off[1e-7][1] < 1e-5


def theorem_2_of_lion():
    hyper = signsgd.Hyper(lr=0.1)
    thetas = descend(signsgd, hyper, np.array(0.05), lambda x: 100 * x, 1000)
    least = min(abs(100 * x) for x in thetas)
    assert least == pytest.approx(5)
    assert least > 2 * 100 * 0.125 / (0.1 * 1000) + math.sqrt(100 * 0.1)
    assert least <= 0.125 / (0.1 * 1000) + 100 * 0.1 / 2 + 1e-9


def sign_noise_is_white():
    m = RANDOM.normal([0.5, 2.0, 0.0], [1.0, 1.0, 3.0], (20000, 3))
    noise = np.sign(m) - m / np.abs(m).max(1, keepdims=True)
    assert np.abs(noise.mean(0)).max() > 0.1
    assert noise.var(0).max() > 1.5 * noise.var(0).min()


def signsgd_keeps_state():
    assert signsgd.init(np.zeros(3), signsgd.Hyper()) == ()


def eight_directions_in_the_plane():
    signs = {tuple(np.sign(g)) for g in RANDOM.normal(size=(1000, 2))}
    assert len(signs) == 4


def sign_of_the_mean_is_that_of_the_median():
    x = np.array([-1.0, -1.0, -1.0, 10.0])
    assert np.sign(np.mean(x)) == -np.sign(np.median(x))


def sign_is_unbiased():
    values, chances = np.array([-1.0, 19.0]), np.array([0.9, 0.1])
    assert chances @ values == pytest.approx(1)
    assert chances @ np.sign(values) == pytest.approx(-0.8)


def state_of_a_175b_model():
    assert 175e9 * 2 * 4 / 1e9 == 1400
    assert 175e9 * 2 / 1e9 == 350


def lamb_76_times_faster():
    assert round(3 * 24 * 60 / 76) == 57


def rms_is_one_over_lambda():
    hyper = lion.Hyper(lr=0.01, weight_decay=0.1)
    theta = run(lion, hyper, np.zeros(200), RANDOM.normal(size=(3000, 200)))[-1]
    assert np.sqrt(np.mean(theta**2)) < 3 < 1 / 0.1


def clipped_lion():
    m = RANDOM.normal(size=1000)
    for tau in (1e-3, 1.0, 1e3):
        assert np.array_equal(np.sign(np.clip(m, -tau, tau)), np.sign(m))


def lamb_without_decay_in_the_norm():
    lamb = module("lamb")
    theta, g = np.array([3.0, 4.0]), np.array([1.0, -1.0])
    hyper = lamb.Hyper(lr=0.1, weight_decay=0.5)
    step = theta - run(lamb, hyper, theta, [g])[0]
    assert np.linalg.norm(step) == pytest.approx(0.1 * 5)  # the decay is within the norm
    u = np.sign(g)
    assert not np.allclose(step, 0.1 * 5 / np.linalg.norm(u) * u)


def adabelief_without_epsilon():
    theta, grads = np.zeros(3), RANDOM.normal(size=(25, 3))
    hyper = adabelief.Hyper(lr=0.1, eps=1e-3)
    true = run(adabelief, hyper, theta, grads)[-1]
    m = s = np.zeros(3)
    for g in grads:
        m = hyper.beta1 * m + (1 - hyper.beta1) * g
        s = hyper.beta2 * s + (1 - hyper.beta2) * (g - m) ** 2
        theta = theta - hyper.lr * m / (np.sqrt(s) + hyper.eps)
    assert np.abs(theta - true).max() > 0.1


def qsgd_has_error_feedback():
    v, levels = np.array([0.3, -0.4, 0.5]), 2
    x = np.abs(v) * levels / np.linalg.norm(v)
    up = RANDOM.random((200000, 3)) < x - np.floor(x)
    q = np.linalg.norm(v) * np.sign(v) * (np.floor(x) + up) / levels
    assert np.allclose(q.mean(0), v, atol=0.005)  # without bias: there is nothing to feed back


def sgd_converges_exponentially():
    x, floor = 1.0, []
    for t in range(4000):
        x -= 0.5 * (x + RANDOM.normal())
        floor += [x * x] if t > 2000 else []
    assert np.mean(floor) == pytest.approx(0.25 / 0.75, rel=0.15)  # eta^2 / (1 - (1 - eta)^2)


def average_from_velocity():
    grads = RANDOM.normal(size=20)
    v = m = total = 0.0
    for g in grads:
        v, m, total = 0.9 * v - 0.1 * g, 0.9 * m + 0.1 * g, 0.9 * total + g
    assert -v / 0.1 == pytest.approx(total)
    assert abs(-v / 0.1 - m) > 1e-3


def nesterov_rate_at_constant_beta():
    def worst(beta):
        lam, x, old, ratio = np.array([1.0, 1e-4]), np.ones(2), np.ones(2), 0.0
        for t in range(1, 3000):
            y = x + beta(t) * (x - old)
            x, old = y - lam * y, x
            ratio = max(ratio, 0.5 * np.sum(lam * x * x) * t * t / (2 * 2))
        return ratio

    assert worst(lambda _: 0.5) > 10
    assert worst(lambda t: (t - 1) / (t + 2)) < 1


def decay_after_the_update():
    theta, u, eta, lam = 1.0, 0.7, 0.1, 0.3
    before, after = theta - eta * u - eta * lam * theta, (theta - eta * u) * (1 - eta * lam)
    assert after - before == pytest.approx(eta**2 * lam * u)


def lion_betas_swapped():
    grads = RANDOM.normal(0.05, 1, (200, 50))
    a, b = (
        np.diff(run(lion, lion.Hyper(1.0, *betas, 0.0), np.zeros(50), grads), axis=0)
        for betas in ((0.9, 0.99), (0.99, 0.9))
    )
    assert 0.25 < np.mean(np.abs(a - b) > 0.5) < 0.5


def steps_to_one(s):
    steps = 0
    while abs(1 - s) > 1e-3:
        s, steps = 1.5 * s - 0.5 * s**3, steps + 1
    return steps


def cubic_in_three_to_five_steps():
    assert [steps_to_one(s) for s in (0.5, 0.1, 0.01, 0.001)] == [4, 9, 14, 20]


def muon_on_the_stiefel_manifold():
    step = make("muon", {"lr": 0.1}, {"w": np.eye(3)})
    for g in RANDOM.normal(size=(5, 3, 3)):
        w = step({"w": g})["w"]
    assert np.abs(w.T @ w - np.eye(3)).max() > 0.05


def progress(eta, grad=2.0, smooth=3.0, noise=5.0, batch=4.0):
    return -eta * grad**2 + smooth * eta**2 / 2 * (grad**2 + noise**2 / batch)


def optimal_rate_twice_too_large():
    best = 2.0**2 / (3.0 * (2.0**2 + 5.0**2 / 4))
    assert progress(2 * best) == pytest.approx(0)
    assert all(progress(best) < progress(f * best) for f in (0.9, 1.1, 2.0))


def optimal_rate_at_large_batch():
    rate = [4 / (3 * (4 + 25 / b)) for b in (1e-3, 2e-3, 1e6, 2e6)]
    assert rate[1] / rate[0] == pytest.approx(2, rel=1e-3)
    assert rate[3] / rate[2] == pytest.approx(1, rel=1e-3)
    assert rate[3] == pytest.approx(1 / 3, rel=1e-4)


def adafactor_halves_the_memory():
    state = adafactor.init(np.zeros((1024, 1024)), adafactor.Hyper())
    assert (state.r.size + state.c.size) / 1024**2 == pytest.approx(1 / 512)


def adam_with_l2_beside_the_average():
    hyper = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    step = make("l2+adam", hyper | {"weight_decay": 0.5}, {"w": np.array([1.0])})
    theta = step({"w": np.array([1e-3])})["w"]
    seed = 1.0 - 0.1 * (1e-3 + 0.5 * 1.0) / (1e-3 + 1e-8)
    assert theta[0] == pytest.approx(0.9, abs=1e-6)
    assert seed < -10


def adafactor_without_its_normaliser():
    def estimate(g):
        r, c = np.mean(g * g, 1), np.mean(g * g, 0)
        return np.outer(r, c), np.outer(r, c) / np.mean(r)

    g = np.outer([1.0, 2.0, 4.0], [1.0, 3.0])  # its squares have rank one
    seed, true = estimate(g)
    assert np.allclose(true, g * g)
    assert not np.allclose(seed, g * g)
    assert np.allclose(estimate(10 * g)[0], 1e4 * seed)
    assert np.allclose(estimate(10 * g)[1], 1e2 * true)


def eight_bits_per_tensor():
    dynamic8bit = module("dynamic8bit").dynamic8bit
    x = np.r_[np.full(4, 1e-3), np.full(4, 1.0)]
    assert np.size(dynamic8bit(x, block_size=4)[1]) == 2  # one scale a block


def adam_mini_epsilon():
    theta, g = np.zeros((2, 3)), np.array([[1.0, 2.0, 2.0], [4.0, 4.0, 2.0]])
    hyper = adam_mini.Hyper()
    state = adam_mini.update(theta, g, adam_mini.init(theta, hyper), hyper)[1]
    assert np.allclose(state.v, (1 - hyper.beta2) * np.mean(g * g, 1, keepdims=True))


def decay_schedule_reaches_twice_its_maximum():
    assert 1 - math.cos(math.pi) == 2


def qk_clip_of_singular_values():
    def largest_logit(w_q, w_k, x):
        return np.abs((x @ w_q) @ (x @ w_k).T).max()

    x, w_q, w_k = RANDOM.normal(size=(5, 4)), *RANDOM.normal(size=(2, 4, 3))
    share = math.sqrt(0.5 / largest_logit(w_q, w_k, x))
    assert largest_logit(share * w_q, share * w_k, x) == pytest.approx(0.5)
    clipped = [u @ np.diag(np.clip(s, 0.5, 1)) @ v for u, s, v in map(thin, (w_q, w_k))]
    assert largest_logit(*clipped, x) > 0.6


def thin(matrix):
    return np.linalg.svd(matrix, full_matrices=False)


def tensor_not_in_list():
    with pytest.raises(ValueError, match="ambiguous"):
        _ = np.zeros(2) in [np.ones(2), np.zeros(2)]


def cross_term_of_the_regret():
    x, star, g, eta = [*RANDOM.normal(size=(3, 4)).tolist(), 0.1]
    x, star, g = map(np.array, (x, star, g))
    gap = np.sum((x - eta * g - star) ** 2) - np.sum((x - star) ** 2) - eta**2 * g @ g
    assert gap == pytest.approx(-2 * eta * g @ (x - star))
    assert gap != pytest.approx(-eta * g @ (x - star))


def regret_bound():
    # From x_0 = x* the first term of what is said is none, and x may still go far.
    eta, x, squares, regret, sums, furthest = 0.5, 0.0, 0.0, 0.0, 0.0, 0.0
    for g in [-1.0] * 100 + [100.0]:
        regret += g * x
        furthest = max(furthest, x * x)
        squares += g * g
        sums += g * g / math.sqrt(squares)
        x -= eta * g / math.sqrt(squares)
    assert regret > 2 * eta * sums
    assert regret <= furthest * math.sqrt(squares) / (2 * eta) + eta / 2 * sums


def best_preconditioner():
    a = np.diag([1.0, 4.0, 25.0])
    root = np.diag([1.0, 2.0, 5.0])

    def value(s):
        s = s / np.trace(s)
        return np.trace(np.linalg.inv(s) @ a)

    assert value(root) == pytest.approx(np.trace(root) ** 2)
    assert value(np.linalg.inv(root)) > 1.5 * value(root)
    others = [y @ y.T + 1e-3 * np.eye(3) for y in RANDOM.normal(size=(500, 3, 3))]
    assert min(map(value, others)) > value(root)


def adam_without_correction():
    hyper, g = adam.Hyper(lr=1.0), np.array([1.0])
    plain = run(adam, hyper, np.zeros(1), [g])[0]
    seed = -(1 - hyper.beta1) / math.sqrt(1 - hyper.beta2)
    assert plain[0] == pytest.approx(-1)
    assert seed == pytest.approx(-3.162, abs=1e-3)


def singular_vectors_may_be_negative():
    for matrix in RANDOM.random((500, 4, 5)):
        u, s, v = thin(matrix)
        assert (s[0] * np.outer(u[:, 0], v[0]) >= -1e-12).all()


def adafactor_incomplete():
    theta, g, hyper = np.ones((2, 2)), RANDOM.normal(size=(2, 2)), adafactor.Hyper()
    one, ten = (run(adafactor, hyper, theta, [c * g])[0] for c in (1.0, 10.0))
    assert np.allclose(one, ten)  # as the estimate has the power of the square
    c, r = np.sum(g * g, 1), np.sum(g * g, 0)
    assert not np.allclose(np.outer(c, r), np.outer(c, r) / c.sum())


def kronecker_product_is_an_outer_product():
    a, b = RANDOM.normal(size=(2, 3)), RANDOM.normal(size=(4, 5))
    product = np.kron(a, b)
    assert product.shape != np.outer(b, a).shape
    blocks = product.reshape(2, 4, 3, 5).transpose(0, 2, 1, 3).reshape(6, 20)
    assert np.allclose(blocks, np.outer(a, b))


def shampoo_averages():
    shampoo = module("shampoo")
    hyper, theta, g = shampoo.Hyper(), np.zeros((2, 2)), np.eye(2)
    state = shampoo.init(theta, hyper)
    begun = state.L
    for _ in range(3):
        theta, state = shampoo.update(theta, g, state, hyper)
    assert np.allclose(state.L - begun, 3 * np.eye(2))


def muon_drives_singular_values_to_one():
    a, b, c = COEFFICIENTS
    assert a + b + c == pytest.approx(0.701)
    s = np.linalg.svd(newton_schulz(np.diag(np.geomspace(0.01, 1, 200))), compute_uv=False)
    assert s.min() < 0.75
    assert s.max() > 1.1


def norm_of_a_sign():
    assert np.linalg.norm(np.sign([1.0, 0.0, 0.0, -1.0])) == pytest.approx(math.sqrt(2))


def two_forms_of_nesterov():
    beta, eta, lam = 0.9, 0.1, np.array([1.0, 5.0])
    x = old = y = np.ones(2)
    m = np.zeros(2)
    for _ in range(10):
        ahead = x + beta * (x - old)
        assert np.allclose(y, ahead)
        assert _ < 1 or not np.allclose(y, x)
        x, old = ahead - eta * lam * ahead, x
        m = beta * m + lam * y
        y = y - eta * (beta * m + lam * y)


@pytest.mark.parametrize("name", [e["name"] for e in ERRATA if "untested" not in e])
def test_what_is_said_has_a_counterexample(name):
    globals()[name.replace("-", "_")]()


def test_there_are_49_and_each_is_of_a_seed_text_with_what_is_true():
    assert len({e["name"] for e in ERRATA}) == len(ERRATA) == 49
    for e in ERRATA:
        assert e["seed"].endswith(".txt")
        assert e["says"]
        assert e["true"]
        assert e["source"]

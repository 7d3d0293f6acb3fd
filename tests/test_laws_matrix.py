"""The laws of the matrix iterations and of the rules that rest on a factorisation.

Singular values are drawn apart from singular vectors: well conditioned, so that what holds exactly
holds to nine digits.
"""

import functools
import inspect
from itertools import pairwise

import numpy as np
import pytest

from goldstep.oracle import link, module, read

SHAPES = [(4, 4), (5, 3), (3, 5), (1, 4), (4, 1), (1, 1)]
MUTANTS = {}


def law(*, broken_by):
    """Declare a theorem about a rule, and by which reading or lines of it it is broken."""

    def declare(theorem):
        (rule,) = inspect.signature(theorem).parameters

        @functools.wraps(theorem)
        def holds():
            theorem(module(rule))

        def broken():
            named = isinstance(broken_by, str)
            mutant = (
                read(rule, {rule: broken_by}) if named else link.variant(module(rule), broken_by)
            )
            theorem(mutant)

        del holds.__wrapped__
        MUTANTS[theorem.__name__] = broken
        return holds

    return declare


def orthogonal(random, n):
    q, r = np.linalg.qr(random.normal(size=(n, n)))
    return q * np.sign(np.diag(r))


def matrices(count=3):
    """Matrices of every shape whose singular values lie from 1/2 to 3, in no order."""
    for seed in range(count):
        random = np.random.default_rng(seed)
        for rows, cols in SHAPES:
            n = min(rows, cols)
            u, v = orthogonal(random, rows)[:, :n], orthogonal(random, cols)[:, :n]
            yield (u * random.uniform(0.5, 3, n)) @ v.T


def same(a, b, tight=1e-9):
    return np.allclose(a, b, rtol=0, atol=tight * max(1.0, np.abs(b).max(initial=0)))


def svd(g):
    return np.linalg.svd(g, full_matrices=False)


def turned(f, g, seed=7):
    """Whether f(Q G P) is Q f(G) P."""
    random = np.random.default_rng(seed)
    q, p = orthogonal(random, g.shape[0]), orthogonal(random, g.shape[1])
    return same(f(q @ g @ p), q @ f(g) @ p)


def hyper(rule, **values):
    return rule.Hyper(**values)


def run(rule, h, theta, grads):
    state, thetas = rule.init(theta, h), [theta]
    for g in grads:
        theta, state = rule.update(theta, g, state, h)
        thetas.append(theta)
    return thetas, state


def runs(count=2):
    """A parameter and three gradients of each shape."""
    every = list(matrices(4 * count))
    for i, shape in enumerate(SHAPES):
        of_shape = [m for m in every if m.shape == shape]
        yield of_shape[0], of_shape[1:4], i


def rotates(rule, h):
    for theta, grads, seed in runs():
        random = np.random.default_rng(seed)
        q, p = orthogonal(random, theta.shape[0]), orthogonal(random, theta.shape[1])
        plain, _ = run(rule, h, theta, grads)
        other, _ = run(rule, h, q @ theta @ p, [q @ g @ p for g in grads])
        assert all(same(b, q @ a @ p, 1e-7) for a, b in zip(plain, other, strict=True))


def transposes(rule, h):
    for theta, grads, _ in runs():
        plain, _ = run(rule, h, theta, grads)
        other, _ = run(rule, h, theta.T, [g.T for g in grads])
        assert all(same(b, a.T, 1e-7) for a, b in zip(plain, other, strict=True))


# ------------------------------------------------------------------- Iterations by singular values.


@law(broken_by="singular-values-kept")
def test_msign_spectral_ball(msign):
    for g in matrices():
        o = msign.msign(g)
        assert np.linalg.norm(o, 2) <= 1 + 1e-12
        assert np.isclose(np.sum(o * g), svd(g)[1].sum(), rtol=1e-12)


@law(broken_by="inverted")
def test_msign_nearest(msign):
    for i, g in enumerate(matrices()):
        random, o = np.random.default_rng(i), msign.msign(g)
        for _ in range(20):
            u, _, v = svd(o + 0.3 * random.normal(size=g.shape))
            assert np.linalg.norm(o - g) <= np.linalg.norm(u @ v - g) + 1e-12


@law(broken_by={"msign.3": "return xp.sign(g)"})
def test_msign_rotations(msign):
    assert all(turned(msign.msign, g) for g in matrices())


@law(broken_by="left-vectors-alone")
def test_msign_transposition(msign):
    assert all(same(msign.msign(g.T), msign.msign(g).T) for g in matrices())


@law(broken_by="inverted")
def test_msign_idempotent(msign):
    for g in matrices():
        once = msign.msign(3 * g)
        assert same(msign.msign(once), once)
        assert same(once.T @ once @ once.T, once.T)


@law(broken_by="singular-values-kept")
def test_msign_scale(msign):
    assert all(same(msign.msign(1e3 * g), msign.msign(g)) for g in matrices())


@law(broken_by="power-of-the-gram")
def test_spectral_power_power_one(spectral_power):
    assert all(same(spectral_power.spectral_power(g, 1.0), g) for g in matrices())


@law(broken_by="complement")
def test_spectral_power_semigroup(spectral_power):
    f = spectral_power.spectral_power
    assert all(same(f(f(g, 0.5), 0.75), f(g, 0.375)) for g in matrices())


@law(broken_by="power-of-the-entries")
def test_spectral_power_rotations(spectral_power):
    assert all(turned(lambda x: spectral_power.spectral_power(x, 0.25), g) for g in matrices())


@law(broken_by="singular-values-kept")
def test_truncated_msign_full_rank_is_msign(truncated_msign):
    msign = module("msign").msign
    assert all(same(truncated_msign.truncated_msign(g, 9), msign(g)) for g in matrices())


@law(broken_by="one-too-many")
def test_truncated_msign_rank(truncated_msign):
    for g in matrices():
        values = np.linalg.svd(truncated_msign.truncated_msign(g, 2), compute_uv=False)
        assert same(values, np.arange(len(values)) < 2)


@law(broken_by="ends-swapped")
def test_clip_singular_values_inside_nothing_changes(clip_singular_values):
    f = clip_singular_values.clip_singular_values
    assert all(same(f(g, 0.25, 4.0), g) for g in matrices())


@law(broken_by={"clip_singular_values.3": "S = 0.5 * xp.minimum(xp.maximum(S, low), high)"})
def test_clip_singular_values_idempotent(clip_singular_values):
    f = clip_singular_values.clip_singular_values
    assert all(same(f(f(g, 1.0, 2.0), 1.0, 2.0), f(g, 1.0, 2.0)) for g in matrices())


@law(broken_by="trailing")
def test_leading_basis_orthonormal(leading_basis):
    for g in matrices():
        p = leading_basis.leading_basis(g, 2)
        assert same(p.T @ p, np.eye(p.shape[1]))
        assert np.isclose(np.linalg.norm(g @ p), np.linalg.norm(svd(g)[1][:2]))


# ------------------------------------------------------------------- Roots and bases.


def grams():
    return [g @ g.T + 0.1 * np.eye(len(g)) for g in matrices()]


@law(broken_by="root-of-the-inverse-square")
def test_inverse_root_power_p_inverts(inverse_root):
    for a in grams():
        for p in (1, 2, 4):
            x = inverse_root.inverse_root(a, p, 0.5)
            assert same(np.linalg.matrix_power(x, p) @ (a + 0.5 * np.eye(len(a))), np.eye(len(a)))


@law(broken_by="vectors-by-rows")
def test_inverse_root_rotations(inverse_root):
    for i, a in enumerate(grams()):
        q = orthogonal(np.random.default_rng(i), len(a))
        f = inverse_root.inverse_root
        assert same(f(q @ a @ q.T), q @ f(a) @ q.T)


@law(broken_by="one-power-short")
def test_coupled_newton_newton_is_the_root(coupled_newton):
    exact = module("inverse_root").inverse_root
    for a in grams():
        for p in (1, 2, 4):
            assert same(coupled_newton.coupled_newton(a, p, 40, 0.01), exact(a, p, 0.01))


@law(broken_by="scale-without-the-root")
def test_coupled_root_inverse_times_square(coupled_root):
    for a in grams():
        z, y = coupled_root.coupled_root(a, 25, 0.0, 0.01)
        regular = a + 0.01 * np.trace(a) / len(a) * np.eye(len(a))
        assert same(z @ regular @ z, np.eye(len(a)))
        assert same(y @ y, regular)


@law(broken_by="one-root-alone")
def test_inverse_fourth_root_fourth_power_inverts(inverse_fourth_root):
    for a in grams():
        x = inverse_fourth_root.inverse_fourth_root(a, 25, 0.0, 0.0)
        assert same(np.linalg.matrix_power(x, 4) @ a, np.eye(len(a)), 1e-7)


@law(broken_by="root-twice")
def test_coupled_power_half_power(coupled_power):
    exact = module("spectral_power").spectral_power
    for g in matrices():
        assert same(coupled_power.coupled_power(g, 30, 0.0, 0.0), exact(g, 0.5), 1e-7)


@law(broken_by="by-rows")
def test_eigenbasis_diagonalises(eigenbasis):
    for a in grams():
        q = eigenbasis.eigenbasis(a)
        d = q.T @ a @ q
        assert same(q.T @ q, np.eye(len(a)))
        assert same(d, np.diag(np.sort(np.diag(d))[::-1]))


@law(broken_by="ascending")
def test_power_iteration_fixed_point(power_iteration):
    for a in [g @ g.T for g in matrices() if g.shape[0] <= g.shape[1]]:
        q = module("eigenbasis").eigenbasis(a)
        new, order = power_iteration.power_iteration(a, q)
        assert list(order) == sorted(order)
        assert same(np.abs(np.diag(new.T @ q)), np.ones(len(a)))


@law(broken_by="untransposed")
def test_low_rank_full_rank_is_exact(low_rank):
    for i, m in enumerate(matrices()):
        q = np.random.default_rng(i).normal(size=(m.shape[1], min(m.shape)))
        if m.shape[0] <= m.shape[1]:
            p, r = low_rank.low_rank(m, q)
            assert same(p @ r.T, m)


@law(broken_by="means-for-sums")
def test_kronecker_power_kronecker_vec(kronecker_power):
    for g in matrices():
        rows, cols = g.shape
        left, right = kronecker_power.kronecker_power(g, np.eye(rows), np.eye(cols))
        x = np.arange(1.0, 1 + g.size).reshape(g.shape)
        product = np.kron(right, left) @ x.ravel(order="F")
        assert same(product, (g @ g.T @ x @ (g.T @ g).T).ravel(order="F"))


@law(broken_by="not-triangular")
def test_triangular_step_triangular(triangular_step):
    for i, g in enumerate(matrices()):
        random = np.random.default_rng(i)
        factors = [np.triu(random.normal(size=(n, n))) + 3 * np.eye(n) for n in g.shape]
        for factor in triangular_step.triangular_step(*factors, g, random.normal(size=g.shape)):
            assert same(factor, np.triu(factor))


# ------------------------------------------------------------------- Optimizers.


@law(broken_by="no-root")
def test_full_adagrad_first_step(full_adagrad):
    for g in matrices():
        (a, b), _ = run(full_adagrad, hyper(full_adagrad, lr=0.5, eps=0.25), 0 * g, [g])
        size = np.linalg.norm(g)
        assert same(a - b, 0.5 * g / (size + 0.25), 1e-6)


@law(broken_by="forgets-the-sum")
def test_full_adagrad_order_of_the_past(full_adagrad):
    for theta, grads, _ in runs():
        h = hyper(full_adagrad)
        assert same(
            run(full_adagrad, h, theta, grads)[1].S, run(full_adagrad, h, theta, grads[::-1])[1].S
        )


@law(broken_by="wrong-root")
def test_shampoo_one_step_is_msign(shampoo):
    for g in matrices():
        (a, b), _ = run(shampoo, hyper(shampoo, lr=0.5, eps=1e-14), 0 * g, [g])
        assert same(a - b, 0.5 * module("msign").msign(g), 1e-6)


@law(broken_by={"shampoo.5": "theta = theta - lr * namespace(g).sign(A @ g @ B)"})
def test_shampoo_rotations(shampoo):
    rotates(shampoo, hyper(shampoo, lr=0.5, eps=0.25))


@law(broken_by="left-side-alone")
def test_shampoo_transposition(shampoo):
    transposes(shampoo, hyper(shampoo, lr=0.5, eps=0.25))


@law(broken_by="sum")
def test_shampoo_averaged_sum_in_disguise(shampoo_averaged):
    for g in matrices():
        h = hyper(shampoo_averaged, lr=0.5, beta2=0.75, eps=1e-14)
        thetas, _ = run(shampoo_averaged, h, 0 * g, [g] * 3)
        steps = -np.diff(thetas, axis=0)
        for t, step in enumerate(steps, 1):
            assert same(step, steps[0] * (0.25 / (1 - 0.75**t)) ** 0.5, 1e-6)


@law(broken_by={"shampoo_averaged.5": "theta = theta - lr * namespace(g).sign(A @ g @ B)"})
def test_shampoo_averaged_rotations(shampoo_averaged):
    rotates(shampoo_averaged, hyper(shampoo_averaged, lr=0.5, eps=0.25))


@law(broken_by="weights-swapped")
def test_shampoo_averaged_transposition(shampoo_averaged):
    transposes(shampoo_averaged, hyper(shampoo_averaged, lr=0.5, beta2=0.75, eps=0.25))


@law(broken_by="not-corrected")
def test_shampoo_debiased_constant_gradient(shampoo_debiased):
    for g in matrices():
        h = hyper(shampoo_debiased, lr=0.5, beta2=0.75, eps=0.25)
        thetas, _ = run(shampoo_debiased, h, 0 * g, [g] * 3)
        first, *others = -np.diff(thetas, axis=0)
        assert all(same(first, step) for step in others)


@law(broken_by="one-side-corrected")
def test_shampoo_debiased_transposition(shampoo_debiased):
    transposes(shampoo_debiased, hyper(shampoo_debiased, lr=0.5, beta2=0.75, eps=0.25))


@law(broken_by="root-of-shampoo")
def test_shampoo_squared_one_step_is_the_inverse(shampoo_squared):
    for g in matrices():
        h = hyper(shampoo_squared, lr=0.5, beta2=0.0, eps=1e-14)
        (a, b), _ = run(shampoo_squared, h, 0 * g, [g])
        u, s, v = svd(g)
        assert same(a - b, 0.5 * np.linalg.norm(g) * (u / s) @ v, 1e-6)


@law(broken_by="without-trace")
def test_shampoo_squared_adafactor_in_the_eigenbasis(shampoo_squared):
    for theta, grads, _ in runs():
        if 1 in theta.shape:
            continue
        h = hyper(shampoo_squared, lr=0.5, beta2=0.75, eps=1e-13)
        thetas, state = run(shampoo_squared, h, theta, grads * 2)
        step, g = thetas[-2] - thetas[-1], (grads * 2)[-1]
        p, q = (np.linalg.eigh(x)[1] for x in (state.L, state.R))
        turned_grads = [p.T @ x @ q for x in grads * 2]
        weights = [0.25 * 0.75 ** (len(turned_grads) - 1 - i) for i in range(len(turned_grads))]
        squares = sum(w * x * x for w, x in zip(weights, turned_grads, strict=True))
        r, c = squares.sum(1, keepdims=True), squares.sum(0, keepdims=True)
        adafactor = (p.T @ g @ q) / np.sqrt(r * c / squares.sum())
        assert same(step, 0.5 * p @ adafactor @ q.T, 1e-6)


@law(broken_by={"shampoo_squared.7": "theta = theta - lr * c * xp.sign(A @ g @ B)"})
def test_shampoo_squared_rotations(shampoo_squared):
    rotates(shampoo_squared, hyper(shampoo_squared, lr=0.5, eps=0.25))


@law(broken_by="one-side-squared")
def test_shampoo_squared_transposition(shampoo_squared):
    transposes(shampoo_squared, hyper(shampoo_squared, lr=0.5, eps=0.25))


@law(broken_by={"soap.7": "theta = theta - lr * c * (xp.abs(P) @ n @ Q.T)"})
def test_soap_signs_of_the_basis(soap):
    for theta, grads, seed in runs():
        h, random = hyper(soap), np.random.default_rng(seed)
        _, state = run(soap, h, theta, grads[:2])
        rows, cols = (random.choice([-1.0, 1.0], n) for n in theta.shape)
        other = state._replace(P=state.P * rows, Q=state.Q * cols)
        steps = [soap.update(theta, grads[2], s, h)[0] for s in (state, other)]
        assert same(*steps)


@law(broken_by="counts-the-first-call")
def test_soap_adam_in_a_fixed_basis(soap):
    adam = read("adam", {"adam": "epsilon-hat"})
    for theta, grads, _ in runs():
        h = hyper(soap, lr=0.5, beta1=0.75, beta2=0.875, weight_decay=0.0, every=100)
        state = soap.init(theta, h)._replace(P=np.eye(len(theta)), Q=np.eye(theta.shape[1]), t=1)
        ours = theta
        for g in grads:
            ours, state = soap.update(ours, g, state, h)
        theirs, _ = run(adam, adam.Hyper(0.5, 0.75, 0.875, 1e-8), theta, grads)
        assert same(ours, theirs[-1])


@law(broken_by="not-projected-back")
def test_galore_nothing_outside(galore):
    for theta, grads, _ in runs():
        h = hyper(galore, lr=0.5, rank=1, every=100)
        thetas, state = run(galore, h, theta, grads)
        step = galore.turned(thetas[-1] - thetas[-2])
        assert same(step @ state.P @ state.P.T, step)


@law(broken_by="scale-forgotten")
def test_galore_full_rank_is_turned_adam(galore):
    adam = read("adam", {"adam": "epsilon-hat"})
    for theta, grads, _ in runs():
        h = hyper(galore, lr=0.5, beta1=0.75, beta2=0.875, rank=9, every=100, scale=2.0)
        thetas, state = run(galore, h, theta, grads)
        basis = [galore.turned(x) @ state.P for x in (theta, *grads)]
        theirs, _ = run(adam, adam.Hyper(1.0, 0.75, 0.875, 1e-6), basis[0], basis[1:])
        assert same(galore.turned(thetas[-1]) @ state.P, theirs[-1])


@law(broken_by="roots-for-inverses")
def test_kfac_kronecker_inverse(kfac):
    for i, g in enumerate(matrices()):
        random, (rows, cols) = np.random.default_rng(i), g.shape
        x, d = random.normal(size=g.shape), random.normal(size=g.shape)
        h = hyper(kfac, lr=1.0, beta=0.0, damping=0.25)
        theta, state = kfac.update(0 * g, g, kfac.init(g, h), h, kfac.Given(x, d))
        p = np.sqrt((np.trace(state.A) / cols) / (np.trace(state.S) / rows))
        a, s = state.A + p * 0.5 * np.eye(cols), state.S + 0.5 / p * np.eye(rows)
        solved = np.linalg.solve(np.kron(a, s), g.ravel(order="F"))
        assert same(-theta.ravel(order="F"), solved)


@law(broken_by={"psgd_kron.4": "P, Q = triangular_step(P, Q, m_hat * m_hat, probe, precond_lr)"})
def test_psgd_kron_scale_of_probe_and_momentum(psgd_kron):
    for i, g in enumerate(matrices()):
        v, h = np.random.default_rng(i).normal(size=g.shape), hyper(psgd_kron)
        state = psgd_kron.init(g, h)
        found = [
            psgd_kron.update(g, c * g, state, h, psgd_kron.Given(c * v))[1] for c in (1.0, 8.0)
        ]
        assert same(found[0].P, found[1].P)
        assert same(found[0].Q, found[1].Q)


@law(broken_by="norm-not-kept")
def test_normuon_norm_of_muon(normuon):
    muon = module("muon")
    for theta, grads, _ in runs():
        h = hyper(normuon, lr=0.5, momentum=0.75, eps=0.0)
        ours, _ = run(normuon, h, theta, grads)
        theirs, _ = run(muon, muon.Hyper(0.5, 0.75), theta, grads)
        sizes = [[np.linalg.norm(b - a) for a, b in pairwise(x)] for x in (ours, theirs)]
        assert same(*map(np.array, sizes))


@law(broken_by="columns-for-rows")
def test_normuon_rows_even_out(normuon):
    for g in matrices():
        (a, b), _ = run(normuon, hyper(normuon, lr=0.5, eps=0.0), 0 * g, [g])
        sizes = np.linalg.norm(b - a, axis=1)
        assert same(sizes, np.full(len(g), sizes[0]))


@law(broken_by="channels-alone")
def test_muon_conv_of_the_matrix(muon_conv):
    random = np.random.default_rng(0)
    theta, *grads = random.normal(size=(4, 3, 2, 2, 3))
    order = random.permutation(12)

    def flat(x):
        return x.reshape(3, 12)[:, order]

    h = hyper(muon_conv, lr=0.5, weight_decay=0.25)
    ours, _ = run(muon_conv, h, theta, grads)
    matrix, _ = run(muon_conv, h, flat(theta), [flat(g) for g in grads])
    assert same(flat(ours[-1]), matrix[-1])


@law(broken_by="norm-for-rms")
def test_adamuon_root_mean_square(adamuon):
    for theta, grads, _ in runs():
        thetas, _ = run(adamuon, hyper(adamuon, lr=0.5, weight_decay=0.0, eps=0.0), theta, grads)
        steps = np.diff(thetas, axis=0)
        assert same(np.sqrt(np.mean(steps**2, axis=(1, 2))), np.full(len(steps), 0.1))


@law(broken_by="feedback-forgotten")
def test_dion_full_rank_feedback(dion):
    for theta, grads, _ in runs():
        if theta.shape[0] <= theta.shape[1]:
            h = hyper(dion, momentum=0.75, rank=9)
            _, state = run(dion, h, theta, grads)
            assert same(state.m, sum(0.75 ** (3 - i) * g for i, g in enumerate(grads)))


@law(broken_by={"scion.3": "theta = theta - lr * scale * o"})
def test_scion_ball(scion):
    for theta, grads, _ in runs():
        h = hyper(scion, lr=0.5, scale=2.0)
        thetas, _ = run(scion, h, theta, grads * 3)
        ratio = (theta.shape[0] / theta.shape[1]) ** 0.5
        most = max(np.linalg.norm(theta, 2), 1.2024 * 2.0 * ratio)
        assert all(np.linalg.norm(x, 2) <= most for x in thetas)


@law(broken_by="average")
def test_spectral_momentum_power_one_is_the_heavy_ball(spectral_momentum):
    ball = module("heavy_ball")
    for theta, grads, _ in runs():
        ours, _ = run(spectral_momentum, hyper(spectral_momentum, lr=0.5, power=1.0), theta, grads)
        theirs, _ = run(
            read("heavy_ball", {"heavy_ball": "rate-outside"}), ball.Hyper(0.5, 0.9), theta, grads
        )
        assert same(ours[-1], theirs[-1])


@law(broken_by={"spectral_momentum.2": "o = namespace(m).sign(m)"})
def test_spectral_momentum_rotations(spectral_momentum):
    rotates(spectral_momentum, hyper(spectral_momentum, lr=0.5, power=0.25))


@law(broken_by={"spectral_momentum.2": "o = spectral_power(m, power) * theta.shape[0]"})
def test_spectral_momentum_transposition(spectral_momentum):
    transposes(spectral_momentum, hyper(spectral_momentum, lr=0.5, power=0.25))


@law(broken_by="uncorrected")
def test_spectral_adam_power_one_is_adamw(spectral_adam):
    adamw = module("adamw")
    for theta, grads, _ in runs():
        h = hyper(spectral_adam, lr=0.5, weight_decay=0.25, power=1.0)
        ours, _ = run(spectral_adam, h, theta, grads)
        theirs, _ = run(adamw, adamw.Hyper(lr=0.5, weight_decay=0.25), theta, grads)
        assert same(ours[-1], theirs[-1])


@pytest.mark.parametrize("theorem", MUTANTS)
def test_a_mistake_breaks(theorem):
    with pytest.raises(AssertionError), np.errstate(all="ignore"):
        MUTANTS[theorem]()

"""Laws of the rules that save memory, scale by layer, average, or find their rate by themselves."""

from itertools import pairwise

import numpy as np
import pytest
from laws import FAR, at_most, broken, identical, law, norm, reflection, run, same, xp

from goldstep.oracle import read
from goldstep.reference.optimizers import adafactor, adalayer, adam, adamw, lion


def rms(x):
    return xp.sqrt(xp.mean(x * x))


def column(x):
    """A tensor as one vector, a matrix of one column."""
    return xp.reshape(x, (-1, 1))


def turned(x):
    """Every matrix of a tensor transposed."""
    return x.mT if x.ndim > 1 else x


def is_blind_to_rotations(rule, hyper, theta, grads, other):
    """Whether a rotation of the tensor, as one vector, turns every step with it."""
    if not np.any(other.value):
        return True
    q = reflection(column(other).value)
    thetas, _ = run(rule, hyper, column(theta), [column(g) for g in grads])
    rotated, _ = run(rule, hyper, q @ column(theta), [q @ column(g) for g in grads])
    return all(same(q @ x, y) for x, y in zip(thetas, rotated, strict=True))


def is_blind_to_scale(rule, hyper, theta, grads, c, **floors):
    """Whether gradients times c, with floors that follow, leave every step as it was."""
    thetas, _ = run(rule, hyper, theta, grads)
    unmoved, _ = run(rule, hyper._replace(**floors), theta, [c * g for g in grads])
    return all(map(same, thetas, unmoved))


def model(rule, hyper, theta, grads):
    """The parameters and states of a rule of the whole model, of one tensor."""
    thetas, states = run(rule, hyper, {"w": theta}, [{"w": g} for g in grads])
    return [x["w"] for x in thetas], states


# ------------------------------------------------------------------- Memory.


@law(broken_by={"adafactor.6": "s = g * g + 1.0"})
def test_adafactor_scale_invariance(adafactor, hyper, theta, grads, c):
    assert is_blind_to_scale(adafactor, hyper, theta, grads, c, eps1=c * c * hyper.eps1)


@law(broken_by={"adafactor.13": "u_hat = u"})
def test_adafactor_bounded_step(adafactor, hyper, theta, grads):
    thetas, _ = run(adafactor, hyper, theta, grads)
    for before, after in pairwise(thetas):
        longest = hyper.lr * hyper.clip * xp.maximum(rms(before), hyper.eps2)
        assert at_most(rms(after - before), longest)


@law(broken_by={"adafactor.11": "v_hat = r + 0 * c"})
def test_adafactor_transposition(adafactor, hyper, theta, grads):
    thetas, _ = run(adafactor, hyper, theta, grads)
    others, _ = run(adafactor, hyper, turned(theta), [turned(g) for g in grads])
    assert all(same(turned(x), y) for x, y in zip(thetas, others, strict=True))


@law(broken_by="sum")
def test_adafactor_momentum_average_of_steps(adafactor_momentum, hyper, theta, grads):
    thetas, states = run(adafactor_momentum, hyper, theta, grads)
    plain = adafactor.Hyper(*(getattr(hyper, k) for k in adafactor.Hyper._fields))
    average = 0.0 * theta
    for x, state, g, after in zip(thetas, states, grads, thetas[1:], strict=False):
        alone, _ = adafactor.update(x, g, adafactor.State(*state[1:]), plain)
        average = hyper.beta1 * average + (1 - hyper.beta1) * (x - alone)
        assert same(after, x - average)


@law(broken_by={"adafactor.11": "v_hat = r + 0 * c"})
def test_adafactor_nothing_lost_of_rank_one(adafactor, hyper, theta, g, other):
    if g.ndim > 1:
        g = g[..., :1] * other[..., :1, :]
    (_, after), _ = run(adafactor, hyper._replace(eps1=2.0**-240, clip=1.0), theta, [g])
    alpha = xp.maximum(rms(theta), hyper.eps2) * xp.minimum(hyper.lr, 1.0)
    assert same(after, theta - alpha * xp.sign(g))


@law(broken_by="average-of-squares")
def test_sm3_covers_the_sum(sm3, hyper, theta, grads):
    _, states = run(sm3, hyper, theta, grads)
    for t, state in enumerate(states[1:], 1):
        assert at_most(sum(g * g for g in grads[:t]), state.mu)


@law(broken_by={"sm3.1": "nu = mu + g"})
def test_sm3_adagrad_on_a_vector(sm3, hyper, theta, grads):
    vectors = [xp.reshape(x, (-1,)) for x in (theta, *grads)]
    _, states = run(sm3, hyper, vectors[0], vectors[1:])
    assert same(states[-1].mu, sum(g * g for g in vectors[1:]))


@law(broken_by="average-of-squares")
def test_sm3_never_falls(sm3, hyper, theta, grads):
    _, states = run(sm3, hyper, theta, grads)
    assert all(at_most(a.mu, b.mu) for a, b in pairwise(states))


@law(broken_by={"came.1": "s = g * g + 1.0"})
def test_came_scale_invariance(came, hyper, theta, grads, c):
    assert is_blind_to_scale(came, hyper, theta, grads, c, eps1=c * c * hyper.eps1)


@law(broken_by={"came.6": "v_hat = r + 0 * c"})
def test_came_transposition(came, hyper, theta, grads):
    thetas, _ = run(came, hyper, theta, grads)
    others, _ = run(came, hyper, turned(theta), [turned(g) for g in grads])
    assert all(same(turned(x), y) for x, y in zip(thetas, others, strict=True))


@law(broken_by="not-clipped")
def test_came_bounded_momentum(came, hyper, theta, grads):
    _, states = run(came, hyper, theta, [FAR * g for g in grads])
    assert all(at_most(rms(s.m), hyper.clip) for s in states)


@law(broken_by="not-corrected")
def test_adalayer_adam_on_a_number(adalayer, hyper, theta, grads):
    first, *numbers = (xp.reshape(x, (-1,))[:1] for x in (theta, *grads))
    thetas, _ = run(adalayer, hyper, first, numbers)
    expected, _ = run(adam, adam.Hyper(*hyper), first, numbers)
    assert all(map(same, thetas, expected))


@law(broken_by="sum-of-squares")
def test_adalayer_first_step(adalayer, hyper, theta, g):
    (before, after), _ = run(adalayer, hyper, theta, [g])
    assert same(before - after, hyper.lr * g / (rms(g) + hyper.eps))


@law(broken_by="largest-square")
def test_adalayer_rotations(adalayer, hyper, theta, grads, other):
    assert is_blind_to_rotations(adalayer, hyper, theta, grads, other)


@law(broken_by="mean-of-the-root")
def test_adam_mini_adalayer_in_one_block(adam_mini, hyper, theta, grads):
    thetas, _ = run(adam_mini, hyper._replace(axes=0, weight_decay=0.0), theta, grads)
    expected, _ = run(adalayer, adalayer.Hyper(*hyper[:4]), theta, grads)
    assert all(map(same, thetas, expected))


@law(broken_by="not-corrected")
def test_adam_mini_adamw_in_blocks_of_one(adam_mini, hyper, theta, grads):
    thetas, _ = run(adam_mini, hyper._replace(axes=theta.ndim), theta, grads)
    expected, _ = run(adamw, adamw.Hyper(*hyper[:5]), theta, grads)
    assert all(map(same, thetas, expected))


@law(broken_by="one-number-for-all-blocks")
def test_adam_mini_rows_on_their_own(adam_mini, hyper, theta, grads):
    hyper = hyper._replace(axes=1)
    thetas, _ = run(adam_mini, hyper, theta, grads)
    for i in range(theta.shape[0] if theta.ndim else 0):
        rows, _ = run(adam_mini, hyper, theta[i : i + 1], [g[i : i + 1] for g in grads])
        assert all(same(x[i : i + 1], y) for x, y in zip(thetas, rows, strict=True))


@law(broken_by="scale-by-the-mean")
def test_dynamic8bit_bounded_error(dynamic8bit, g, block_size, sign_bit):
    x = g if sign_bit else xp.abs(g)
    q, n = dynamic8bit.dynamic8bit(x, block_size, sign_bit)
    off = xp.abs(dynamic8bit.restore(q, n, block_size) - x)
    assert at_most(off, 0.00703125 * dynamic8bit.restore(xp.ones_like(q), n, block_size))


@law(broken_by="scale-by-the-mean")
def test_dynamic8bit_scale(dynamic8bit, g, block_size):
    q, n = dynamic8bit.dynamic8bit(g, block_size)
    same_q, scaled = dynamic8bit.dynamic8bit(0.0625 * g, block_size)
    assert same(q, same_q)
    assert same(0.0625 * n, scaled)
    assert at_most(xp.abs(g), dynamic8bit.restore(xp.ones_like(q), n, block_size))


@law(broken_by="scale-by-the-mean")
def test_dynamic8bit_codes_stay(dynamic8bit, g, block_size, sign_bit):
    x = xp.abs(g)
    q, n = dynamic8bit.dynamic8bit(x, block_size, sign_bit)
    again, _ = dynamic8bit.dynamic8bit(dynamic8bit.restore(q, n, block_size), block_size, sign_bit)
    assert same(q, again)


@law(broken_by="not-corrected")
def test_adam8bit_first_step_is_adam(adam8bit, hyper, theta, g):
    (_, after), _ = run(adam8bit, hyper, theta, [g])
    (_, expected), _ = run(adam, adam.Hyper(*hyper[:4]), theta, [g])
    assert same(after, expected)


@law(broken_by="codes-not-scaled")
def test_adam8bit_scale_invariance(adam8bit, hyper, theta, grads):
    assert is_blind_to_scale(adam8bit, hyper, theta, grads[:2], 0.0625, eps=0.0625 * hyper.eps)


@law(broken_by={"lion8bit.3": "theta = theta - lr * (xp.sign(g) + 2 * wd * theta)"})
def test_lion8bit_first_step_is_lion(lion8bit, hyper, theta, g):
    (_, after), _ = run(lion8bit, hyper, theta, [g])
    (_, expected), _ = run(lion, lion.Hyper(*hyper[:4]), theta, [g])
    assert same(after, expected)


@law(broken_by="codes-not-scaled")
def test_lion8bit_scale_invariant(lion8bit, hyper, theta, grads):
    assert is_blind_to_scale(lion8bit, hyper, theta, grads[:3], 0.0625)


# ------------------------------------------------------------------- By layer.


@law(broken_by={"lars.5": "ratio = 1.0"})
def test_lars_gradient_scale(lars, hyper, theta, grads, c):
    hyper = hyper._replace(weight_decay=0.0)
    thetas, _ = run(lars, hyper, theta, grads)
    scaled = [c * g if t % 2 else g for t, g in enumerate(grads)]
    unmoved, _ = run(lars, hyper, theta, scaled)
    for x, y in zip(thetas, unmoved, strict=True):
        assert same(x, y)
        if not np.any(abs(x.value) > x.error):
            return


@law(broken_by="root-forgotten")
def test_lars_step_in_proportion(lars, hyper, theta, g):
    (before, after), _ = run(lars, hyper, theta, [g])
    if np.any(theta.value) and np.any(g.value):
        assert at_most(norm(after - before), hyper.lr * hyper.trust * norm(theta))


@law(broken_by={"lars.2": "slope = xp.sum(xp.abs(g))"})
def test_lars_rotations(lars, hyper, theta, grads, other):
    assert is_blind_to_rotations(lars, hyper, theta, grads, other)


@law(broken_by="ratio-inverted")
def test_lamb_length_of_the_step(lamb, hyper, theta, grads):
    # Numbers of one sign, so that nothing cancels.
    thetas, _ = run(lamb, hyper, -xp.abs(theta), [-xp.abs(g) for g in grads[:1]])
    for before, after in pairwise(thetas):
        if np.any(before.value) and np.any(grads[0].value):
            assert same(norm(after - before), hyper.lr * norm(before))


@law(broken_by={"lamb.6": "u = m_hat / xp.sqrt(v_hat + eps) + wd * theta"})
def test_lamb_gradient_scale(lamb, hyper, theta, g, c):
    theta, g = xp.abs(theta), xp.abs(g)
    assert is_blind_to_scale(lamb, hyper, theta, [g], c, eps=c * hyper.eps)


@law(broken_by="norm-without-the-decay")
def test_lamb_adamw_direction(lamb, hyper, theta, g):
    theta, g = xp.abs(theta), xp.abs(g)
    (_, after), _ = run(lamb, hyper, theta, [g])
    (_, there), _ = run(adamw, adamw.Hyper(*hyper), theta, [g])
    if np.any(theta.value):
        step, direction = after - theta, there - theta
        assert same(step * norm(direction), hyper.lr * norm(theta) * direction)


@law(broken_by="starts-at-zero")
def test_novograd_first_step_has_length_lr(novograd, hyper, theta, g):
    (before, after), _ = run(novograd, hyper._replace(weight_decay=0.0), theta, [g])
    assert same(before - after, hyper.lr * g / (norm(g) + hyper.eps))


@law(broken_by="epsilon-inside-the-root")
def test_novograd_gradient_scale(novograd, hyper, theta, grads, c):
    assert is_blind_to_scale(novograd, hyper, theta, grads, c, eps=c * hyper.eps)


@law(broken_by={"novograd.3": "v = b2 * v + (1 - b2) * xp.sum(xp.abs(g)) ** 2"})
def test_novograd_rotations(novograd, hyper, theta, grads, other):
    assert is_blind_to_rotations(novograd, hyper, theta, grads, other)


@law(broken_by="half-of-the-decay")
def test_amos_first_step(amos, hyper, theta, g):
    (before, after), _ = run(amos, hyper, theta, [FAR * g])
    if np.any(g.value):
        step = hyper.lr * hyper.eta * g / rms(g) + hyper.lr**2 / 2 * theta
        assert same(before - after, step)


@law(broken_by={"amos.2": "s = xp.mean(xp.abs(g))"})
def test_amos_gradient_scale(amos, hyper, theta, grads, c):
    assert is_blind_to_scale(amos, hyper, theta, grads, c, eps=c * c * hyper.eps)


@law(broken_by={"amos.9": "b = beta * b + gamma * (1 + b)"})
def test_amos_spends_only(amos, hyper, theta, grads):
    _, states = run(amos, hyper, theta, [*grads, xp.zeros_like(theta)])
    assert all(at_most(a.b, b.b) for a, b in pairwise(states))
    assert identical(states[-2].b, states[-1].b)


# ------------------------------------------------------------------- Averaged.


def is_the_mean_of_the_iterates(rule, hyper, theta, grads):
    _, (_, *states) = run(rule, hyper._replace(warmup=1), theta, grads)
    return same(len(states) * states[-1].x, sum(s.z for s in states))


@law(broken_by="average-of-the-old")
def test_schedule_free_sgd_mean_of_the_iterates(schedule_free_sgd, hyper, theta, grads):
    assert is_the_mean_of_the_iterates(schedule_free_sgd, hyper, theta, grads)


@law(broken_by="decay-at-the-parameter")
def test_schedule_free_sgd_first_step_is_sgd(schedule_free_sgd, hyper, theta, g):
    (_, after), _ = run(schedule_free_sgd, hyper._replace(warmup=1), theta, [g])
    assert same(after, theta - hyper.lr * (g + hyper.weight_decay * theta))


@law(broken_by={"schedule_free_sgd.8": "theta = beta * (z + x)"})
def test_schedule_free_sgd_between_the_two(schedule_free_sgd, hyper, theta, grads):
    thetas, states = run(schedule_free_sgd, hyper, theta, grads)
    for y, s in zip(thetas, states, strict=True):
        assert at_most(xp.abs(y - s.x) + xp.abs(s.z - y), xp.abs(s.z - s.x))


@law(broken_by="average-of-the-old")
def test_schedule_free_adamw_mean_of_the_iterates(schedule_free_adamw, hyper, theta, grads):
    assert is_the_mean_of_the_iterates(schedule_free_adamw, hyper, theta, grads)


@law(broken_by="not-corrected")
def test_schedule_free_adamw_first_step_has_length_lr(schedule_free_adamw, hyper, theta, g):
    hyper = hyper._replace(weight_decay=0.0, warmup=1)
    (before, after), _ = run(schedule_free_adamw, hyper, theta, [g])
    assert same(before - after, hyper.lr * g / (xp.abs(g) + hyper.eps))


@law(broken_by={"schedule_free_adamw.8": "u = g / xp.sqrt(v_hat + eps) + wd * theta"})
def test_schedule_free_adamw_scale_invariance(schedule_free_adamw, hyper, theta, grads, c):
    assert is_blind_to_scale(schedule_free_adamw, hyper, theta, grads, c, eps=c * hyper.eps)


# ------------------------------------------------------------------- Parameter-free.


def distance_never_falls(rule, hyper, theta, grads):
    _, states = model(rule, hyper, theta, grads)
    return all(at_most(a.d, b.d) for a, b in pairwise(states))


def finds_the_same_at_any_scale(rule, hyper, theta, grads, c):
    thetas, states = model(rule, hyper, theta, grads)
    scaled = hyper._replace(eps=c * hyper.eps)
    unmoved, others = model(rule, scaled, theta, [c * g for g in grads])
    distances = all(same(a.d, b.d) for a, b in zip(states, others, strict=True))
    return all(map(same, thetas, unmoved)) and distances


@law(broken_by="distance-may-fall")
def test_prodigy_never_falls(prodigy, hyper, theta, grads):
    assert distance_never_falls(prodigy, hyper, theta, grads)


@law(broken_by={"prodigy.11": "u = {k: m[k] / xp.sqrt(v[k] + d * eps) for k in g}"})
def test_prodigy_gradient_scale(prodigy, hyper, theta, grads, c):
    assert finds_the_same_at_any_scale(prodigy, hyper, theta, grads, c)


@law(broken_by="floor-not-scaled")
def test_prodigy_first_step_is_adamw(prodigy, hyper, theta, g):
    (_, after), _ = model(prodigy, hyper, theta, [g])
    uncorrected = read("adamw", {"adamw": "no-bias-correction"})
    plain = adamw.Hyper(hyper.d0 * hyper.lr, *hyper[1:5])
    (_, expected), _ = run(uncorrected, plain, theta, [g])
    assert same(after, expected)


@law(broken_by="distance-may-fall")
def test_dadapt_adam_never_falls(dadapt_adam, hyper, theta, grads):
    assert distance_never_falls(dadapt_adam, hyper, theta, grads)


@law(broken_by={"dadapt_adam.12": "u = {k: m[k] / xp.sqrt(v[k] + eps) for k in g}"})
def test_dadapt_adam_gradient_scale(dadapt_adam, hyper, theta, grads, c):
    assert finds_the_same_at_any_scale(dadapt_adam, hyper, theta, grads, c)


@law(broken_by="agrees-with-itself")
def test_dadapt_adam_first_step_finds_nothing(dadapt_adam, hyper, theta, g):
    _, states = model(dadapt_adam, hyper, theta, [g])
    assert identical(states[0].d, states[1].d)


@pytest.mark.parametrize("theorem", broken(__name__))
def test_a_mistake_breaks(theorem):
    with pytest.raises(AssertionError):
        theorem()

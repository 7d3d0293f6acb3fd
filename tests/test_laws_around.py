"""The theorems about what stands around an optimizer, and about schedules."""

from itertools import pairwise

import numpy as np
import pytest
from laws import FAR, at_most, broken, identical, law, norm, run, same, transform, xp

from goldstep.oracle import Arithmetic
from goldstep.reference.optimizers import sgd
from goldstep.reference.schedules import cosine, inverse_time, linear
from goldstep.reference.transforms import decoupled_decay
from goldstep.reference.wrappers import sam

LR = 0.5
numbers = Arithmetic("float64")  # what is computed of numbers alone is more exact than they are


def descend(theta, g):
    """The step that is wrapped, of a tensor or of a model."""
    if isinstance(theta, dict):
        return {name: descend(x, g[name]) for name, x in theta.items()}
    return sgd.update(theta, g, (), sgd.Hyper(LR))[0]


def ascend(theta, g):
    return sgd.update(theta, g, (), sgd.Hyper(-LR))[0]


def stand(theta, _):
    return theta


def wrapped(rule, hyper, theta, grads, inner=descend):
    """The parameters and the states of a wrapper, both from the start on."""
    thetas, states = [theta], [rule.init(theta, hyper)]
    for g in grads:
        theta, state = rule.update(thetas[-1], g, states[-1], hyper, inner)
        thetas.append(theta)
        states.append(state)
    return thetas, states


def unwrapped(theta, grads, inner=descend):
    thetas = [theta]
    for g in grads:
        thetas.append(inner(thetas[-1], g))
    return thetas


def exactly(x):
    """A number of the same value in the arithmetic of schedules."""
    return numbers.scalar(x if isinstance(x, int | float) else float(x.value))


def factor(rule, t, hyper):
    """The value of a schedule, as a number that carries its error."""
    hyper = hyper._make(x if isinstance(x, int) else exactly(x) for x in hyper)
    return numbers.scalar(rule.value(exactly(t), hyper))


# ------------------------------------------------------------------- Wrappers.


@law(broken_by="share-of-the-slow")
def test_lookahead_whole_steps(lookahead, hyper, theta, grads):
    thetas, _ = wrapped(lookahead, hyper._replace(alpha=1.0), theta, grads)
    assert all(map(same, thetas, unwrapped(theta, grads)))


@law(broken_by="fast-not-reset")
def test_lookahead_on_the_way(lookahead, hyper, theta, grads):
    hyper = hyper._replace(k=len(grads))
    thetas, _ = wrapped(lookahead, hyper, theta, grads)
    far = unwrapped(theta, grads)[-1]
    assert same(thetas[-1], theta + hyper.alpha * (far - theta))


@law(broken_by="swapped")
def test_route_two_runs(route, theta, g):
    new, _ = route.update(theta, g, route.State(), route.Hyper(), descend, ascend)
    assert identical(new, (descend if theta.ndim == 2 else ascend)(theta, g))


@law(broken_by="not-restored")
def test_sam_step_from_the_anchor(sam, hyper, model, c):
    second = {name: c * x for name, x in model.items()}
    thetas, _ = wrapped(sam, hyper, model, [model, second])
    expected = descend(model, second)
    assert all(identical(thetas[-1][name], expected[name]) for name in model)


@law(broken_by="not-normalised")
def test_sam_radius(sam, hyper, model):
    thetas, _ = wrapped(sam, hyper, model, [model])
    if norm(*model.values()).value > 0:
        assert same(norm(*(thetas[1][k] - x for k, x in model.items())), xp.cast(hyper.rho))


@law(broken_by="scaled-once")
def test_asam_scale_invariant(asam, hyper, model, c):
    hyper = hyper._replace(eta=0.0)
    larger = {name: c * x for name, x in model.items()}
    smaller = {name: x / c for name, x in model.items()}
    if norm(*model.values()).value > 0:
        (_, one), _ = wrapped(asam, hyper, model, [model])
        (_, other), _ = wrapped(asam, hyper, larger, [smaller])
        assert all(same(c * x, other[name]) for name, x in one.items())


@law(broken_by="norm-of-the-gradient")
def test_asam_sam_in_another_metric(asam, hyper, model, c):
    theta = {name: c * xp.ones_like(x) for name, x in model.items()}
    if norm(*model.values()).value > 0:
        (_, one), _ = wrapped(asam, hyper._replace(eta=0.0), theta, [model])
        (_, other), _ = wrapped(sam, sam.Hyper(c * hyper.rho), theta, [model])
        assert all(same(x, other[name]) for name, x in one.items())


@law(broken_by="average-steps")
def test_ema_leaves_the_parameters(ema, hyper, theta, grads):
    thetas, _ = wrapped(ema, hyper, theta, grads)
    assert all(map(identical, thetas, unwrapped(theta, grads)))


@law(broken_by={"ema.3": "a = decay * a + (1 + decay) * theta"})
def test_ema_within(ema, hyper, theta, grads):
    thetas, states = wrapped(ema, hyper, theta, grads)
    low = high = theta
    for x in thetas:
        low, high = xp.minimum(low, x), xp.maximum(high, x)
    assert at_most(low, states[-1].average)
    assert at_most(states[-1].average, high)


@law(broken_by="half")
def test_swa_mean(swa, hyper, theta, grads):
    thetas, states = wrapped(swa, hyper._replace(cycle=1), theta, grads)
    assert same(states[-1].mean, sum(thetas[1:], start=thetas[0]) / len(thetas))


@law(broken_by={"swa.2": "theta = inner(inner(theta, g), g)"})
def test_swa_leaves_the_parameters(swa, hyper, theta, grads):
    thetas, _ = wrapped(swa, hyper, theta, grads)
    assert all(map(identical, thetas, unwrapped(theta, grads)))


@law(broken_by="sum")
def test_accumulate_large_batch(accumulate, hyper, theta, grads):
    thetas, _ = wrapped(accumulate, hyper._replace(k=len(grads)), theta, grads)
    assert same(thetas[-1], descend(theta, sum(grads[1:], start=grads[0]) / len(grads)))


@law(broken_by="each-micro-batch")
def test_accumulate_waits(accumulate, hyper, theta, grads):
    thetas, _ = wrapped(accumulate, hyper._replace(k=len(grads) + 1), theta, grads)
    assert all(identical(x, theta) for x in thetas)


@law(broken_by="not-made-up-for")
def test_cautious_no_momentum_no_mask(cautious, factors):
    g = factors[0]
    (zero, new), _ = wrapped(cautious, cautious.Hyper(), xp.zeros_like(g), [g])
    assert same(zero - new, g.size / (g.size + 1) * LR * g)


@law(broken_by={"cautious.2": "mask = xp.where(u * g < 0, xp.ones_like(u), 0.0)"})
def test_cautious_never_uphill(cautious, theta, g, grads):
    def elsewhere(x, _):
        return x - grads[0]

    (zero, new), _ = wrapped(cautious, cautious.Hyper(), xp.zeros_like(theta), [g], elsewhere)
    assert at_most(0 * g, (zero - new) * g)


@law(broken_by="zeros-instead")
def test_skip_nonfinite_as_if_nothing(skip_nonfinite, model):
    name = min(model)
    struck = model | {name: xp.tensor(np.full(model[name].shape, np.nan))}
    thetas, states = wrapped(skip_nonfinite, skip_nonfinite.Hyper(), model, [model, struck, model])
    expected = unwrapped(model, [model, model])[-1]
    assert all(identical(x, expected[k]) for k, x in thetas[-1].items())
    assert [state.skipped for state in states] == [0, 0, 1, 1]


@law(broken_by={"skip_nonfinite.2": "theta = theta"})
def test_skip_nonfinite_finite_is_inner(skip_nonfinite, model):
    (_, new), _ = wrapped(skip_nonfinite, skip_nonfinite.Hyper(), model, [model])
    assert all(identical(x, descend(model, model)[name]) for name, x in new.items())


@law(broken_by="not-times-lr")
def test_decay_after_step_geometric(decay_after_step, hyper, theta, grads):
    thetas, _ = wrapped(decay_after_step, hyper, theta, grads, stand)
    for before, after in pairwise(thetas):
        assert same(after, (1 - hyper.lr * hyper.weight_decay) * before)


@law(broken_by="of-the-old")
def test_decay_after_step_shortens_the_step(decay_after_step, hyper, theta, g):
    (_, after), _ = wrapped(decay_after_step, hyper, theta, [g])
    decayed, _ = transform(decoupled_decay, decoupled_decay.Hyper(*hyper), theta, g)
    assert same(after - descend(decayed, g), hyper.lr * hyper.weight_decay * LR * g)


@law(broken_by="times-lr-squared")
def test_decay_in_direction_decay_before_additive_rules(decay_in_direction, hyper, theta, g):
    (_, new), _ = wrapped(decay_in_direction, hyper, theta, [g])
    decayed, _ = transform(decoupled_decay, decoupled_decay.Hyper(*hyper), theta, g)
    assert same(new, descend(decayed, g))


@law(broken_by={"decay_in_direction.1": "u = inner(theta, g) - theta"})
def test_decay_in_direction_leaves_the_update(decay_in_direction, hyper, theta, g):
    (_, new), _ = wrapped(decay_in_direction, hyper._replace(weight_decay=0.0), theta, [g])
    assert same(new, descend(theta, g))


@law(broken_by="first-order")
def test_proximal_decay_minimises(proximal_decay, hyper, theta, g):
    (_, new), _ = wrapped(proximal_decay, hyper, theta, [g])
    # What is convex is least where its derivative is zero.
    assert same(hyper.lr * hyper.weight_decay * new, descend(theta, g) - new)


@law(broken_by="first-order")
def test_proximal_decay_keeps_the_sign(proximal_decay, hyper, theta, g):
    (_, new), _ = wrapped(proximal_decay, hyper, theta, [g])
    stepped = descend(theta, g)
    assert at_most(0 * new, new * stepped)
    assert at_most(xp.abs(new), xp.abs(stepped))


@law(broken_by="plain")
def test_cautious_decay_never_against(cautious_decay, hyper, theta, g):
    (_, new), _ = wrapped(cautious_decay, hyper, theta, [g])
    away = xp.tensor(theta.value * g.value < 0)
    assert same(away * new, away * descend(theta, g))


@law(broken_by={"cautious_decay.3": "theta = theta - u - 2 * lr * wd * decay"})
def test_cautious_decay_decays_less(cautious_decay, hyper, theta, g):
    (_, new), _ = wrapped(cautious_decay, hyper, theta, [g])
    assert at_most(xp.abs(descend(theta, g) - new), hyper.lr * hyper.weight_decay * xp.abs(theta))


# ------------------------------------------------------------------- Transforms.


@law(broken_by="from-above-only")
def test_clip_by_value_within(clip_by_value, hyper, theta, g):
    assert at_most(xp.abs(transform(clip_by_value, hyper, theta, g)[1]), xp.cast(hyper.max_value))


@law(broken_by="magnitude")
def test_clip_by_value_odd(clip_by_value, hyper, theta, g):
    one, other = (transform(clip_by_value, hyper, theta, x)[1] for x in (g, -g))
    assert same(one, -other)


@law(broken_by="divided-by-the-norm")
def test_clip_by_norm_bounded(clip_by_norm, hyper, theta, g):
    _, clipped = transform(clip_by_norm, hyper, theta, g)
    assert same(norm(clipped), xp.minimum(norm(g), hyper.max_norm))


@law(broken_by="epsilon-in-the-norm")
def test_clip_by_norm_once_is_enough(clip_by_norm, hyper, theta, g):
    _, once = transform(clip_by_norm, hyper, theta, g)
    assert same(transform(clip_by_norm, hyper, theta, once)[1], once)


@law(broken_by="norm")
def test_clip_by_rms_bounded(clip_by_rms, hyper, theta, g):
    _, clipped = transform(clip_by_rms, hyper, theta, g)
    root = g.size**0.5
    assert same(norm(clipped) / root, xp.minimum(norm(g) / root, hyper.max_rms))


@law(broken_by="norm")
def test_clip_by_rms_blind_to_the_size(clip_by_rms, hyper, theta, g):
    _, one = transform(clip_by_rms, hyper, theta, g)
    _, two = transform(clip_by_rms, hyper, xp.stack([theta, theta]), xp.stack([g, g]))
    assert same(two, xp.stack([one, one]))


@law(broken_by="whole-tensor")
def test_adaptive_clip_unit_by_unit(adaptive_clip, hyper, theta, g):
    _, whole = transform(adaptive_clip, hyper, theta, g)
    if theta.ndim == 2:
        assert same(whole[0, ...], transform(adaptive_clip, hyper, theta[0, ...], g[0, ...])[1])


@law(broken_by={"adaptive_clip.3": "bound = most + 0 * weights"})
def test_adaptive_clip_in_proportion(adaptive_clip, hyper, theta, g, c):
    hyper = hyper._replace(eps=0.0)
    theta, g = FAR * theta, FAR * g
    _, one = transform(adaptive_clip, hyper, theta, g)
    _, other = transform(adaptive_clip, hyper, c * theta, c * g)
    assert same(c * one, other)


@law(broken_by="whole-tensor")
def test_centralize_mean_of_zero(centralize, hyper, theta, g):
    _, seen = transform(centralize, hyper, theta, g)
    if g.ndim > 1:
        total = xp.sum(seen, axis=tuple(range(1, g.ndim)))
        assert same(total, 0 * total)


@law(broken_by={"centralize.2": "g = g - 2 * mean"})
def test_centralize_projection(centralize, hyper, theta, g):
    _, once = transform(centralize, hyper, theta, g)
    assert same(transform(centralize, hyper, theta, once)[1], once)


@law(broken_by="magnitude")
def test_maximize_the_negative(maximize, hyper, theta, g):
    same_theta, turned = transform(maximize, hyper, theta, g)
    assert identical(same_theta, theta)
    assert identical(transform(maximize, hyper, theta, turned)[1], g)


@law(broken_by="squared-only")
def test_corrected_decay_plain_at_the_top(corrected_decay, hyper, theta, g):
    shrunk, _ = transform(corrected_decay, hyper._replace(max_lr=hyper.lr), theta, g)
    plain = decoupled_decay.Hyper(hyper.lr, hyper.weight_decay)
    assert same(shrunk, transform(decoupled_decay, plain, theta, g)[0])


@law(broken_by="plain")
def test_corrected_decay_quadratic(corrected_decay, hyper, theta, g):
    whole, _ = transform(corrected_decay, hyper, theta, g)
    half, _ = transform(corrected_decay, hyper._replace(lr=hyper.lr / 2), theta, g)
    assert same(4 * (theta - half), theta - whole)


@law(broken_by="one-too-many")
def test_delay_no_delay(delay, hyper, theta, g):
    assert identical(transform(delay, hyper._replace(delay=0), theta, g)[1], g)


@law(broken_by="stuck")
def test_delay_late(delay, hyper, theta, grads):
    state, seen = delay.init(theta, hyper), []
    for g in grads:
        _, x, state = delay.update(theta, g, state, hyper)
        seen.append(x)
    late = [*([0 * theta] * hyper.delay), *grads]
    assert all(identical(x, want) for x, want in zip(seen, late, strict=False))


@law(broken_by="factor-in-full")
def test_qk_clip_logits_at_the_threshold(qk_clip, hyper, theta, g, givens):
    (given, *_), alpha = givens, hyper.share
    query, key = (
        qk_clip.update(theta, g, (), hyper._replace(share=share), given, descend)[0]
        for share in (alpha, 1 - alpha)
    )
    step, tau = descend(theta, g), hyper.threshold
    assert same(query * key, tau / xp.maximum(given.logits, tau) * step * step)


@law(broken_by="always-to-the-threshold")
def test_qk_clip_below_nothing_happens(qk_clip, hyper, theta, g, givens):
    given = qk_clip.Given(xp.minimum(givens[0].logits, hyper.threshold))
    assert same(qk_clip.update(theta, g, (), hyper, given, descend)[0], descend(theta, g))


@law(broken_by="rounds-down")
def test_qsgd_unbiased(qsgd, hyper, theta, g):
    def received(chance):
        given = qsgd.Given(xp.full_like(g, chance))
        return qsgd.update(theta, g, qsgd.State(), hyper, given)[1]

    least, most = received(1 - 2**-53), received(0.0)  # the largest chance that there is
    length = norm(g)
    if length.value > 0:
        x = hyper.levels * xp.abs(g) / length
        assert same(least + (x - xp.floor(x)) * (most - least), g)


@law(broken_by={"qsgd.4": "g = norm * xp.sign(g) * level"})
def test_qsgd_nothing_to_round(qsgd, hyper, theta, g):
    if g.size == 1:
        given = qsgd.Given(xp.full_like(g, 0.5))
        assert same(qsgd.update(theta, g, qsgd.State(), hyper, given)[1], g)


# ------------------------------------------------------------------- Compression.


@law(broken_by="no-feedback")
def test_ef_signsgd_nothing_is_lost(ef_signsgd, hyper, theta, grads):
    thetas, states = run(ef_signsgd, hyper, theta, grads)
    meant = hyper.lr * sum(grads[1:], start=grads[0])
    assert same(theta - thetas[-1], meant - states[-1].e)


@law(broken_by="unscaled")
def test_ef_signsgd_sgd_of_one_element(ef_signsgd, hyper, theta, g):
    if theta.size == 1:
        thetas, _ = run(ef_signsgd, hyper, theta, [g])
        assert same(thetas[-1], run(sgd, sgd.Hyper(hyper.lr), theta, [g])[0][-1])


@law(broken_by="keeps-what-is-sent")
def test_top_k_sgd_when_all_is_sent(top_k, hyper, theta, grads):
    thetas, _ = run(top_k, hyper._replace(k=theta.size), theta, grads)
    assert all(map(same, thetas, run(sgd, sgd.Hyper(hyper.lr), theta, grads)[0]))


@law(broken_by="no-memory")
def test_top_k_nothing_is_lost(top_k, hyper, theta, grads):
    thetas, states = run(top_k, hyper, theta, grads)
    meant = hyper.lr * sum(grads[1:], start=grads[0])
    assert same(theta - thetas[-1], meant - states[-1].m)


def together(rule, hyper, theta, grads, others):
    """The means of workers of which the others have gradients of their own."""
    thetas, state = [theta], rule.init(theta, hyper)
    for g, other in zip(grads, others, strict=True):
        given = rule.Given(xp.stack([other, other]))
        theta, state = rule.update(thetas[-1], g, state, hyper, given)
        thetas.append(theta)
    return thetas


@law(broken_by="sum")
def test_local_sgd_synchronous(local_sgd, hyper, theta, grads):
    thetas = together(local_sgd, hyper._replace(period=1), theta, grads, grads[::-1])
    means = [(g + 2 * h) / 3 for g, h in zip(grads, grads[::-1], strict=True)]
    assert all(map(same, thetas, run(sgd, sgd.Hyper(hyper.lr), theta, means)[0]))


@law(broken_by="sum")
def test_local_sgd_one_worker(local_sgd, hyper, theta, grads):
    thetas = together(local_sgd, hyper, theta, grads, grads)
    assert all(map(same, thetas, run(sgd, sgd.Hyper(hyper.lr), theta, grads)[0]))


# ------------------------------------------------------------------- Schedules.


@law(broken_by="a-step-too-long")
def test_constant_two_values(constant, hyper, t):
    expected = exactly(hyper.share) if t < hyper.total else exactly(1)
    assert same(factor(constant, t, hyper), expected)


@law(broken_by="without-the-half")
def test_cosine_symmetric(cosine, hyper, t):
    t = min(t, hyper.total)
    there, back = factor(cosine, t, hyper), factor(cosine, hyper.total - t, hyper)
    assert same(there + back, 1 + exactly(hyper.end))


@law(broken_by="oscillates")
def test_cosine_ends(cosine, hyper, t):
    assert same(factor(cosine, 0, hyper), exactly(1))
    assert same(factor(cosine, hyper.total + t, hyper), exactly(hyper.end))


@law(broken_by="adds-the-start")
def test_linear_warmup_equal_steps(linear_warmup, hyper, t):
    rise = factor(linear_warmup, t + 1, hyper) - factor(linear_warmup, t, hyper)
    equal = (1 - exactly(hyper.start)) / hyper.warmup
    assert same(rise, equal if t < hyper.warmup else exactly(0))


@law(broken_by="by-the-end")
def test_linear_equal_steps(linear, hyper, t):
    fall = factor(linear, t, hyper) - factor(linear, t + 1, hyper)
    equal = (1 - exactly(hyper.end)) / hyper.total
    assert same(fall, equal if t < hyper.total else exactly(0))


@law(broken_by="longer-at-once")
def test_cosine_restarts_whole_at_a_restart(cosine_restarts, hyper, t):
    restart = sum(hyper.period * hyper.mult**i for i in range(t % 4))
    assert same(factor(cosine_restarts, restart, hyper), exactly(1))


@law(broken_by={"cosine_restarts.2": "f = end + (1 - end) * (1 + cos(2 * pi * t / period)) / 2"})
def test_cosine_restarts_cosine_before_the_restart(cosine_restarts, hyper, t):
    t %= hyper.period
    first = factor(cosine, t, cosine.Hyper(hyper.period, hyper.end))
    assert same(factor(cosine_restarts, t, hyper), first)


@law(broken_by="from-two")
def test_inverse_sqrt_one_at_the_peak(inverse_sqrt, hyper, t):
    assert same(factor(inverse_sqrt, hyper.warmup, hyper), exactly(1))
    assert at_most(factor(inverse_sqrt, t + 1, hyper), exactly(1))


@law(broken_by="power")
def test_inverse_sqrt_root(inverse_sqrt, hyper, t):
    t += hyper.warmup
    assert same(2 * factor(inverse_sqrt, 4 * t, hyper), factor(inverse_sqrt, t, hyper))


@law(broken_by="root")
def test_inverse_time_harmonic(inverse_time, hyper, t):
    now, then = (1 / factor(inverse_time, at, hyper) for at in (t, t + 1))
    assert same(then - now, exactly(hyper.decay))


@law(broken_by={"polynomial.2": "f = end + (1 + end) * (1 - x) ** power"})
def test_polynomial_linear_at_one(polynomial, hyper, t):
    expected = factor(linear, t, linear.Hyper(hyper.total, hyper.end))
    assert same(factor(polynomial, t, hyper._replace(power=xp.scalar(1.0))), expected)


@law(broken_by="from-one")
def test_polynomial_ends(polynomial, hyper, t):
    assert same(factor(polynomial, 0, hyper), exactly(1))
    assert same(factor(polynomial, hyper.total + t, hyper), exactly(hyper.end))


@law(broken_by="from-one")
def test_exponential_memoryless(exponential, hyper, t):
    once, twice = factor(exponential, t, hyper), factor(exponential, 2 * t, hyper)
    assert same(once * once, twice)


@law(broken_by="smooth")
def test_step_decay_stairs(step_decay, hyper, t):
    now = factor(step_decay, t, hyper)
    assert same(now, factor(step_decay, t - t % hyper.period, hyper))
    then = factor(step_decay, t + hyper.period, hyper)
    assert same(then, exactly(hyper.gamma) * now)


@law(broken_by="a-step-late")
def test_multi_step_two_milestones(multi_step, hyper, t):
    behind = (t >= hyper.first) + (t >= hyper.second)
    assert same(factor(multi_step, t, hyper), exactly(hyper.gamma) ** behind)


@law(broken_by="stable-from-the-start")
def test_wsd_stays(wsd, hyper, t):
    between = hyper.warmup + t % (hyper.stable + 1)
    assert same(factor(wsd, between, hyper), exactly(1))


@law(broken_by="warm-up-from-one")
def test_wsd_ends(wsd, hyper, t):
    end = hyper.warmup + hyper.stable + hyper.decay
    assert same(factor(wsd, end + t, hyper), exactly(0))
    assert same(factor(wsd, 0, hyper), exactly(0))


@law(broken_by="total-steps-later")
def test_one_cycle_peak(one_cycle, hyper, t):
    hyper = hyper._replace(total=8, share=xp.scalar(0.5))
    assert same(factor(one_cycle, 3, hyper), exactly(1))
    assert at_most(factor(one_cycle, t, hyper), exactly(1))


@law(broken_by="final-of-the-peak")
def test_one_cycle_first_and_last(one_cycle, hyper):
    hyper = hyper._replace(total=8, share=xp.scalar(0.5))
    assert same(exactly(hyper.div) * factor(one_cycle, 0, hyper), exactly(1))
    last = exactly(hyper.div) * exactly(hyper.final_div) * factor(one_cycle, 7, hyper)
    assert same(last, exactly(1))


@law(broken_by="no-cap")
def test_relative_step_capped(relative_step, hyper, t):
    assert at_most(factor(relative_step, t + 1, hyper), exactly(hyper.cap))


@law(broken_by="no-root")
def test_relative_step_root(relative_step, hyper, t):
    hyper = hyper._replace(cap=xp.scalar(8.0))
    once, four = factor(relative_step, t + 1, hyper), factor(relative_step, 4 * t + 4, hyper)
    assert same(2 * four, once)


@law(broken_by="root")
def test_hyperbolic_inverse_time(hyperbolic, hyper, t):
    other = factor(inverse_time, t, inverse_time.Hyper(hyper.decay))
    assert same(factor(hyperbolic, t, hyper), exactly(hyper.scale) * other)


@law(broken_by="without-the-half")
def test_rising_cosine_complement(rising_cosine, hyper, t):
    falls = factor(cosine, t, cosine.Hyper(hyper.total, xp.scalar(0.0)))
    assert same(factor(rising_cosine, t, hyper) + falls, exactly(1))


# ------------------------------------------------------------------- Scaling rules.


@law(broken_by="root")
def test_linear_scaling_one_long_step(linear_scaling, hyper, theta, grads, c):
    larger = hyper._replace(batch=len(grads) * hyper.base)
    many, _ = run(sgd, sgd.Hyper(c), theta, grads)
    mean = sum(grads[1:], start=grads[0]) / len(grads)
    (_, one), _ = run(sgd, sgd.Hyper(c * linear_scaling.value(0, larger)), theta, [mean])
    assert same(many[-1], one)


@law(broken_by="linear")
def test_sqrt_scaling_noise_of_a_step(sqrt_scaling, hyper):
    f = factor(sqrt_scaling, 0, hyper)
    assert same(f * f * exactly(hyper.base) / exactly(hyper.batch), exactly(1))


@law(broken_by={"noise_scale.1": "f = 1 / (1 + noise)"})
def test_noise_scale_optimal(noise_scale, hyper, c):
    # The loss falls by lr c - lr^2 L (c + v / B) / 2, where c is the squared gradient and v / c the
    # noise scale: its derivative is zero at lr = f / L.
    square, f = exactly(c), factor(noise_scale, 0, hyper)
    variance = exactly(hyper.noise) * square / exactly(hyper.batch)
    assert same(f * (square + variance), square)


@law(broken_by="linear")
def test_noise_scale_half(noise_scale, hyper):
    equal = hyper._replace(noise=hyper.batch)
    assert same(factor(noise_scale, 0, equal), exactly(0.5))


@law(broken_by="root")
def test_mup_size_of_the_change(mup, hyper):
    # Each of the inputs changes by the rate, and with signs alike so do the terms of a sum.
    changed = factor(mup, 0, hyper) * exactly(hyper.width)
    assert same(changed, exactly(hyper.base))


@law(broken_by="squared")
def test_lion_from_adam_same_shrinking(lion_from_adam, hyper):
    assert same(factor(lion_from_adam, 0, hyper) * exactly(hyper.ratio), exactly(1))


@pytest.mark.parametrize("theorem", broken(__name__))
def test_a_mistake_breaks(theorem):
    with pytest.raises(AssertionError):
        theorem()

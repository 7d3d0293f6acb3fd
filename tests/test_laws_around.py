"""The theorems about what stands around an optimizer: wrappers and schedules."""

import pytest
from laws import broken, identical, law, same

from goldstep.oracle import Arithmetic
from goldstep.reference.optimizers import sgd

numbers = Arithmetic("float64")  # what is computed of numbers alone is more exact than they are


def descend(theta, g):
    """The step that is wrapped."""
    return sgd.update(theta, g, (), sgd.Hyper(0.5))[0]


def ascend(theta, g):
    return sgd.update(theta, g, (), sgd.Hyper(-0.5))[0]


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
    return numbers.scalar(x if isinstance(x, int) else float(x.value))


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


# ------------------------------------------------------------------- Schedules.


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


@pytest.mark.parametrize("theorem", broken(__name__))
def test_a_mistake_breaks(theorem):
    with pytest.raises(AssertionError):
        theorem()

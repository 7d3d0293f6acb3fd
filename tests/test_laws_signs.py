"""The laws that the texts on sign updates and on decoupled decay state, where they are true."""

from itertools import pairwise

import pytest
from laws import broken, law, run, same, xp


@law(broken_by="weights-swapped")
def test_signum_average_in_closed_form(signum, hyper, theta, grads):
    _, states = run(signum, hyper, theta, grads)
    m = sum(hyper.beta**i * ((1 - hyper.beta) * g) for i, g in enumerate(reversed(grads)))
    assert same(states[-1].m, m)


@law(broken_by="sign-of-zero")
def test_signum_step_of_one_length(signum, hyper, theta, grads):
    thetas, states = run(signum, hyper, theta, grads)
    for (before, after), state in zip(pairwise(thetas), states[1:], strict=True):
        moved = xp.sum((before - after) * (before - after))
        assert same(moved, hyper.lr * hyper.lr * xp.sum(xp.abs(xp.sign(state.m))))


@law(broken_by="decays-the-step")
def test_lion_fixed_point_of_a_constant_sign(lion, hyper, theta, factors, c, share):
    hyper = hyper._replace(lr=share / c, weight_decay=c)
    edge = 1 / c
    thetas, _ = run(lion, hyper, theta, factors)
    for before, after in pairwise(thetas):
        assert same(after + edge, (1 - share) * (before + edge))


@law(broken_by="decay-after-the-step")
def test_adamw_two_forms(adamw, hyper, theta, grads):
    thetas, states = run(adamw, hyper, theta, grads)
    for (before, after), state in zip(pairwise(thetas), states[1:], strict=True):
        m, v = (x / (1 - b**state.t) for x, b in ((state.m, hyper.beta1), (state.v, hyper.beta2)))
        u = m / (xp.sqrt(v) + hyper.eps)
        assert same(after, (1 - hyper.lr * hyper.weight_decay) * before - hyper.lr * u)


@pytest.mark.parametrize("theorem", broken(__name__))
def test_a_mistake_breaks(theorem):
    with pytest.raises(AssertionError):
        theorem()

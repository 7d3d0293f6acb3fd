"""The reference as an implementation keeps the contract that it asks of others."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

from goldstep.oracle import make, pipeline, replay
from goldstep.oracle.replay import Stepper, implementation
from goldstep.oracle.rules import within


def test_a_parameter_without_gradient_is_left_alone_and_so_is_its_count():
    params = {"a": np.ones(2), "b": np.ones(3)}
    step = make("adam", {}, params)
    out = step({"a": np.ones(2), "b": None})
    assert np.array_equal(out["b"], params["b"])
    assert not np.array_equal(out["a"], params["a"])
    assert (step.state()["a"]["t"], step.state()["b"]["t"]) == (1, 0)


def test_a_late_parameter_begins_with_its_own_first_step():
    late, early = make("adam", {}, {"a": np.ones(2)}), make("adam", {}, {"a": np.ones(2)})
    late({"a": None})
    assert np.array_equal(late({"a": np.ones(2)})["a"], early({"a": np.ones(2)})["a"])


def test_a_changed_learning_rate_holds_from_that_step_on():
    step = make("sgd", {"lr": 1.0}, {"w": np.zeros(())})
    g = {"w": np.ones(())}
    seen = replay(step, [g, g, g], [{}, {"lr": 0.5}, {}])
    assert [float(x["w"]) for x in seen] == [-1.0, -1.5, -2.0]


def test_load_goes_on_where_state_left_off():
    random = np.random.default_rng(0)
    params = {"w": random.normal(size=(3, 4))}
    grads = [{"w": random.normal(size=(3, 4))} for _ in range(6)]
    for rule in ("adam", "muon", "clip_by_global_norm+heavy_ball"):
        straight, first = make(rule, {}, params), make(rule, {}, params)
        want = replay(straight, grads)[-1]
        half = replay(first, grads[:3])[-1]
        second = make(rule, {}, params)
        second.load(half, first.state())
        assert np.array_equal(replay(second, grads[3:])[-1]["w"], want["w"])


def test_l2_before_sgd_is_decoupled_decay_before_sgd():
    params, g = {"w": np.array([1.0, -2.0])}, {"w": np.array([0.5, 0.25])}
    hyper = {"lr": 0.5, "weight_decay": 0.25}
    coupled = make("l2+sgd", hyper, params)(g)["w"]
    assert np.array_equal(coupled, make("decoupled_decay+sgd", hyper, params)(g)["w"])


def test_adam_after_decoupled_decay_is_adamw():
    random = np.random.default_rng(1)
    params = {"w": random.normal(size=8)}
    grads = [{"w": random.normal(size=8)} for _ in range(9)]
    hyper = pipeline("adamw").profile("amplified")
    one = replay(make("adamw", hyper, params), grads)[-1]["w"]
    two = replay(make("decoupled_decay+adam", hyper, params), grads)[-1]["w"]
    np.testing.assert_allclose(one, two, rtol=1e-12)


@pytest.mark.parametrize(
    ("rule", "hyper", "error", "says"),
    [
        ("adma", {}, LookupError, r"no rule 'adma'; there is adam"),
        ("adam+l2", {}, ValueError, r"adam cannot stand before l2; only transforms and"),
        ("l2", {}, ValueError, r"the last stage is an optimizer, and l2 is none"),
        ("cosine+adam", {}, ValueError, r"stands behind an @, as in adam@cosine"),
        ("adam@l2", {}, ValueError, r"only a schedule stands behind an @, and l2 is none"),
        ("adam@mu=cosine", {}, ValueError, r"no hyper-parameter mu for cosine to multiply"),
        ("sgd|adam|lion", {}, ValueError, r"a | parts two rules, matrices to the first"),
        ("adam|l2", {}, ValueError, r"the last stage is an optimizer, and l2 is none"),
        ("lookahead", {}, ValueError, r"the last stage is an optimizer, and lookahead is none"),
        ("l2+lion", {}, ValueError, r"two stages have a hyper named weight_decay"),
        ("adam", {"beta3": 0.5}, TypeError, r"adam has no beta3; it takes lr, beta1, beta2, eps"),
        ("adam", {"beta1": 1.0}, ValueError, r"beta1 = 1\.0 is not in its domain, \[0, 1\)"),
        ("adam", {"lr": float("nan")}, ValueError, r"lr = nan is not in its domain"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(rule, hyper, error, says):
    with pytest.raises(error, match=says):
        make(rule, hyper, {"w": np.ones(2)})


def test_a_matrix_rule_refuses_a_vector_by_name():
    with pytest.raises(
        ValueError, match=r"muon: parameter 'bias' has shape \(3,\); the rule takes"
    ):
        make("muon", {}, {"bias": np.ones(3)})


def test_a_domain_that_is_misspelt_is_an_error():
    with pytest.raises(ValueError, match="a domain reads like"):
        within(1.0, "positive")


def test_a_wrapper_wraps_all_that_follows_it():
    random = np.random.default_rng(0)
    params = {"a": random.normal(size=(2, 3)), "b": random.normal(size=4)}
    grads = [{k: random.normal(size=x.shape) for k, x in params.items()} for _ in range(4)]
    inner = make("clip_by_global_norm+sgd", {"lr": 0.5}, params)
    inside = replay(inner, grads)
    outer = make("lookahead+clip_by_global_norm+sgd", {"lr": 0.5, "k": 4, "alpha": 0.25}, params)
    outside = replay(outer, grads)
    for name, theta in params.items():
        np.testing.assert_array_equal(outside[2][name], inside[2][name])
        way = theta + 0.25 * (inside[3][name] - theta)
        np.testing.assert_allclose(outside[3][name], way, rtol=1e-14)


def test_a_schedule_counts_the_steps_and_goes_on_from_where_it_is_loaded():
    params, grads = {"w": np.zeros(1)}, [{"w": np.ones(1)}] * 4
    step = make("sgd@cosine", {"lr": 1.0, "total": 4}, params)
    path = replay(step, grads)
    steps = np.diff([0.0, *(x["w"][0] for x in path)])
    np.testing.assert_allclose(steps, [-1, -0.853553, -0.5, -0.146447], atol=1e-6)
    other = make("sgd@cosine", {"lr": 1.0, "total": 4}, params)
    other.load(path[1], {"w": {"step": 2}})
    np.testing.assert_array_equal(other(grads[2])["w"], path[2]["w"])


def test_a_route_keeps_of_each_tensor_the_state_of_its_rule():
    params = {"matrix": np.ones((2, 2)), "vector": np.ones(2)}
    step = make("muon|adamw", {}, params)
    step(params)
    assert {name: set(slots) for name, slots in step.state().items()} == {
        "matrix": {"m"},
        "vector": {"m", "v", "t"},
    }


@pytest.mark.parametrize("rule", ["sam", "asam"])
def test_two_gradients_of_a_known_loss_make_one_step_of_sam(rule):
    curvature = {"a": np.array([1.0, 4.0]), "b": np.array([[2.0], [3.0]])}

    def gradient(theta):  # of half the curvature times the square
        return {name: curvature[name] * x for name, x in theta.items()}

    theta = {"a": np.array([1.0, -0.5]), "b": np.array([[0.25], [2.0]])}
    step = make(f"{rule}+sgd", {"lr": 0.125, "rho": 0.5}, theta)
    for _ in range(5):
        at = gradient(theta)
        size = {
            k: np.abs(x) + 0.01 if rule == "asam" else np.ones_like(x) for k, x in theta.items()
        }
        length = np.sqrt(sum(np.sum((size[k] * g) ** 2) for k, g in at.items()))
        worst = {k: x + 0.5 * size[k] ** 2 * at[k] / length for k, x in theta.items()}
        far = step(at)
        theta = {k: x - 0.125 * gradient(worst)[k] for k, x in theta.items()}
        near = step(gradient(far))
        for name, x in theta.items():
            np.testing.assert_allclose(far[name], worst[name], rtol=1e-14)
            np.testing.assert_allclose(near[name], x, rtol=1e-13)


def drawn(random, shapes):
    return {k: random.normal(size=shape) for k, shape in shapes.items()}


@pytest.mark.parametrize(
    "rule", ["prodigy", "lookahead+nadam", "muon|adamw", "sgd@linear_warmup@cosine", "sam+adam"]
)
def test_what_is_loaded_goes_on_whatever_its_scope(rule):
    random = np.random.default_rng(0)
    shapes = {"matrix": (2, 3), "vector": (4,)}
    params, grads = drawn(random, shapes), [drawn(random, shapes) for _ in range(6)]
    grads[1]["vector"] = grads[4]["vector"] = None
    first, second = make(rule, {}, params), make(rule, {}, params)
    want = replay(first, grads[:3])[-1]
    second.load(want, first.state())
    for g in grads[3:]:
        one, other = first(g), second(g)
        for name in shapes:
            np.testing.assert_array_equal(other[name], one[name])
    assert second.state()["matrix"].keys() == first.state()["matrix"].keys()


def test_what_a_state_that_is_loaded_lacks_stays_as_it_was():
    params = {"w": np.ones(2)}
    step, other = make("adam", {}, params), make("adam", {}, params)
    step(params), other(params)
    step.load(params, {"w": {"t": 5}})
    assert step.state()["w"]["t"] == 5
    assert np.array_equal(step.state()["w"]["m"], other.state()["w"]["m"])


def test_of_the_whole_model_what_has_no_gradient_keeps_its_state():
    params = {"a": np.ones(2), "b": np.ones(3)}
    step = make("prodigy", {}, params)
    step(params)
    before = step.state()
    out = step({"a": np.ones(2)})
    after = step.state()
    assert np.array_equal(after["b"]["m"], before["b"]["m"])
    assert not np.array_equal(after["a"]["m"], before["a"]["m"])
    assert after["a"]["t"] == after["b"]["t"] == 2
    assert set(out) == {"a", "b"}
    assert np.array_equal(out["b"], step({})["b"])


def test_a_step_without_any_gradient_changes_nothing_but_the_schedule():
    params = {"w": np.ones(2)}
    step = make("clip_by_global_norm+heavy_ball@linear", {"total": 4, "end": 0.0}, params)
    assert np.array_equal(step({"w": None})["w"], params["w"])
    assert step.state()["w"]["step"] == 1
    assert not step.state()["w"]["v"].any()


def test_each_side_of_a_route_is_the_rule_alone():
    random = np.random.default_rng(0)
    shapes = {"matrix": (2, 3), "vector": (4,)}
    params, grads = drawn(random, shapes), [drawn(random, shapes) for _ in range(3)]
    for sides, rules, more in [
        ("maximize+muon|adam", ("maximize+muon", "maximize+adam"), {}),
        ("muon|adamw", ("muon", "adamw"), {"weight_decay": 0.25}),
        ("lookahead+signum|adam", ("lookahead+signum", "lookahead+adam"), {}),
    ]:
        hyper = {"lr": 0.125} | more
        both = replay(make(sides, hyper, params), grads)
        for name, rule in zip(shapes, rules, strict=True):
            own = make(rule, hyper, {name: params[name]})
            alone = replay(own, [{name: g[name]} for g in grads])
            for x, y in zip(both, alone, strict=True):
                np.testing.assert_array_equal(x[name], y[name])
            matrices = make(sides, hyper, {name: params[name]})
            np.testing.assert_array_equal(matrices(grads[0])[name], alone[0][name])


def test_schedules_multiply_one_another_and_what_they_are_of():
    params, g = {"w": np.zeros(1)}, {"w": np.ones(1)}
    hyper = {"lr": 0.5, "warmup": 4, "gamma": 0.25}
    step = make("sgd@linear_warmup@exponential", hyper, params)
    path = [0.0, *(x["w"][0] for x in replay(step, [g] * 3))]
    alone = make("linear_warmup@exponential", {"warmup": 4, "gamma": 0.25}, {"factor": np.ones(())})
    factors = [float(x["factor"]) for x in replay(alone, [{"factor": None}] * 3)]
    np.testing.assert_allclose(-np.diff(path), 0.5 * np.array(factors), rtol=1e-15)
    parts = [
        [float(x["factor"]) for x in replay(make(rule, own, {"factor": np.ones(())}), [{}] * 3)]
        for rule, own in (("linear_warmup", {"warmup": 4}), ("exponential", {"gamma": 0.25}))
    ]
    np.testing.assert_allclose(factors, np.prod(parts, axis=0), rtol=1e-15)


def test_a_schedule_alone_gives_its_factor_even_after_nothing():
    step = make("linear", {"total": 2, "end": 0.0}, {"factor": np.full((), 3.0)})
    given = [float(x["factor"]) for x in replay(step, [{"factor": None}] * 4)]
    assert given[-2:] == [0.0, 0.0]
    assert step.state() == {"factor": {"step": 4}}
    step.load({"factor": np.ones(())}, {"factor": {}})
    assert float(step({})["factor"]) == given[0]


def test_what_a_rule_takes_beside_the_gradients_is_given_to_it_or_asked_for_by_name():
    theta = {"a": np.array([2.0]), "b": np.array([[1.0, -1.0]])}
    step = make("polyak_sgd", {"c": 0.5, "lr": 10.0}, theta)
    out = step(theta, loss=3.0)  # half the sum of the squares
    assert all(not x.any() for x in out.values())
    with pytest.raises(TypeError, match=r"takes loss beside the gradients: step\(grads, loss="):
        step(theta)
    both = make("sophia", {}, theta)
    hessian = {"a": np.array([1.0]), "b": np.array([[3.0, 0.0]])}
    both(theta, hessian=hessian)
    for name, x in theta.items():
        own = make("sophia", {}, {name: x})
        own({name: x}, hessian={name: hessian[name]})
        np.testing.assert_array_equal(both.params[name], own.params[name])


class Beside(NamedTuple):
    loss: float
    h: object


@pytest.mark.parametrize("scope", ["element", "model"])
def test_a_number_is_given_as_it_is_and_arrays_by_name_or_all_at_once(scope):
    def update(theta, _, state, *more):
        beside = more[-1]
        if scope == "model":
            return {k: x + beside.loss * beside.h[k] for k, x in theta.items()}, state
        return theta + beside.loss * beside.h, state

    sgd = pipeline("sgd")
    (stage,) = sgd.stages
    rule = SimpleNamespace(**{**vars(stage.module), "update": update, "Given": Beside})
    said = stage.spec | {"scope": scope, "given": {"loss": {"like": "1"}, "h": {"like": "theta"}}}
    made = sgd._replace(stages=(stage._replace(spec=said, module=rule),))
    theta, h = ({"a": np.full(2, x), "b": np.full(3, -x)} for x in (1.0, 8.0))
    out = Stepper(made, {"lr": 1.0}, theta)(theta, loss=0.5, h=h)
    assert {k: x.tolist() for k, x in out.items()} == {"a": [5.0] * 2, "b": [-5.0] * 3}


@pytest.mark.parametrize(
    ("rule", "x", "error", "says"),
    [
        ("sgd", [1.0], TypeError, r"parameter 'w' is a list and no array; sgd takes floating-po"),
        ("sgd", np.ones(2, int), TypeError, r"'w' is of int64; sgd takes floating-point arrays"),
        ("adam", np.ones(2, complex), TypeError, r"complex128; adam takes real floating-point"),
        ("inverse_root", np.ones((2, 3)), ValueError, r"'w' has shape \(2, 3\), and is not square"),
        ("muon", np.ones(3), ValueError, r"takes matrices, \(rows, cols\) with at least one of"),
        ("signsgd_majority", np.ones(0), None, ""),
    ],
)
def test_what_a_rule_has_no_meaning_for_is_refused(rule, x, error, says):
    if error is None:
        assert make(rule, {}, {"w": x}).params["w"] is x
        return
    with pytest.raises(error, match=says):
        make(rule, {}, {"w": x})


def test_a_gradient_is_refused_as_a_parameter_is():
    step = make("sgd|adam", {}, {"m": np.ones((2, 2)), "v": np.ones(2)})
    with pytest.raises(TypeError, match="the gradient of 'v' is of int64; route takes real"):
        step({"m": np.ones((2, 2)), "v": np.ones(2, int)})
    complex_ = make("sgd", {"lr": 0.5}, {"w": np.ones(1, complex)})
    assert complex_({"w": np.array([2j])})["w"].tolist() == [1 - 1j]
    square = make("inverse_root", {}, {"w": np.eye(2)})
    assert square({"w": np.eye(2)})["w"].shape == (2, 2)


def test_a_coarse_type_is_computed_in_float32_and_rounded_once():
    random = np.random.default_rng(0)
    params = {"w": random.normal(size=5).astype(np.float16)}
    grads = [{"w": random.normal(size=5).astype(np.float16)} for _ in range(3)]
    coarse = implementation()("nadam", {"lr": 0.125}, params)
    fine = implementation()("nadam", {"lr": 0.125}, {"w": params["w"].astype(np.float32)})
    for g in grads:
        got = coarse(g)["w"]
        want = fine({"w": g["w"].astype(np.float32)})["w"].astype(np.float16)
        assert got.dtype == np.float16
        np.testing.assert_array_equal(got, want)
        kept = {k: np.float16(x) if np.ndim(x) else x for k, x in fine.state()["w"].items()}
        shown = coarse.state()["w"]
        assert shown["m"].dtype == np.float16
        for slot, x in kept.items():
            np.testing.assert_array_equal(shown[slot], x)
        wide = {k: np.float32(x) if np.ndim(x) else x for k, x in kept.items()}
        fine.load({"w": want.astype(np.float32)}, {"w": wide})
    trap = implementation({"nadam": None})("nadam", {"lr": 0.125}, {"w": np.ones(2)})
    assert trap({"w": np.ones(2)})["w"].dtype == np.float64


def test_as_many_changes_are_given_as_gradients():
    step, g = make("sgd", {}, {"w": np.zeros(1)}), {"w": np.ones(1)}
    with pytest.raises(ValueError, match="shorter"):
        replay(step, [g, g], [{}])

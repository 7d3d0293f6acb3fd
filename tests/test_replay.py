"""The reference as an implementation keeps the contract that it asks of others."""

import numpy as np
import pytest

from goldstep.oracle import make, pipeline, replay
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

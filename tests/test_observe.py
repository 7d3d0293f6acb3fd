"""What is seen of an implementation is all that it did, and what it was given is its own."""

import array_api_strict
import numpy as np
import pytest

from goldstep.oracle import Arithmetic, Case, ContractError, Truth, make, observe
from goldstep.oracle.case import Layout
from goldstep.oracle.observe import checked, joined_state, level, like_init, parted
from goldstep.oracle.replay import implementation
from goldstep.oracle.truth import Moment

SHAPES = {"a": (2,), "b": (2, 3)}
MATRIX = {"b": (2, 3)}


def arrays(scale=1.0, shapes=SHAPES):
    return {name: scale * np.arange(1.0, np.prod(s) + 1).reshape(s) for name, s in shapes.items()}


def case(rule="adam", grads=None, given=(), shapes=SHAPES):
    grads = grads or [arrays(0.5**t, shapes) for t in range(3)]
    return Case("small", rule, {}, arrays(1.0, shapes), grads, [{} for _ in grads], given)


def truth(rule="adam", dtype="float64", **said):
    return Truth(case(rule, **said), Arithmetic(dtype))


class Level0:
    """The reference, and a list of what was asked of each that was made."""

    made: list[list[str]]

    def __init__(self, rule, hyper, params):
        self.inner, self.asked = make(rule, hyper, params), []
        self.made.append(self.asked)

    def __call__(self, grads, /, **also):
        self.asked.append("step")
        return self.inner(grads, **also)


class Level1(Level0):
    def state(self):
        self.asked.append("state")
        return self.inner.state()


class Level2(Level1):
    def load(self, params, state, /):
        self.asked.append("load")
        self.inner.load(params, state)


def of(kind):
    """A kind of step with a list of its own."""
    return type(kind.__name__, (kind,), {"made": []})


STEPS, READ, FORCED = ["step"] * 3, ["step", "state"] * 3, ["load", "step", "state"] * 3


@pytest.mark.parametrize(
    ("kind", "said", "made", "free", "forced"),
    [
        (Level0, {}, [STEPS, []], [False] * 3, []),
        (Level0, {"free": False}, [STEPS, []], [False] * 3, []),
        (Level1, {}, [READ, []], [True] * 3, []),
        (Level1, {"free": False}, [READ, []], [True] * 3, []),
        (Level2, {}, [[*STEPS, "state"], FORCED], [False, False, True], [True] * 3),
        (Level2, {"free": False}, [FORCED], [], [True] * 3),
    ],
)
def test_a_step_is_asked_for_what_it_offers_and_no_more(kind, said, made, free, forced):
    own = of(kind)
    seen = observe(truth(), own, **said)
    assert own.made == made
    assert seen.level == level(own("adam", {}, arrays())) == int(kind.__name__[-1])
    assert [m.state is not None for m in seen.free] == free
    assert [m.state is not None for m in seen.forced] == forced


def test_in_a_coarse_type_each_step_is_forced_and_no_run_is_free():
    own = of(Level2)
    seen = observe(truth(dtype="float16"), own)
    assert own.made == [FORCED]
    assert (len(seen.free), len(seen.forced)) == (0, 3)
    for kind in (Level0, Level1):
        with pytest.raises(NotImplementedError, match="of a run in float16 nothing is sure"):
            observe(truth(dtype="float16"), of(kind))


@pytest.mark.parametrize("rule", ["shampoo", "soap"])
def test_a_case_that_a_coarse_type_does_not_hold_is_not_asked_in_it(rule):
    own = implementation()
    large, small = ([arrays(scale, MATRIX)] * 3 for scale in (2.0**7, 2.0**-3))
    with pytest.raises(OverflowError, match="leaves the range of float16"):
        observe(truth(rule, "float16", grads=large, shapes=MATRIX), own)
    assert len(observe(truth(rule, "float16", grads=small, shapes=MATRIX), own).forced) == 3


def test_a_step_is_given_what_the_rule_takes_beside_the_gradients_in_the_type_under_test():
    class Step(Level0):
        def __call__(self, grads, /, **also):
            self.made.append((grads, also))
            return self.inner(grads, **also)

    absent = [arrays(), arrays() | {"b": None}]
    for rule, given, one in (
        ("polyak_sgd", [{"loss": 0.5}, {"loss": 0.25}], float),
        ("sophia", [{"hessian": arrays(2.0 * t)} for t in (1, 2)], dict),
    ):
        own, name = of(Step), next(iter(given[0]))
        observe(truth(rule, "float32", grads=absent, given=given), own)
        asked = [x for x in own.made if isinstance(x, tuple)]
        assert [g["b"] is None for g, _ in asked] == [False, True]
        assert {x.dtype for g, _ in asked for x in g.values() if x is not None} == {
            np.dtype("float32")
        }
        for (_, also), said in zip(asked, given, strict=True):
            assert isinstance(also[name], one)
            assert also.keys() == {name}
            np.testing.assert_equal(also[name], said[name])
        assert one is float or asked[0][1][name]["a"].dtype == np.float32


def test_parameters_of_another_name_shape_or_type_break_the_contract():
    like, dtype = {"w": np.zeros((1, 2))}, np.dtype("float32")
    for right in (
        np.ones((1, 2), dtype),
        array_api_strict.ones((1, 2), dtype=array_api_strict.float32),
    ):
        checked({"w": right}, like, dtype)
    checked({"w": [[1.0, 2.0]]}, like, np.dtype("float64"))
    for wrong, says in (
        ({}, r"the parameters \[\], not \['w'\]"),
        ({"w": np.ones((1, 2)), "x": np.ones(1)}, r"\['w', 'x'\], not \['w'\]"),
        (
            {"w": np.ones(2, dtype)},
            r"'w' as float32 of shape \(2,\), not as float32 of shape \(1, 2\)",
        ),
        ({"w": np.ones((1, 2))}, r"'w' as float64 of shape \(1, 2\), not as float32 of"),
        ({"w": array_api_strict.ones((1, 2))}, r"'w' as float64 of shape \(1, 2\), not as float32"),
        ({"w": [[1.0, 2.0]]}, "'w' as float64 of"),
    ):
        with pytest.raises(ContractError, match=says):
            checked(wrong, like, dtype)


def test_the_state_of_tensors_side_by_side_is_joined_as_they_are():
    found = truth("nadam")
    step = make("nadam", {}, arrays())
    step(arrays())
    state = {name: slots | {"more": 1.0} for name, slots in step.state().items()}
    joined = joined_state(found, state)["a+b"]
    assert list(joined) == ["m", "v", "prod", "t"]
    for slot in ("m", "v"):
        one, other = (state[name][slot] for name in SHAPES)
        assert joined[slot].tolist() == [*one, *other.ravel()]
    assert joined["t"].tolist() == [1.0, 1.0]
    part = {name: {k: x for k, x in slots.items() if k != "m"} for name, slots in state.items()}
    assert list(joined_state(found, part)["a+b"]) == ["v", "prod", "t"]


def test_numbers_of_several_tensors_are_read_here_wherever_the_arrays_stay():
    state = make("prodigy", {}, arrays()).state()
    joined = joined_state(truth("prodigy"), state, array_api_strict)["a+b"]
    assert joined["m"].shape == (8,)
    assert not isinstance(joined["m"], np.ndarray)
    for number in ("d", "t"):
        assert joined[number].shape == (2,)
        assert isinstance(joined[number], np.ndarray)
    alone = truth("prodigy", shapes=MATRIX)
    state = make("prodigy", {}, arrays(shapes=MATRIX)).state()
    assert joined_state(alone, state)["b"]["d"].shape == ()


@pytest.mark.parametrize(("shown", "hidden"), [("ab", "cd"), ("cd", "ab")])
def test_a_slot_of_some_tensors_alone_breaks_the_contract(shown, hidden):
    shapes = dict.fromkeys("abcd", (2,))
    state = make("adam", {}, arrays(shapes=shapes)).state()
    for name in hidden:
        del state[name]["v"]
    with pytest.raises(ContractError, match=f"'v' for '{shown[0]}', and not for '{hidden[0]}'"):
        joined_state(truth(shapes=shapes), state)


def test_the_state_that_is_seen_is_not_what_the_next_step_writes_to():
    state = make("soap", {}, arrays(shapes=MATRIX)).state()
    joined = joined_state(truth("soap", shapes=MATRIX), state)["b"]
    state["b"]["m"][:] = 7.0
    assert not joined["m"].any()
    assert (joined["L"].shape, joined["R"].shape) == ((2, 2), (3, 3))


def test_a_state_of_another_shape_or_of_no_parameter_breaks_the_contract():
    found, state = truth("soap", shapes=MATRIX), make("soap", {}, arrays(shapes=MATRIX)).state()
    assert like_init(found, "b")["R"] == (3, 3)
    for slot, shape, want in (("m", (6,), (2, 3)), ("R", (2, 2), (3, 3))):
        other = {"b": state["b"] | {slot: np.zeros(shape)}}
        with pytest.raises(ContractError) as error:
            joined_state(found, other)
        assert str(error.value) == f"state() gave '{slot}' of 'b' in shape {shape}, not {want}"
    with pytest.raises(ContractError, match=r"state\(\) has nothing for 'a'; it has \['c'\]"):
        joined_state(truth(), {"c": {}})


def test_a_moment_is_parted_into_arrays_that_are_the_receivers_own():
    layout = Layout(case())
    theta, m = np.arange(8.0), np.arange(8.0) + 8
    row, number = np.array([1.0, 2.0]), np.float64(3.0)
    slots = {"m": m, "t": 3, "s": 0.5, "row": row, "number": number}
    params, state = parted(layout, Moment({"a+b": theta}, {"a+b": slots}))
    assert params["b"].tolist() == [[2, 3, 4], [5, 6, 7]]
    assert params["a"].tolist() == [0, 1]
    for name, shape in SHAPES.items():
        own = state[name]
        assert list(own) == list(slots)
        assert own["m"].shape == shape
        assert (type(own["t"]), own["t"], type(own["s"]), own["s"]) == (int, 3, float, 0.5)
        assert own["row"].tolist() == [1, 2]
        assert own["row"] is not row
        assert (own["number"].shape, float(own["number"])) == ((), 3)
    assert state["a"]["row"] is not state["b"]["row"]
    params, state = parted(Layout(case(shapes={"w": ()})), Moment({"w": 0.5}, None))
    assert isinstance(params["w"], np.ndarray)
    assert (float(params["w"]), state) == (0.5, {"w": {}})

"""An adapter that breaks the contract is told so, clause by clause, whatever its mathematics."""

import numpy as np
import pytest

from goldstep.conformance.adapters import reference
from goldstep.conformance.cases import rules
from goldstep.conformance.smoke import problem, smoke
from goldstep.oracle import ContractError, make
from goldstep.oracle.rounding import UNIT, numpy_dtype

CAPABILITIES = {"changes", "absences"}


class Wrapped:
    """The reference of a rule, in the place of which something else can be put."""

    def __init__(self, rule, hyper, params):
        self.given, self.inner = params, make(rule, hyper, {k: x.copy() for k, x in params.items()})

    def __call__(self, grads, **also):
        return self.inner({k: g if g is None else g.copy() for k, g in grads.items()}, **also)

    def state(self):
        return self.inner.state()

    def load(self, params, state):
        self.inner.load(params, state)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", rules())
def test_the_reference_keeps_the_contract(rule, dtype):
    smoke(reference.make, rule, dtype, CAPABILITIES)
    smoke(Wrapped, rule, dtype, CAPABILITIES)


class NotCallable:
    def __init__(self, rule, hyper, params):
        pass


class GivesNothing(Wrapped):
    def __call__(self, grads, **also):
        super().__call__(grads, **also)


class ForgetsOne(Wrapped):
    def __call__(self, grads, **also):
        return {"tall": super().__call__(grads, **also)["tall"]}


class OtherType(Wrapped):
    def __call__(self, grads, **also):
        return {k: x.astype("float32") for k, x in super().__call__(grads, **also).items()}


class Flat(Wrapped):
    def __call__(self, grads, **also):
        return {k: x.ravel() for k, x in super().__call__(grads, **also).items()}


class ChangesGradients(Wrapped):
    def __call__(self, grads, **also):
        out = super().__call__(grads, **also)
        for g in grads.values():
            if g is not None:
                g[...] = 0
        return out


class ChangesParameters(Wrapped):
    def __call__(self, grads, **also):
        out = super().__call__(grads, **also)
        for name, x in out.items():
            self.given[name][...] = x
        return out


class GivesTheSameArray(Wrapped):
    def __init__(self, rule, hyper, params):
        super().__init__(rule, hyper, params)
        self.out = {k: x.copy() for k, x in params.items()}

    def __call__(self, grads, **also):
        for name, x in super().__call__(grads, **also).items():
            self.out[name][...] = x
        return self.out


class StepsWhatHasNoGradient(Wrapped):
    def __call__(self, grads, **also):
        whole = {k: np.ones_like(self.given[k]) if g is None else g for k, g in grads.items()}
        return super().__call__(whole, **also)


class IgnoresTheRate(Wrapped):
    def __init__(self, rule, hyper, params):
        super().__init__(rule, hyper | {"lr": 1.0}, params)


class RateTwice(Wrapped):
    def __init__(self, rule, hyper, params):
        super().__init__(rule, hyper | {"lr": hyper["lr"] ** 2}, params)


class Uphill(Wrapped):
    def __call__(self, grads, **also):
        return super().__call__({k: g if g is None else -g for k, g in grads.items()}, **also)


class Direction(IgnoresTheRate):
    def __call__(self, grads, **also):
        return super().__call__({k: g if g is None else -g for k, g in grads.items()}, **also)


class AlreadyStepped(Wrapped):
    def __init__(self, rule, hyper, params):
        super().__init__(rule, hyper, params)
        self.inner({k: np.zeros_like(x) for k, x in params.items()})


class LoadsHalf(Wrapped):
    def load(self, params, state):
        zero = {n: s | {"m": np.zeros_like(s["m"])} for n, s in state.items()}
        self.inner.load(params, zero)


class HidesState(Wrapped):
    def state(self):
        return {n: {"m": s["m"]} for n, s in self.inner.state().items()}


def turned(arrays):
    return {k: x if x is None else x.byteswap() for k, x in arrays.items()}


class ReadsTurned(Wrapped):
    def __init__(self, rule, hyper, params):
        super().__init__(rule, hyper, turned(params))

    def __call__(self, grads, **also):
        return super().__call__(turned(grads), **also)


class WritesTurned(Wrapped):
    def __call__(self, grads, **also):
        return turned(super().__call__(grads, **also))


class Turned(ReadsTurned):
    def __call__(self, grads, **also):
        return turned(super().__call__(grads, **also))


@pytest.mark.parametrize(
    ("adapter", "says"),
    [
        (NotCallable, "no function step"),
        (GivesNothing, "gave back NoneType, not the parameters by name"),
        (ForgetsOne, r"the parameters \['tall'\], not \['tall', 'wide'\]"),
        (OtherType, "'tall' as float32 of shape .* not as float64"),
        (Flat, r"of shape \(8,\), not as float64 of shape \(4, 2\)"),
        (ChangesGradients, "changed the gradient 'tall' that it was given"),
        (ChangesParameters, "changed the array 'tall' that was given to make: copy it"),
        (GivesTheSameArray, "changed the array 'tall' that the step before gave back"),
        (StepsWhatHasNoGradient, "moved 'wide', whose gradient was None"),
        (IgnoresTheRate, "128 times the rule's: the learning rate is not multiplied in"),
        (RateTwice, "0.0078125 times the rule's: the learning rate is multiplied in twice"),
        (Direction, "-128 times the rule's: the negative learning rate is not multiplied in"),
        (Uphill, "-1 times the rule's: it goes uphill"),
        (AlreadyStepped, "its first step is the rule's second: was a step taken already, or does"),
        (LoadsHalf, "after load, 'tall' goes on from elsewhere"),
        (HidesState, "missing is 't'"),
        (ReadsTurned, "it reads numbers with their bytes turned round"),
        (WritesTurned, "it writes numbers with their bytes turned round"),
        (Turned, "it reads and writes numbers with their bytes turned round"),
    ],
)
def test_a_broken_adapter_is_told_which_clause_it_breaks(adapter, says):
    with pytest.raises(ContractError, match=says):
        smoke(adapter, "adam", "float64", CAPABILITIES)


def test_what_gives_infinity_is_left_to_be_judged():
    class Overflows(Wrapped):
        def __call__(self, grads, **also):
            return {k: np.full_like(x, np.inf) for k, x in super().__call__(grads, **also).items()}

    smoke(Overflows, "adam", "float64")


@pytest.mark.parametrize("trap", ["one-correction-for-both", "counted-twice"])
def test_wrong_mathematics_is_not_called_a_broken_adapter(trap):
    smoke(lambda *args: make(*args, {"adam": trap}), "adam", "float64", CAPABILITIES)


def test_a_gradient_that_is_kept_and_not_copied_is_told():
    with pytest.raises(ContractError, match="step 2 of 'tall' is another if the gradients before"):
        smoke(make, "optimistic_gd", "float64")


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("rule", ["adam", "inverse_root", "cosine"])
def test_what_an_adapter_is_tried_with_is_of_the_type_that_is_asked(rule, dtype):
    params, grads = problem(rule, dtype)
    assert {x.dtype for now in [params, *grads] for x in now.values()} == {numpy_dtype(dtype)}

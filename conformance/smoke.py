"""Before any mathematics is judged: does the adapter keep the contract?

What fails here says that the adapter is broken, apart from whether the optimizer is right.
"""

import functools
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np

from goldstep.oracle import make as reference
from goldstep.oracle import pipeline
from goldstep.oracle.observe import ContractError, checked, level
from goldstep.oracle.replay import Given, Gradients, Make, Tensors
from goldstep.oracle.rounding import narrow, numpy_dtype
from goldstep.oracle.rules import FACTOR, Hyper

from .cases import draw

STEPS = 3


def problem(rule: str, dtype: str) -> tuple[Tensors, list[Tensors]]:
    """Two small matrices that a rule takes, and gradients for a few steps."""
    if not pipeline(rule).stages:
        begin, none = (f((), numpy_dtype(dtype)) for f in (np.ones, np.zeros))
        return {FACTOR: begin}, [{FACTOR: none.copy()} for _ in range(STEPS)]
    numbers = np.arange(1, 4 * 6 * (STEPS + 1) + 1).reshape(STEPS + 1, 4, 6)
    x = ((numbers * 37 % 64) - 31.5).astype(np.float32) / 32
    x = x.astype(numpy_dtype(dtype))
    params = {"tall": x[0, :, :2].copy(), "wide": x[0, :2, 2:].copy()}
    grads = [{"tall": g[:, :2].copy(), "wide": g[:2, 2:].copy()} for g in x[1:]]
    if pipeline(rule).gram:
        params, *grads = (
            {k: (m @ m.T).astype(m.dtype) for k, m in now.items()} for now in [params, *grads]
        )
    return params, grads


class Fed:
    """A step that is given the same at every call, beside the gradients."""

    def __init__(self, step: Any, given: Given) -> None:
        self._step, self._given = step, given

    def __call__(self, grads: Gradients, /, **changes: Any) -> Any:
        return self._step(grads, **changes, **self._given)

    def __getattr__(self, name: str) -> Any:  # what more it offers
        return getattr(self._step, name)


def fed(make: Make, rule: str, dtype: str) -> Make:
    """An implementation whose steps are given what a rule takes beside the gradients."""
    if not pipeline(rule).given:
        return make
    first = next(draw(pipeline(rule), problem(rule, dtype)[1]))
    given = {
        k: x
        if isinstance(x, float)
        else {name: np.asarray(v, numpy_dtype(dtype)) for name, v in x.items()}
        for k, x in first.items()
    }

    def made(rule: str, hyper: Hyper, params: Tensors) -> Any:
        step = make(rule, hyper, params)
        return Fed(step, given) if callable(step) else step

    return made


def smoke(make: Make, rule: str, dtype: str, capabilities: Collection[str] = ()) -> None:
    """Raise ContractError if `make` breaks the contract for `rule`; says which clause, and how."""
    stages, make = pipeline(rule), fed(make, rule, dtype)
    if not stages.stages:
        _counts(make, rule, stages.profile("default"), dtype)
        return
    hyper = stages.profile("default")
    hyper |= {"lr": 0.0078125} if "lr" in hyper else {}
    params, grads = problem(rule, dtype)
    kept = {k: x.copy() for k, x in params.items()}
    step: Any = make(rule, dict(hyper), params)
    if not callable(step):
        msg = f"make gave back {step!r}, which is no function step(grads)"
        raise ContractError(msg)
    after: list[Tensors] = []
    copies: Tensors = {}
    for t, given in enumerate(grads, 1):
        before = {k: g.copy() for k, g in given.items()}
        out = step(given)
        if not hasattr(out, "keys"):
            msg = f"step gave back {type(out).__name__}, not the parameters by name"
            raise ContractError(msg)
        checked(out, params, numpy_dtype(dtype))
        _same(given, before, f"step {t} changed the gradient {{}} that it was given")
        _same(
            params, kept, f"step {t} changed the array {{}} that was given to make: copy it there"
        )
        if after:
            _same(
                after[-1],
                copies,
                f"step {t} changed the array {{}} that the step before gave back: give back a copy",
            )
        copies = {k: np.array(x) for k, x in out.items()}
        after.append(out)
    if not narrow(dtype):  # else too coarse to tell
        seen = [params, *({k: np.array(x) for k, x in a.items()} for a in after)]
        with np.errstate(all="ignore"):
            _units(rule, hyper, dtype, seen)
    _repeats(make, rule, hyper, dtype, after)
    if "absences" in capabilities:
        _absent(make, rule, hyper, dtype)
    if level(step) == 2:
        _resumes(make, rule, hyper, dtype)


def _counts(make: Make, rule: str, hyper: Hyper, dtype: str) -> None:
    """A schedule alone takes no gradients, and goes on from a count that is loaded."""
    begin: Tensors = {FACTOR: np.ones((), numpy_dtype(dtype))}
    step: Any = make(rule, dict(hyper), dict(begin))
    for _ in range(STEPS):
        out = step({FACTOR: None})
        checked(out, begin, numpy_dtype(dtype))
    if level(step) == 2:
        other: Any = make(rule, dict(hyper), dict(begin))
        other.load({k: np.array(x) for k, x in out.items()}, step.state())
        want, got = (np.asarray(s({FACTOR: None})[FACTOR]) for s in (step, other))
        if not np.allclose(want, got, rtol=1e-5, atol=0):
            msg = f"after load, {rule} goes on from another count: it gives {got}, not {want}"
            raise ContractError(msg)


def _same(now: Tensors, then: Tensors, what: str) -> None:
    for name, x in now.items():
        if not np.array_equal(np.asarray(x), then[name], equal_nan=True):
            raise ContractError(what.format(repr(name)))


def _repeats(make: Make, rule: str, hyper: Hyper, dtype: str, seen: list[Tensors]) -> None:
    """The same steps give the same numbers, to the last bit.

    The caller's arrays of gradients are zeroed after each step, as most training loops do.
    """
    params, grads = problem(rule, dtype)
    anew = functools.partial(make, rule, dict(hyper))
    if not (found := _other(anew(copied(params)), map(copied, grads), seen, zeroed=True)):
        return
    msg = "step {} of {!r} is another if the gradients before it are zeroed: copy what is kept"
    if again := _other(anew(params), grads, seen, zeroed=False):
        found, msg = again, "made anew, step {} of the same run gives other numbers for {!r}"
    raise ContractError(msg.format(*found))


def _other(
    step: Any, grads: Iterable[Tensors], seen: list[Tensors], *, zeroed: bool
) -> tuple[Any, ...]:
    """The first step, and its first tensor, that is not what was seen; empty if there is none."""
    for t, (g, before) in enumerate(zip(grads, seen, strict=True), 1):
        for name, x in step(g).items():
            if not np.array_equal(np.asarray(x), np.asarray(before[name]), equal_nan=True):
                return t, name
        for x in g.values() if zeroed else ():
            x.fill(0)
    return ()


def copied(arrays: Tensors) -> Tensors:
    return {k: x.copy() for k, x in arrays.items()}


def _absent(make: Make, rule: str, hyper: Hyper, dtype: str) -> None:
    """A parameter whose gradient is None is not stepped, and another one still is."""
    params, grads = problem(rule, dtype)
    step = make(rule, dict(hyper), {k: x.copy() for k, x in params.items()})
    try:
        out = step(grads[0] | {"wide": None})
    except NotImplementedError:  # this rule is not asked so
        return
    if not np.array_equal(np.asarray(out["wide"]), params["wide"]):
        msg = "step moved 'wide', whose gradient was None: such a parameter is not stepped"
        raise ContractError(msg)


def _units(rule: str, hyper: Hyper, dtype: str, seen: list[Tensors]) -> None:
    """Say so if every step is the right one times a factor that only a mix-up of units explains."""
    mixups = {-1.0: "it goes uphill: is the gradient negated, or the step added?"}
    if "lr" in hyper:
        lr = hyper["lr"]
        mixups |= {
            1 / lr: "the learning rate is not multiplied in",
            -1 / lr: "the negative learning rate is not multiplied in",
            lr: "the learning rate is multiplied in twice",
            100.0: "is the learning rate a percentage?",
            0.01: "is the learning rate a percentage?",
        }

    def updates(moments: list[Tensors]) -> np.ndarray[Any, Any]:
        theta = [np.concatenate([np.ravel(m[k]) for k in sorted(m)]) for m in moments]
        return np.diff(np.asarray(theta, np.float64), axis=0)

    params, grads = problem(rule, dtype)
    got = updates(seen)
    for skip, what in ((0, None), (1, "its first step is the rule's second")):
        step: Any = fed(reference, rule, dtype)(rule, hyper, params)
        if skip and not _ahead(step, params):
            break
        want = updates([params, *(step(g) for g in grads)])
        size = float(np.sum(want * want))
        factor = float(np.sum(got * want)) / size if size else 0.0
        if np.abs(got - factor * want).max() > 1e-3 * np.abs(got).max():
            continue
        if abs(factor - 1) < 1e-3:
            if what is None:
                return
            msg = f"{what}: was a step taken already, or does its count begin at one?"
            raise ContractError(msg)
        for mixup, said in mixups.items():
            if abs(factor / mixup - 1) < 1e-3:
                msg = f"every step is {factor:.6g} times the rule's: {said}"
                raise ContractError(msg)
    _bytes(rule, hyper, dtype, seen[1])


def _bytes(rule: str, hyper: Hyper, dtype: str, out: Tensors) -> None:
    """Say so if a step that is wrong is right once the bytes of numbers are turned round."""
    params, grads = problem(rule, dtype)
    if all(np.array_equal(out[k], x) for k, x in params.items()):  # it did not move
        return
    ways = {
        "reads and writes": (_turned, _turned),
        "reads": (_turned, copied),
        "writes": (copied, _turned),
    }
    for what, (read, written) in ways.items():
        try:
            step: Any = fed(reference, rule, dtype)(rule, hyper, read(params))
            want, got = step(read(grads[0])), written(out)
        except (ValueError, ArithmeticError):  # what is turned round is nothing that a rule takes
            continue
        if all(np.allclose(got[k], x, rtol=1e-3, atol=0) for k, x in want.items()):
            msg = f"it {what} numbers with their bytes turned round: they are to be little-endian"
            raise ContractError(msg)


def _turned(arrays: Tensors) -> Tensors:
    return {k: x.byteswap() for k, x in arrays.items()}


def _ahead(step: Any, params: Tensors) -> bool:
    """Raise every count in the state of the reference by one, if there is any."""
    state = step.state()
    later = {
        n: {k: x + 1 if isinstance(x, int) else x for k, x in s.items()} for n, s in state.items()
    }
    step.load(params, later)
    return any(isinstance(x, int) for slots in state.values() for x in slots.values())


def _resumes(make: Make, rule: str, hyper: Hyper, dtype: str) -> None:
    """`load` of what `state` said goes on as if nothing had happened."""
    params, grads = problem(rule, dtype)
    step: Any = make(rule, dict(hyper), {k: x.copy() for k, x in params.items()})
    for g in grads[:-1]:
        out = step({k: x.copy() for k, x in g.items()})
    slots = reference(rule, hyper, params).state()["tall"].keys()
    state = step.state()
    if missing := sorted(slots - state["tall"].keys()):
        msg = f"a step that offers load also shows every slot in state(): missing is {missing[0]!r}"
        raise ContractError(msg)
    held = {n: {k: _copy(x) for k, x in s.items() if k in slots} for n, s in state.items()}
    other: Any = make(rule, dict(hyper), {k: np.zeros_like(x) for k, x in params.items()})
    other.load({k: np.array(x) for k, x in out.items()}, held)
    for name, (want, got) in _both(step, other, grads[-1]):
        if not np.allclose(want, got, rtol=1e-5, atol=0, equal_nan=True):
            msg = f"after load, {name!r} goes on from elsewhere: does load set all of the state?"
            raise ContractError(msg)


def _copy(x: Any) -> Any:
    return x if isinstance(x, int) else np.array(x)


def _both(a: Any, b: Any, g: Tensors) -> Iterator[tuple[str, tuple[Any, Any]]]:
    x, y = (step({k: v.copy() for k, v in g.items()}) for step in (a, b))
    return ((k, (np.asarray(x[k]), np.asarray(y[k]))) for k in x)

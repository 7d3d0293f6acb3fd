"""What an implementation does with a case, written down without judging it."""

import functools
from typing import Any, NamedTuple

import numpy as np

from .case import Layout
from .replay import Forced, Gradients, Make, Open, Slots, Tensors, make
from .rounding import narrow, numpy_dtype
from .truth import THETA, Moment, Truth


class ContractError(Exception):
    """An implementation broke the contract: it cannot be judged as it stands."""


class Seen(NamedTuple):
    """What an implementation did with a case: free-running, and from each golden moment."""

    level: int
    free: list[Moment]
    forced: list[Moment]


def level(step: Any) -> int:
    """How much of the contract a step offers: 0 parameters, 1 reads its state, 2 loads it."""
    return 2 if isinstance(step, Forced) else 1 if isinstance(step, Open) else 0


def observe(truth: Truth, offered: Make, *, free: bool = True, xp: Any = np) -> Seen:
    """Put a case to an implementation and write down what it does.

    It runs free, and is forced at each step if it can be; `free=False` leaves out the free run of
    one that can be forced, and so does a coarse type. Every array that it is given is its own to
    keep; those that it gives back are of the namespace `xp`, and stay where they are. Raises
    ContractError if what it gives back has not the names, shapes and type of what it
    was given, NotImplementedError if it offers too little to be judged, and OverflowError if a
    coarse type does not hold the case.
    """
    case, layout = truth.case, truth.layout
    dtype = numpy_dtype(truth.arithmetic.dtype)
    hyper = case.pipeline.check(case.hyper)

    def fresh(arrays: Gradients) -> dict[str, Any]:
        return {k: None if x is None else np.array(x, dtype) for k, x in arrays.items()}

    def taken(step: Any, t: int, *, read: bool) -> Moment:
        beside = case.given[t] if case.given else {}
        more = {k: x if isinstance(x, float) else fresh(x) for k, x in beside.items()}
        params = step(fresh(case.grads[t]), **case.changes[t], **more)
        checked(params, case.params, dtype)
        state = read and offers and joined_state(truth, step.state(), xp)
        return Moment(layout.join(params, xp), state or None)

    steps = range(len(case.grads))
    step: Any = offered(case.rule, dict(hyper), fresh(case.params))
    offers, ran, forced = level(step), [], []
    coarse = narrow(truth.arithmetic.dtype)
    if coarse and offers < 2:
        msg = (
            f"a step from a given moment, and of a run in {truth.arithmetic.dtype} nothing is sure"
        )
        raise NotImplementedError(msg)
    if (free and not coarse) or offers < 2:
        # Where each step is forced, and its state seen, the end of a free run tells enough.
        ran = [taken(step, t, read=offers == 1 or t == steps[-1]) for t in steps]
        step = offered(case.rule, dict(hyper), fresh(case.params))
    if offers == 2:
        for t, before in enumerate(truth.golden()):
            step.load(*parted(layout, before))
            forced.append(taken(step, t, read=True))
    return Seen(offers, ran, forced)


def checked(params: Tensors, like: Tensors, dtype: np.dtype[Any]) -> None:
    """Raise ContractError unless `params` has the names and shapes of `like`, in `dtype`."""
    if params.keys() != like.keys():
        msg = f"step gave back the parameters {sorted(params)}, not {sorted(like)}"
        raise ContractError(msg)
    for name, x in params.items():
        got, want = x if hasattr(x, "dtype") else np.asarray(x), np.shape(like[name])
        # To name a type takes long; another library's has to be, which equals none of NumPy's.
        own = isinstance(got, np.ndarray)
        same = got.dtype == dtype if own else named(got) == dtype.name
        if tuple(got.shape) != want or not same:
            msg = (
                f"step gave back {name!r} as {named(got)} of shape {tuple(got.shape)}, not as "
                f"{dtype} of shape {want}"
            )
            raise ContractError(msg)


def named(x: Any) -> str:
    """The type of an array of whatever library, without the library's name."""
    return str(x.dtype).rpartition(".")[2]


def joined_state(truth: Truth, state: Slots, xp: Any = np) -> Slots:
    """The state side by side by group; slots that the specification does not know are left out."""
    layout = truth.layout
    joined: Slots = {}
    for group, names in layout.groups.items():
        if missing := [n for n in names if n not in state]:
            msg = f"state() has nothing for {missing[0]!r}; it has {sorted(state)}"
            raise ContractError(msg)
        own = joined[group] = dict[str, Any]()
        for slot, like in truth.like.items():
            shown = [name for name in names if slot in state[name]]
            if not shown:
                continue
            if hidden := [name for name in names if name not in shown]:
                msg = f"state() has {slot!r} for {shown[0]!r}, and not for {hidden[0]!r}"
                raise ContractError(msg)
            if like == "1" or (like != "theta" and len(names) > 1):
                own[slot] = np.array([float(state[name][slot]) for name in names])
                continue
            parts = [xp.asarray(state[name][slot]) for name in names]
            for name, x in zip(names, parts, strict=True):
                want = layout.shapes[name] if like == "theta" else like_init(truth, name)[slot]
                if tuple(x.shape) != want:
                    shapes = f"{tuple(x.shape)}, not {want}"
                    msg = f"state() gave {slot!r} of {name!r} in shape {shapes}"
                    raise ContractError(msg)
            if len(parts) == 1:
                own[slot] = xp.asarray(parts[0], copy=True)
            else:
                own[slot] = xp.concat([xp.reshape(x, (-1,)) for x in parts])
    return joined


@functools.lru_cache(maxsize=64)
def like_init(truth: Truth, name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of the slots of a parameter, as they begin."""
    case = truth.case
    begun = make(case.rule, case.hyper, {name: case.params[name]}, truth.meant).state()
    return {slot: np.shape(x) for slot, x in begun[name].items()}


def parted(layout: Layout, moment: Moment) -> tuple[Tensors, Slots]:
    """Parameters and state of a moment by name, in arrays that are the receiver's own."""
    params: Tensors = {}
    slots: Slots = {name: {} for name in layout.shapes}
    for group, slot, x in moment.slots():
        names = layout.groups[group]
        if isinstance(x, int | float) or x.shape != moment.params[group].shape:
            number = type(x) in {int, float} and slot != THETA
            parts = {name: x if number else np.array(x) for name in names}
        else:
            parts = layout.split(group, x)
        if slot == THETA:
            params |= parts
        else:
            for name in names:
                slots[name][slot] = parts[name]
    return params, slots

"""One step of one tensor of a recording against the truth that begins where it began."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .judge import excess
from .pieces import Job, Numbers, Piece, Whole, engine, pieces, read, shaped, whole
from .replay import Stepper
from .rounding import LIMIT, Arithmetic, Bounded
from .sampling import Sampled
from .truth import THETA, unbounded

BLOCK = 1 << 15
"""How many elements are computed at once where each is on its own."""

Where = Callable[[int], tuple[int, ...]]
"""How an element is called in the whole tensor, from its number."""


class Change(NamedTuple):
    """What is other than recorded, to see whether that explains what was recorded."""

    hyper: tuple[tuple[str, float], ...] = ()
    later: int = 0
    """By how much the count of steps is more."""
    gradient: float = 1.0
    """What the gradient is multiplied by."""
    elements: tuple[tuple[int, float], ...] = ()
    """Elements of the gradient, by number."""
    apart: bool = False
    """Whether each piece of a tensor is computed as if it were the whole."""
    anew: bool = False
    """Whether the state is as it is before any step."""


AS_RECORDED = Change()


class Wrong(NamedTuple):
    """The furthest element of one slot that lies outside its bound."""

    slot: str
    element: tuple[int, ...]
    got: float
    expected: float
    bound: float
    ratio: float
    many: int
    """How many elements of the slot do."""


class Row(NamedTuple):
    """One tensor at one step."""

    step: int
    tensor: str
    elements: int
    ratio: float
    """The largest error over its bound."""
    wrong: tuple[Wrong, ...]
    right: tuple[str, ...]
    unjudged: str = ""
    """Why there is no truth to compare with, if so."""


class Seen(NamedTuple):
    """One slot of one stretch of a tensor: what was got, what is true, and error over bound."""

    slot: str
    got: Any
    want: Any
    ratios: Any

    def worst(self, where: Where) -> Wrong | None:
        """The furthest element, if it is outside its bound."""
        if not (self.ratios > 1).any():
            return None
        at = int(np.argmax(self.ratios))
        bounded = isinstance(self.want, Bounded)
        value = float(np.ravel(self.want.value)[at] if bounded else self.want)
        bound = float(LIMIT * np.ravel(self.want.error)[at] if bounded else 0.0)
        got, ratio = float(np.ravel(self.got)[at]), float(self.ratios[at])
        element, many = where(at) if np.ndim(self.got) else (), int((self.ratios > 1).sum())
        return Wrong(self.slot, element, got, value, bound, ratio, many)


def _begun(
    job: Job, code: str, numbers: Mapping[str, Numbers], change: Change
) -> Stepper | Sampled:
    """The reference, standing where a step begins."""
    arithmetic, stages = engine(job).arithmetics[code]
    theta = {k: arithmetic.tensor(n.before[THETA]) for k, n in numbers.items()}
    hyper = _hyper(arithmetic, numbers, change)
    step: Stepper | Sampled
    if stages.sampled:
        step = Sampled(arithmetic, engine(job).stages, hyper, theta)
    else:
        step = Stepper(stages, hyper, theta, arithmetic.scalar)
    state = step.state()
    held = {
        k: {slot: _held(arithmetic, slot, x, n, change) for slot, x in state[k].items()}
        for k, n in numbers.items()
    }
    step.load(theta, held)
    return step


def _hyper(arithmetic: Arithmetic, numbers: Mapping[str, Numbers], change: Change) -> Any:
    values = next(iter(numbers.values())).hyper | dict(change.hyper)
    return {k: arithmetic.scalar(v) if isinstance(v, float) else v for k, v in values.items()}


def _held(arithmetic: Arithmetic, slot: str, initial: Any, n: Numbers, change: Change) -> Any:
    """A slot of the state as a step begins with it: as recorded, or as it is before any step."""
    if change.anew:
        return initial
    if type(initial) is int:
        if slot in n.before:
            initial = int(n.before[slot].reshape(-1)[0])
        elif slot not in n.after:  # it was not recorded: what the steps themselves count
            initial += n.step - 1
        return initial + change.later
    if slot not in n.before:
        return initial
    if type(initial) is float or initial.host:
        return arithmetic.scalar(float(n.before[slot].reshape(-1)[0]))
    return arithmetic.tensor(n.before[slot])


def _gradient(grad: Any, change: Change) -> Any:
    if change.gradient == 1 and not change.elements:
        return grad
    other = np.array(grad, np.float64) * change.gradient
    for at, value in change.elements:
        other.reshape(-1)[at] = value
    return other


def compare(
    job: Job,
    code: str,
    numbers: Mapping[str, Numbers],
    change: Change = AS_RECORDED,
    begun: Stepper | Sampled | None = None,
) -> tuple[dict[str, list[Seen]], Stepper | Sampled]:
    """What a step left against the truth, by tensor, and the reference where it stands then.

    It begins where the recording says, or where `begun` stands. Raises OverflowError if there is
    no truth in the range of the type.
    """
    arithmetic, _ = engine(job).arithmetics[code]
    first = next(iter(numbers.values()))
    with unbounded():
        step = begun or _begun(job, code, numbers, change)
        given = {
            name: arithmetic.scalar(x)
            if isinstance(x, float)
            else {k: arithmetic.tensor(n.given[name]) for k, n in numbers.items()}
            for name, x in first.given.items()
        }
        grads = {k: arithmetic.tensor(_gradient(n.grad, change)) for k, n in numbers.items()}
        out = step(grads, **_hyper(arithmetic, numbers, change), **given)
        state = step.state()
    return {k: _seen(n, {**state[k], THETA: out[k]}) for k, n in numbers.items()}, step


def _seen(numbers: Numbers, true: Mapping[str, Any]) -> list[Seen]:
    found = []
    for slot in [slot for slot in true if slot in numbers.after]:
        got, want = numbers.after[slot], true[slot]
        if not isinstance(want, Bounded):
            got = np.float64(got.reshape(-1)[0])
        elif want.shape != np.shape(got):
            got = got.reshape(want.shape)
        found.append(Seen(slot, got, want, np.ravel(excess(np.asarray(got), want))))
    return found


class Stretch(NamedTuple):
    """A run of elements of a tensor that was computed at once."""

    seen: list[Seen]
    where: Where
    start: int
    size: int
    rank: int


def stretches(
    job: Job, number: int, tensor: str, change: Change = AS_RECORDED
) -> Iterator[Stretch]:
    """A tensor at a step against the truth, a stretch at a time; none if it was not stepped."""
    if engine(job).stages.scope != "element" and not change.apart:
        if all_of := whole(job, number, tensor):
            seen, _ = compare(job, all_of.code, {tensor: all_of.numbers}, change)
            where = functools.partial(place_of, all_of.shape)
            yield Stretch(seen[tensor], where, 0, prod(all_of.shape), 0)
        return
    for piece in pieces(job, number, tensor):
        yield from _stretches(job, piece, tensor, change)


def _stretches(job: Job, piece: Piece, tensor: str, change: Change) -> Iterator[Stretch]:
    size = prod(piece.shape)
    length = size if change.apart else BLOCK
    if size > length:  # a stretch of an array has no checksum of its own
        piece.check(tensor)
    for start in range(0, max(size, 1), max(length, 1)):
        stop = min(size, start + length)
        numbers = read(job, piece, tensor, start, stop)
        if numbers is None:
            return
        if change.apart:
            numbers = shaped(numbers, piece.shape)
        inside = tuple((i - start, v) for i, v in change.elements if start <= i < stop)
        here = change._replace(elements=inside)
        seen, _ = compare(job, piece.code(tensor), {tensor: numbers}, here)
        where = functools.partial(_place_in, piece, start)
        yield Stretch(seen[tensor], where, start, stop - start, piece.rank)


def place_of(shape: tuple[int, ...], flat: int) -> tuple[int, ...]:
    """The index of an element from its number."""
    return tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()


def _place_in(piece: Piece, start: int, flat: int) -> tuple[int, ...]:
    inside = place_of(piece.shape, start + flat)
    return tuple(a + i for a, i in zip(piece.at, inside, strict=True))


def row(job: Job, number: int, tensor: str, change: Change = AS_RECORDED) -> Row | None:
    """One tensor at one step against the truth; None if it was not stepped."""
    size, ratio, slots = 0, 0.0, dict[str, Wrong | None]()
    try:
        for stretch in stretches(job, number, tensor, change):
            size += stretch.size
            for seen in stretch.seen:
                ratio = max(ratio, float(seen.ratios.max(initial=0)))
                slots[seen.slot] = _further(slots.get(seen.slot), seen.worst(stretch.where))
    except (OverflowError, ZeroDivisionError) as error:
        return Row(number, tensor, size, 0.0, (), (), str(error))
    return _row(number, tensor, size, ratio, slots) if slots else None


def _further(a: Wrong | None, b: Wrong | None) -> Wrong | None:
    """The furthest of two stretches of one slot, the first if they are as far."""
    if a is None or b is None:
        return a or b
    return (a if a.ratio >= b.ratio else b)._replace(many=a.many + b.many)


def _row(
    number: int, tensor: str, size: int, ratio: float, slots: Mapping[str, Wrong | None]
) -> Row:
    wrong = sorted((w for w in slots.values() if w), key=lambda w: (-w.ratio, w.slot))
    right = tuple(slot for slot, w in slots.items() if not w)
    return Row(number, tensor, size, ratio, tuple(wrong), right)


def _rows(number: int, wholes: Mapping[str, Whole], seen: Mapping[str, list[Seen]]) -> list[Row]:
    rows = []
    for tensor, all_of in wholes.items():
        where = functools.partial(place_of, all_of.shape)
        slots = {one.slot: one.worst(where) for one in seen[tensor]}
        ratio = max((float(one.ratios.max(initial=0)) for one in seen[tensor]), default=0.0)
        rows.append(_row(number, tensor, prod(all_of.shape), ratio, slots))
    return rows


def model_rows(job: Job, number: int, tensors: Sequence[str]) -> list[Row]:
    """All tensors at one step against a rule that couples them."""
    wholes = {t: w for t in tensors if (w := whole(job, number, t))}
    if not wholes:
        return []
    try:
        code = next(iter(wholes.values())).code
        seen, _ = compare(job, code, {t: w.numbers for t, w in wholes.items()})
    except (OverflowError, ZeroDivisionError) as error:
        return [Row(number, t, prod(w.shape), 0.0, (), (), str(error)) for t, w in wholes.items()]
    return _rows(number, wholes, seen)


def free_rows(job: Job, numbers: Sequence[int], tensors: Sequence[str]) -> list[Row]:
    """Tensors that couple, or one, from the first step on, until one of them is wrong."""
    rows: list[Row] = []
    step: Stepper | Sampled | None = None
    for number in numbers:
        wholes = {t: w for t in tensors if (w := whole(job, number, t))}
        if not wholes:
            continue
        held = {t: w.numbers for t, w in wholes.items()}
        try:
            seen, step = compare(job, next(iter(wholes.values())).code, held, begun=step)
            rows += _rows(number, wholes, seen)
        except (OverflowError, ZeroDivisionError) as error:
            told = str(error)
            return rows + [
                Row(number, t, prod(w.shape), 0.0, (), (), told) for t, w in wholes.items()
            ]
        if rows[-1].wrong:
            break  # what follows a wrong step is wrong for its sake
    return rows

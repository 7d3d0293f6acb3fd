"""What is asked of a whole optimizer, beside its steps: groups, checkpoints, types, symmetries.

Each check but the symmetries is a capability that an implementation declares. A symmetry needs no
golden answer: what the reference obeys, the implementation has to obey too, on tensors as large as
kernels and fused loops treat otherwise than small ones.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from goldstep.oracle import Case, ContractError, Truth, judge, pipeline
from goldstep.oracle import make as reference
from goldstep.oracle.observe import Seen
from goldstep.oracle.replay import Tensors
from goldstep.oracle.rounding import LIMIT
from goldstep.oracle.rules import Hyper, within
from goldstep.oracle.truth import Moment

from .implementations import Implementation
from .smoke import copied, problem

Run = list[Tensors]


class Relation(NamedTuple):
    """A change of a problem, and how what comes out is changed back."""

    forth: Callable[[Tensors], Tensors]
    """Of parameters and of gradients."""
    back: Callable[[Tensors, Tensors], Tensors]
    """Of what came out, given what was begun with."""
    params: bool = True
    """Whether the parameters are changed too."""


def _same(out: Tensors, _: Tensors) -> Tensors:
    return out


def _each(f: Callable[[Any], Any]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {k: np.ascontiguousarray(f(x)) for k, x in tensors.items()}


def _quarter(out: Tensors, start: Tensors) -> Tensors:
    return {k: start[k] + (x - start[k]) / 4 for k, x in out.items()}


def _halves(tensors: Tensors) -> Tensors:
    """Each tensor cut into its first and its last rows."""
    cut = {f"{k}, {i}": part for k, x in tensors.items() for i, part in enumerate(_cut(x))}
    return {k: part.copy() for k, part in cut.items()}


def _cut(x: Any) -> tuple[Any, Any]:
    return x[: len(x) // 3], x[len(x) // 3 :]


def _beside(tensors: Tensors) -> Tensors:
    """Beside each tensor others of its shape, each larger: as many in all as it has columns."""
    return {
        name: np.ldexp(x, i).astype(x.dtype)
        for k, x in tensors.items()
        for i, name in enumerate([k, *(f"{k}, {j}" for j in range(1, x.shape[1]))])
    }


def _joined(out: Tensors, start: Tensors) -> Tensors:
    return {k: np.concatenate([out[f"{k}, 0"], out[f"{k}, 1"]]) for k in start}


def _shuffled(x: Any, *, undo: bool = False) -> Any:
    order = np.random.Generator(np.random.Philox(1)).permutation(x.size)
    return np.ravel(x)[np.argsort(order) if undo else order].reshape(x.shape)


def _rows(x: Any, *, undo: bool = False) -> Any:
    order = np.random.Generator(np.random.Philox(2)).permutation(len(x))
    return x[np.argsort(order) if undo else order]


def _back(f: Callable[..., Any]) -> Callable[[Tensors, Tensors], Tensors]:
    return lambda out, _: {k: f(x) for k, x in out.items()}


SYMMETRIES = {
    "signs": Relation(_each(lambda x: -x), _back(lambda x: -x)),
    "scale": Relation(_each(lambda x: 4 * x), _same, params=False),
    "linearity": Relation(_each(lambda x: 4 * x), _quarter, params=False),
    "permutation": Relation(_each(_shuffled), _back(lambda x: _shuffled(x, undo=True))),
    "rows": Relation(_each(_rows), _back(lambda x: _rows(x, undo=True))),
    "transposition": Relation(_each(lambda x: x.T), _back(lambda x: x.T)),
    "parts": Relation(_halves, _joined),
    "beside": Relation(_beside, lambda out, start: {k: out[k] for k in start}),
    "order": Relation(lambda t: dict(reversed(t.items())), _same),
}
"""What can be done to a problem. Which of them a rule obeys, its reference tells."""


def checks(made: Implementation, rule: str) -> Iterator[str]:
    """What is asked of an implementation of a rule as a whole."""
    stages = pipeline(rule)
    if stages.given or stages.gram or stages.alone:
        return
    apart = all(stage.spec["scope"] != "model" for stage in stages.stages)
    able = set(made.capabilities)
    if not stages.stages:  # a schedule alone has nothing but a count
        yield from {"saves"} & able
        return
    if "hypers" in able:
        yield "hypers"
    if "groups" in able and apart:
        yield "groups"
    if "saves" in able:
        yield "saves"
    if "maximize" in able:
        yield "maximize"
    if "mixed" in able and apart:
        yield "mixed"
    yield from (name for name in SYMMETRIES if obeys(rule, name, frozenset(made.dialects.items())))


def check(made: Implementation, rule: str, name: str) -> None:
    """Raise ContractError if a check fails; says what, and where."""
    dtype = next(iter(made.dtypes))
    if name in SYMMETRIES:
        _symmetry(made, rule, dtype, name)
    else:
        CHECKS[name](made, rule, dtype)


def run(step: Any, grads: Sequence[Mapping[str, Any]], changes: Sequence[Hyper] = ()) -> Run:
    """What comes out of each step, in arrays of our own."""
    outs = []
    for t, g in enumerate(grads):
        out = step({k: x.copy() for k, x in g.items()}, **(changes[t] if changes else {}))
        outs.append({k: np.array(x) for k, x in out.items()})
    return outs


def numbers(rule: str, dtype: str) -> tuple[Hyper, Tensors, list[Tensors]]:
    return pipeline(rule).profile("dyadic"), *problem(rule, dtype)


def held(made: Implementation, case: Case, dtype: str, outs: Run) -> None:
    """Raise ContractError unless a run stays within the bound of its truth."""
    truth = Truth(case, made.arithmetic(dtype), made.dialects)
    moments = [Moment(truth.layout.join(out), None) for out in outs]
    divergence = judge(truth, Seen(0, moments, [])).divergence
    if divergence is not None:
        w = divergence.wrong[0]
        msg = (
            f"{case.id}: {w.tensor!r} is {w.got!r} after step {divergence.step}, not "
            f"{w.expected!r}: {w.ratio:.3g} times the bound"
        )
        raise ContractError(msg)


def _case(what: str, rule: str, hyper: Hyper, params: Tensors, grads: Sequence[Tensors]) -> Case:
    wide = {k: x.astype(np.float64) for k, x in params.items()}
    steps = [{k: x.astype(np.float64) for k, x in g.items()} for g in grads]
    return Case(what, rule, hyper, wide, steps, [{} for _ in steps])


def hypers(made: Implementation, rule: str, dtype: str) -> None:
    """Every hyper-parameter may change in the middle of a run."""
    hyper, params, grads = numbers(rule, dtype)
    rows, other = pipeline(rule).rows(), pipeline(rule).profile("amplified")
    case = _case("before any changes", rule, hyper, params, grads[:1])
    held(made, case, dtype, run(made.make(rule, dict(hyper), copied(params)), grads[:1]))
    for k, x in hyper.items():
        new = other[k] if other[k] != x else x / 2
        if not isinstance(x, float) or not within(new, rows[k]["domain"]):
            continue
        changes: list[Hyper] = [{}, {k: new}, {}]
        case = _case(f"{k} changes in step 2", rule, hyper, params, grads)
        case = Case(case.id, rule, hyper, case.params, case.grads, changes)
        step = made.make(rule, dict(hyper), copied(params))
        held(made, case, dtype, run(step, grads, changes))


def groups(made: Implementation, rule: str, dtype: str) -> None:
    """A group of parameters with a learning rate of its own, and one without any parameter."""
    hyper, params, grads = numbers(rule, dtype)
    own = {"lr": hyper["lr"] / 4}
    offered: Any = made.make
    said = [{"params": ["wide"], **own}, {"params": []}]
    outs = run(offered(rule, dict(hyper), copied(params), groups=said), grads)
    for name, values in (("tall", hyper), ("wide", hyper | own)):
        some = [{name: g[name]} for g in grads]
        case = _case(f"{name!r} of two groups", rule, values, {name: params[name]}, some)
        held(made, case, dtype, [{name: out[name]} for out in outs])


def saves(made: Implementation, rule: str, dtype: str) -> None:
    """Saved after any step and gone on with elsewhere, it does what it would have done."""
    hyper, params, grads = numbers(rule, dtype)
    longer = [*grads, *grads, *grads]
    uninterrupted = run(made.make(rule, dict(hyper), copied(params)), longer)
    for t in range(1, len(longer)):
        first: Any = made.make(rule, dict(hyper), copied(params))
        run(first, longer[:t])
        saved = first.save()
        other: Any = made.make(rule, dict(hyper), {k: np.zeros_like(x) for k, x in params.items()})
        other.restore(saved)
        for k, out in enumerate(run(other, longer[t:]), t):
            for name, x in out.items():
                if not np.array_equal(x, uninterrupted[k][name], equal_nan=True):
                    msg = f"saved after step {t}, {name!r} is another after step {k + 1}"
                    raise ContractError(msg)


def maximize(made: Implementation, rule: str, dtype: str) -> None:
    """Uphill is downhill along the negated gradients."""
    hyper, params, grads = numbers(rule, dtype)
    offered: Any = made.make
    outs = run(offered(rule, dict(hyper), copied(params), maximize=True), grads)
    negated = [{k: -x for k, x in g.items()} for g in grads]
    held(made, _case("negated gradients", rule, hyper, params, negated), dtype, outs)


def mixed(made: Implementation, rule: str, dtype: str) -> None:
    """Each parameter is computed in its own type."""
    hyper, params, grads = numbers(rule, "float64")
    types = {"tall": "float64", "wide": "float32"}

    def typed(arrays: Tensors) -> Tensors:
        return {k: x.astype(types[k]) for k, x in arrays.items()}

    outs = run(made.make(rule, dict(hyper), typed(params)), [typed(g) for g in grads])
    for name, own in types.items():
        if outs[-1][name].dtype != own:
            msg = f"beside a {dtype} one, {name!r} came back as {outs[-1][name].dtype}, not {own}"
            raise ContractError(msg)
        some = [{name: g[name]} for g in grads]
        case = _case(f"in {own}", rule, hyper, {name: params[name]}, some)
        held(made, case, own, [{name: out[name]} for out in outs])


CHECKS = {
    "hypers": hypers,
    "groups": groups,
    "saves": saves,
    "maximize": maximize,
    "mixed": mixed,
}


def larger(rule: str, dtype: str) -> tuple[Tensors, list[Tensors]]:
    """Two tensors that do not fit a vector of the processor, and two gradients of each."""
    small = pipeline(rule).matrices_only or pipeline(rule).scope == "tensor"
    shapes = {"a": (9, 7), "b": (12, 5)} if small else {"a": (67, 31), "b": (129, 9)}
    random = np.random.Generator(np.random.Philox(3))

    def drawn() -> Tensors:
        # Multiples of 1/64, of which no sum of two is rounded.
        return {
            k: (random.integers(-128, 128, s) / 64 + 1 / 128).astype(dtype)
            for k, s in shapes.items()
        }

    return drawn(), [drawn(), drawn()]


def changed(relation: Relation, params: Tensors, grads: list[Tensors]) -> tuple[Any, Any]:
    forth = relation.forth
    return forth(params) if relation.params else params, [forth(g) for g in grads]


@functools.cache
def obeys(rule: str, name: str, meant: frozenset[tuple[str, str]] = frozenset()) -> bool:
    """Whether a rule, in the dialects that are meant, has a symmetry that it is asked for."""
    if name == "beside" and not pipeline(rule).matrices_only:
        return False  # only matrices are stacked to be iterated on together
    relation, hyper = SYMMETRIES[name], pipeline(rule).profile("dyadic")
    params, grads = larger(rule, "float64")
    other, turned = changed(relation, params, grads)
    try:
        result = run(reference(rule, hyper, copied(other), dict(meant)), turned)
        base = _of_the_reference(rule, meant)
    except (ValueError, TypeError, IndexError):
        return False
    return all(
        np.allclose(relation.back(out, params)[k], x, rtol=1e-10, atol=1e-12)
        for want, out in zip(base, result, strict=True)
        for k, x in want.items()
    )


@functools.lru_cache(maxsize=1)
def _of_the_reference(rule: str, meant: frozenset[tuple[str, str]]) -> Run:
    """What comes out of the problem as it is, which every symmetry is compared with."""
    params, grads = larger(rule, "float64")
    return run(reference(rule, pipeline(rule).profile("dyadic"), params, dict(meant)), grads)


@functools.lru_cache(maxsize=1)
def _as_it_is(made: Implementation, rule: str, dtype: str) -> tuple[Run, Run]:
    """The same of an implementation, and by how far each number may be off."""
    hyper, (params, grads) = pipeline(rule).profile("dyadic"), larger(rule, dtype)
    case = _case("symmetry", rule, hyper, params, grads)
    truth = Truth(case, made.arithmetic(dtype), made.dialects)
    split = truth.layout.split
    errors = [
        {k: e for group, x in true.params.items() for k, e in split(group, x.error).items()}
        for true in truth.free()
    ]
    return run(made.make(rule, dict(hyper), copied(params)), grads), errors


def _symmetry(made: Implementation, rule: str, dtype: str, name: str) -> None:
    """The implementation against itself: each of two runs may be off by its bound."""
    relation, hyper = SYMMETRIES[name], pipeline(rule).profile("dyadic")
    params, grads = larger(rule, dtype)
    other, turned = changed(relation, params, grads)
    result = run(made.make(rule, dict(hyper), copied(other)), turned)
    for t, (base, errors) in enumerate(zip(*_as_it_is(made, rule, dtype), strict=True)):
        back = relation.back(result[t], params)
        for k, error in errors.items():
            with np.errstate(over="ignore", invalid="ignore"):
                off = np.abs(back[k].astype(np.float64) - base[k].astype(np.float64))
                ratio = float(np.max(off / (2 * LIMIT * error + np.finfo(np.float64).tiny)))
            if not ratio <= 1:
                msg = (
                    f"{k!r} differs from the run that it should agree with after step "
                    f"{t + 1}, by {ratio:.3g} times what rounding can explain"
                )
                raise ContractError(msg)

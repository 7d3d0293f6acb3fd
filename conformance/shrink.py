"""The smallest test that fails: the fewest steps, one element if one is enough, short numbers."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from goldstep.oracle import Case, Truth, judge, observe
from goldstep.oracle.judge import Divergence
from goldstep.oracle.rounding import LIMIT, Bounded

from .implementations import Implementation


class Shrinking:
    """A case that fails, and smaller ones that fail as well."""

    def __init__(self, made: Implementation, case: Case, dtype: str) -> None:
        self.made, self.case, self.dtype = made, case, dtype
        self.found: Divergence | None = None
        """Where the last case that was tried fails."""

    def truth(self, case: Case) -> Truth:
        return Truth(case, self.made.arithmetic(self.dtype), self.made.dialects)

    def fails(self, case: Case) -> bool:
        """Whether the parameters leave their bound in a free run that can be judged."""
        truth = self.truth(case)

        def blind(*args: Any) -> Any:
            return self.made.make(*args).__call__

        try:
            with np.errstate(all="ignore"):
                self.found = judge(truth, observe(truth, blind)).divergence
        except Exception:  # noqa: BLE001 - neither a reference nor an adapter takes every shape
            return False
        return self.found is not None

    def smallest(self) -> Case | None:
        """The smallest case found, or None if the free run does not fail at all."""
        if not self.fails(self.case):
            return None
        case = self._fewest_steps(self.case)
        for smaller in (self._one_tensor, self._one_row, self._fewest_steps, self._short_numbers):
            case = smaller(case)
        return self._fewest_steps(case)

    def _first(self, found: Iterator[Case], otherwise: Case) -> Case:
        return next((case for case in found if self.fails(case)), otherwise)

    def _fewest_steps(self, case: Case) -> Case:
        def cut(first: int, last: int) -> Case:
            return dataclasses.replace(
                case,
                grads=case.grads[first:last],
                changes=case.changes[first:last],
                given=case.given[first:last],
            )

        n = len(case.grads)
        case = self._first((cut(0, k) for k in range(1, n)), case)
        m = len(case.grads)
        return self._first((cut(k, m) for k in range(m - 1, 0, -1)), case)

    def _one_tensor(self, case: Case) -> Case:
        names = sorted(
            case.params, key=lambda k: (np.size(case.params[k]), np.ndim(case.params[k]))
        )
        return self._first((_taken(case, k, ...) for k in names if case.params[k].size), case)

    def _one_row(self, case: Case) -> Case:
        """One element, or else one row and column less at a time."""
        if len(case.params) > 1:
            return case
        ((name, x),) = case.params.items()
        if x.ndim < 2 or case.pipeline.scope == "element":
            flat = (
                dataclasses.replace(
                    case,
                    params={name: np.ravel(x)},
                    grads=[
                        {k: None if g is None else np.ravel(g) for k, g in now.items()}
                        for now in case.grads
                    ],
                )
                if not case.given
                else case
            )
            self.fails(flat)
            worst = self.found.wrong[0].element[0] if self.found else 0
            some = dict.fromkeys([worst, *range(min(64, x.size))])
            return self._first((_taken(flat, name, slice(i, i + 1)) for i in some), case)
        for axis in range(x.ndim):
            while case.params[name].shape[axis] > 1:
                at = (slice(None),) * axis + (slice(0, case.params[name].shape[axis] - 1),)
                smaller = _taken(case, name, at)
                if not self.fails(smaller):
                    break
                case = smaller
        return case

    def _short_numbers(self, case: Case) -> Case:
        def short(x: Any, digits: int) -> Any:
            return np.vectorize(lambda v: float(f"{v:.{digits}g}"), otypes=[float])(x)

        def rounded(digits: int) -> Case:
            return dataclasses.replace(
                case,
                params={
                    k: np.zeros_like(x) if not digits else short(x, digits)
                    for k, x in case.params.items()
                },
                grads=[
                    {k: None if g is None else short(g, max(1, digits)) for k, g in now.items()}
                    for now in case.grads
                ],
            )

        # Short decimals are not what float32 holds, but every type rounds them to the same.
        return self._first(
            (rounded(d) for d in ((0, 1, 2, 3) if self.dtype == "float64" else ())), case
        )


def _taken(case: Case, name: str, at: Any) -> Case:
    """The part of one tensor that is left."""

    def part(arrays: Mapping[str, Any]) -> dict[str, Any]:
        x = arrays[name]
        return {name: x if x is None else np.array(x[at])}

    given = [{k: x if isinstance(x, float) else part(x) for k, x in g.items()} for g in case.given]
    return dataclasses.replace(
        case, params=part(case.params), grads=[part(g) for g in case.grads], given=given
    )


def shrunken(made: Implementation, case: Case, dtype: str) -> list[str]:
    """The smallest test that fails, as lines of Python that need NumPy and the adapter."""
    shrinking = Shrinking(made, case, dtype)
    small = shrinking.smallest()
    if small is None:
        return ["  smallest  what is wrong does not show where the parameters run free"]
    return ["  smallest  a test by itself:", "", *written(shrinking.truth(small), made)]


def written(truth: Truth, made: Implementation) -> list[str]:
    """A case as a test; `make` is the function of the adapter."""
    case, dtype = truth.case, truth.arithmetic.dtype
    last = list(truth.free())[-1]
    lines = [
        "import numpy as np",
        "",
        "",
        f"def test_{case.rule.replace('+', '_')}(make):  # make of {made.name}",
        f"    x = lambda v: np.array(v, {dtype!r})",
        f"    step = make({case.rule!r}, {dict(case.hyper)!r}, {_arrays(case.params)})",
    ]
    for t, grads in enumerate(case.grads):
        also = dict(case.changes[t])
        more = "".join(f", {k}={v!r}" for k, v in also.items() if also != case.hyper)
        beside = case.given[t] if case.given else {}
        more += "".join(
            f", {k}={v!r}" if isinstance(v, float) else f", {k}={_arrays(v)}"
            for k, v in beside.items()
        )
        lines.append(f"    {'got = ' * (t == len(case.grads) - 1)}step({_arrays(grads)}{more})")
    for group, theta in last.params.items():
        for name, want in truth.layout.split(group, theta.value).items():
            error = theta.error if isinstance(theta, Bounded) else np.zeros(np.shape(want))
            bound = float(LIMIT * np.max(truth.layout.split(group, error)[name], initial=0))
            due = np.asarray(want, dtype).tolist()
            most = f"{bound + _half(due, dtype):.2g}"
            lines.append(f"    assert abs(got[{name!r}] - x({due!r})).max() <= {most}")
    return lines


def _half(due: Any, dtype: str) -> float:
    """Half a unit in the last place of what is due: it is written down rounded."""
    size = float(np.max(np.abs(due), initial=0))
    return size * {"float64": 2.0**-53, "float32": 2.0**-24}[dtype]


def _arrays(arrays: Mapping[str, Any]) -> str:
    said = (
        f"{k!r}: {None if v is None else f'x({np.asarray(v).tolist()!r})'}"
        for k, v in arrays.items()
    )
    return "{" + ", ".join(said) + "}"

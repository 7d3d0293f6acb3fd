"""The window of a rule: how much is seen, and how much is let pass, of what an implementation does.

Beside the traps (`margins`), it is measured how near to the limit the worst legal rewriting comes,
and which change of each hyper-parameter is the smallest that is detected. `windows/<rule>.json`
notes it; `python -m goldstep.conformance.margins` measures it.
"""

import functools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from goldstep import spec
from goldstep.oracle import Arithmetic, Case, Truth, judge, observe
from goldstep.oracle.replay import Make, Step, Tensors, implementation
from goldstep.oracle.rounding import narrow
from goldstep.oracle.rules import Hyper, within

from .cases import cases, rules, tried
from .rewrites import rewrites, rewritten

FOLDER = Path(__file__).parent / "windows"
TYPES = ("float64", "float32", "bfloat16")
ASKED = (
    "scales/amplified/constant",
    "shocks/amplified/constant",
    "spectra/amplified/constant",
    "scales/dyadic/constant",
    "transformer/default/constant",
)
"""The cases on which it is measured, as their ids end."""

TRIES = 8
"""So often a change is made smaller, in search of the smallest."""

Window = dict[str, dict[str, Any]]
"""By type: `legal`, the largest error over the bound of a legal rewriting, its `way` and its
`case`; and under `changes` by hyper-parameter the smallest relative change that is seen, None if
not even a half is, with the `case` that sees it."""


def questions(rule: str) -> list[Case]:
    """Some cases in which a rule of any kind takes part."""
    pipelines = [p for p in rules() if p == rule or rule in tried(p)]
    every = list(cases(pipelines[0])) if pipelines else []
    return [case for case in every if case.id.endswith(ASKED)] or every[:1]


@functools.lru_cache(maxsize=32)
def truth(case: Case, dtype: str) -> Truth:
    return Truth(case, Arithmetic(dtype))


def ratio(case: Case, dtype: str, made: Make) -> float:
    """The largest error over the bound of what an implementation does from each given moment."""
    true = truth(case, dtype)
    with np.errstate(all="ignore"):
        return judge(true, observe(true, made, free=False)).ratio


def legal(case: Case, dtype: str) -> Iterator[tuple[float, str]]:
    """How near to the limit each legal rewriting comes, with its name."""
    if narrow(dtype):
        yield ratio(case, dtype, implementation()), "as written, rounded once"
        return
    for name in rewrites():
        if dtype == "float32" or "float32" not in name:
            yield ratio(case, dtype, rewritten(name)), name


def altered(name: str, change: float) -> Make:
    """The reference with one hyper-parameter that is smaller by a relative `change`."""
    made = implementation()

    def make(rule: str, hyper: Hyper, params: Tensors) -> Step:
        return made(rule, hyper | {name: hyper[name] * (1 - change)}, params)

    return make


def smallest(case: Case, dtype: str, name: str, change: float = 0.5) -> float | None:
    """The smallest relative change of a hyper-parameter that a case sees; None if not even `change`
    is.
    """
    found, unseen, value = None, 0.0, case.hyper[name]
    domain = case.pipeline.rows()[name]["domain"]
    while change > 2.0**-8 and not within(value * (1 - change), domain):
        change /= 2
    for _ in range(TRIES):
        change = (value - value * (1 - change)) / value  # as float64 has it
        seen = ratio(case, dtype, altered(name, change)) if change else 0.0
        if seen > 1:
            found = change
            if seen < 2:
                break
            # The error grows with the change; where it stands where none is allowed, quickly on.
            change *= 1.5 / seen if math.isfinite(seen) else 2.0**-8
        elif found is None:
            return None
        else:
            unseen = max(change, 2.0**-54)
        if unseen >= found / 1.2:
            break
        if change <= unseen:  # a sign turns at once, and its error does not grow
            change = (unseen * found) ** 0.5
    return found


def measure(rule: str) -> Window:
    """The window of a rule, in each type."""
    rows = spec.load(spec.kind_of(rule), rule)["hyper"]
    asked, found = questions(rule), {}
    for dtype in TYPES:
        near = [(x, way, case.id) for case in asked for x, way in legal(case, dtype)]
        most, way, nearest = max(near, default=(0.0, "", None))
        changes: dict[str, Any] = {}
        for name in [k for k, row in rows.items() if isinstance(row["default"], float)]:
            least, at = None, None
            for case in [case for case in asked if case.hyper.get(name)]:
                # A case that does not see what another does sees nothing smaller.
                change = smallest(case, dtype, name, least or 0.5)
                if change is not None and (least is None or change < least):
                    least, at = change, case.id
            changes[name] = {"relative": least and float(f"{least:.3g}"), "case": at}
        said = {"legal": float(f"{most:.3g}"), "way": way, "case": nearest}
        found[dtype] = said | {"changes": changes}
    return found


def noted(rule: str) -> Window:
    """What was measured of a rule; nothing if it has not been."""
    path = FOLDER / f"{rule}.json"
    measured: Window = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return measured


def write(rule: str) -> Window:
    """Measure a rule, and note it."""
    found = measure(rule)
    lines = [f" {json.dumps(dtype)}: {json.dumps(of)}" for dtype, of in found.items()]
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{rule}.json"
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", newline="\n")
    return found

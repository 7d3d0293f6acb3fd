"""By how much each trap of the specification is caught: `python -m goldstep.conformance.margins`.

Each trap is put through the contract as an implementation would be, on every case of every
trajectory, and `kills/<rule>.json` notes how far outside the bound it falls; `windows/<rule>.json`,
what else is seen and what is not. Run it when a rule, a trap or a trajectory is added, then
`python docs/build.py`.
"""

import argparse
import fnmatch
import functools
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from goldstep import spec
from goldstep.oracle import Arithmetic, Case, Truth, judge, observe
from goldstep.oracle.replay import implementation
from goldstep.oracle.rounding import narrow

from . import window
from .cases import KILLS, Kills, cases, noted, rules, tried

MEASURED = ("float64", "float32", "bfloat16")
"""The types in which it is measured how far off a trap is."""


def traps() -> Iterator[tuple[str, str]]:
    """Every trap there is, as (rule, trap)."""
    for kind, name in spec.every():
        for trap in spec.load(kind, name)["trap"]:
            yield name, trap["name"]


def pipelines(rule: str) -> list[str]:
    """The pipelines of the suite in which a rule of any kind is tried."""
    return [p for p in rules() if p == rule or rule in tried(p)]


@functools.lru_cache(maxsize=64)
def truth(case: Case, dtype: str) -> Truth:
    return Truth(case, Arithmetic(dtype))


@functools.lru_cache(maxsize=8)
def questions(rule: str) -> tuple[Case, ...]:
    return tuple(cases(rule))


def margin(rule: str, trap: str, case: Case, dtype: str) -> float:
    """The largest error over its bound of a trap on one case; infinite if a count is wrong."""
    true = truth(case, dtype)
    with np.errstate(all="ignore"):  # a mistake may well leave the numbers there are
        seen = observe(true, implementation({rule: trap}), free=False)
    return judge(true, seen).ratio


def telling(case: Case, dtype: str) -> bool:
    """Whether a case may catch something in a type that no other does.

    Shapes, absences and small rates are the same in all: of these, float32 is tried on what is
    large, and narrower types on the matrices.
    """
    _, trajectory, profile, _ = case.id.split("/")
    if dtype == "float64" or trajectory not in {"designed-absences", "designed-matrices"}:
        return True
    return profile == "amplified" and (dtype == "float32" or trajectory == "designed-matrices")


def kills(rule: str) -> Kills:
    """By how much each trap of a rule is caught, wherever it is."""
    found: Kills = {trap["name"]: {} for trap in spec.load(spec.kind_of(rule), rule)["trap"]}
    for pipeline in pipelines(rule):
        for case in questions(pipeline):
            trajectory = case.id.split("/")[1]
            for dtype in (d for d in MEASURED if telling(case, d)):
                for trap, caught in found.items():
                    m = margin(rule, trap, case, dtype)
                    if m > 1:
                        _note(caught.setdefault(dtype, {"case": case.id}), trajectory, case.id, m)
    return found


def _note(at: dict[str, Any], trajectory: str, case: str, m: float) -> None:
    by = at.setdefault("by", {})
    size = functools.partial(_size, by)
    if m > max(map(size, by), default=0):
        at["case"] = case
    if m > size(trajectory):
        by[trajectory] = None if m == np.inf else float(f"{m:.3g}")


def _size(by: dict[str, float | None], trajectory: str) -> float:
    m = by.get(trajectory, 0.0)
    return np.inf if m is None else m


def best(rule: str, trap: str, dtype: str) -> float:
    """The largest margin that was noted of a trap; 0 if nothing catches it."""
    by = noted(rule).get(trap, {}).get(dtype, {}).get("by", {})
    return max((_size(by, trajectory) for trajectory in by), default=0.0)


LEAST = {"float64": 1e9, "float32": 100.0, "bfloat16": 2.0}
"""A trap is outside of the limit by this factor at least, or the specification says that a coarse
type hides it."""


def short(rule: str) -> Iterator[str]:
    """Which traps of a rule are noted to be nearer to the limit than they may, or are said to be
    hidden and are not.
    """
    for trap in spec.load(spec.kind_of(rule), rule)["trap"]:
        for dtype, least in LEAST.items():
            name, by = f"trap {trap['name']} of {rule}", best(rule, trap["name"], dtype)
            hidden = narrow(dtype) and dtype in trap.get("unseen", [])
            if by < least and not hidden:
                again = f"run python -m goldstep.conformance.margins --rule {rule}"
                say = f", or say unseen = [{dtype!r}] in its specification" * narrow(dtype)
                yield f"{name}: {by:.3g} times the limit in {dtype}, not {least:g}: {again}{say}"
            if by >= least and hidden:
                yield f"{name}: {by:.3g} times the limit in {dtype}, which is said to hide it"


def write(rule: str) -> Kills:
    """Measure the traps of a rule, and its window, and note both."""
    found = kills(rule)
    lines = [
        f" {json.dumps(trap)}: {{\n"
        + ",\n".join(f"  {json.dumps(d)}: {json.dumps(at)}" for d, at in caught.items())
        + "\n }"
        for trap, caught in found.items()
    ]
    window.write(rule)
    KILLS.mkdir(exist_ok=True)
    path = KILLS / f"{rule}.json"
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", newline="\n")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rule", action="append", default=[], metavar="GLOB", help="only these")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (default 1)")
    options = parser.parse_args()
    names = [name for _, name in spec.every()]
    for path in [*KILLS.glob("*.json"), *window.FOLDER.glob("*.json")]:
        if path.stem not in names:
            path.unlink()
    chosen = [
        name
        for name in names
        if not options.rule or any(fnmatch.fnmatchcase(name, glob) for glob in options.rule)
    ]
    if not chosen:
        parser.error(f"no rule is named {', '.join(options.rule)}; there is {', '.join(names)}")
    with ProcessPoolExecutor(options.jobs) as pool:
        for i, (rule, found) in enumerate(zip(chosen, pool.map(write, chosen), strict=True), 1):
            sys.stderr.write(f"[{i}/{len(chosen)}] {rule}\n")
            for trap, caught in found.items():
                best = {
                    d: max(map(functools.partial(_size, at["by"]), at["by"]))
                    for d, at in caught.items()
                }
                sys.stderr.write(f"    {trap}: {best or 'NOT CAUGHT'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

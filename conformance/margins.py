"""By how much each trap of the specification is caught: `python -m goldstep.conformance.margins`.

Each trap is put through the contract as an implementation would be, on every case of every
trajectory, and the manifest notes under `kills` how far outside the bound it falls. Run it when a
rule, a trap or a trajectory is added, then `python docs/build.py`.
"""

import argparse
import fnmatch
import functools
import json
import math
import sys
from collections.abc import Iterator

import numpy as np

from goldstep import spec
from goldstep.oracle import Arithmetic, Case, Truth, judge, make, observe
from goldstep.oracle.rules import iterations

from . import trajectories
from .cases import cases, rules
from .implementations import DTYPES


def traps() -> Iterator[tuple[str, str]]:
    """Every trap there is, as (rule, trap)."""
    for kind, name in spec.every():
        for trap in spec.load(kind, name)["trap"]:
            yield name, trap["name"]


def pipelines(rule: str) -> list[str]:
    """The pipelines of the suite in which a rule of any kind takes part."""
    return [
        p
        for p in rules()
        if p == rule
        or ("+" in p and rule in p.split("+")[:-1])
        or ("+" not in p and rule in iterations(p).values())
    ]


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
        seen = observe(true, functools.partial(make, meant={rule: trap}))
    return judge(true, seen).ratio


def kills(rule: str, trap: str) -> dict[str, dict[str, float | None]]:
    """The largest margin by trajectory and type, where it is above 1; None where it is infinite."""
    found: dict[str, dict[str, float | None]] = {}
    for pipeline in pipelines(rule):
        for case in questions(pipeline):
            at = found.setdefault(case.id.split("/")[1], {})
            for dtype in DTYPES:
                m = margin(rule, trap, case, dtype)
                if m > 1:
                    best = at.get(dtype, 0.0)
                    worse = best is None or math.isinf(m)
                    at[dtype] = None if worse else float(f"{max(best or 0, m):.3g}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rule", action="append", default=[], metavar="GLOB", help="only these")
    globs = parser.parse_args().rule
    manifest = trajectories.manifest()
    entries = {e["id"]: e for e in manifest["trajectories"]}
    chosen = [
        (rule, trap)
        for rule, trap in traps()
        if not globs or any(fnmatch.fnmatchcase(rule, glob) for glob in globs)
    ]
    known = set(traps())
    for entry in entries.values():  # traps that are no more
        for rule in list(entry["kills"]):
            kept = {t: m for t, m in entry["kills"][rule].items() if (rule, t) in known}
            entry["kills"][rule] = kept
    for i, (rule, trap) in enumerate(chosen, 1):
        found = kills(rule, trap)
        for id_, entry in entries.items():
            entry["kills"].setdefault(rule, {}).pop(trap, None)
            if at := found.get(id_):
                entry["kills"][rule][trap] = at
        best = {d: max((m.get(d) or 0 for m in found.values()), default=0) for d in DTYPES}
        sys.stderr.write(f"[{i}/{len(chosen)}] {rule} {trap}: {json.dumps(best)}\n")
    for entry in entries.values():
        entry["kills"] = {
            r: dict(sorted(t.items())) for r, t in sorted(entry["kills"].items()) if t
        }
    trajectories.write_manifest(manifest["trajectories"])
    return 0


if __name__ == "__main__":
    sys.exit(main())

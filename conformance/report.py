"""The short table at the end of a run, and what a report file says."""

import importlib.metadata
from collections.abc import Iterator, Sequence
from typing import Any

from . import trajectories
from .implementations import CAPABILITIES, Implementation

try:
    VERSION = importlib.metadata.version("goldstep")
except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
    VERSION = "unknown"

REPORT = {"goldstep": VERSION, "suite": trajectories.manifest()["suite"]}


def summary(asked: Sequence[Implementation], rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The lines of the table: of each rule its dialect, level, cases and worst error over bound."""
    for made in asked:
        own = [r for r in rows if r["implementation"] == made.name]
        tested = [r for r in own if r["case"]]
        by_rule = {r["rule"]: [q for q in own if q["rule"] == r["rule"]] for r in own}
        yield f"{made.name} {made.version}".strip() + f", suite {REPORT['suite']}"
        if not tested:
            yield "NOTHING WAS TESTED, which counts as a failure."
        table = [("rule", "dialect", "level", "cases", "error/bound", "verdict")]
        idle, broken = [], []
        for rule, some in by_rule.items():
            if not some[0]["offered"]:
                idle.append(rule)
                continue
            broken += [(rule, r["message"]) for r in some if not r["case"] and r["message"]]
            cases = [r for r in some if r["case"]]
            if not cases:
                continue
            bad = [r for r in cases if r["message"]]
            worst = max((r["ratio"] for r in cases if r["ratio"] is not None), default=float("nan"))
            level = str(cases[0]["level"])
            verdict = "conforms" if not bad else _common([r["verdict"] for r in bad])
            count = str(len(cases)) if not bad else f"{len(cases)}, {len(bad)} fail"
            table.append((rule, some[0]["claim"], level, count, f"{worst:.3g}", verdict))
        if len(table) > 1:
            widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
            for line in table:
                cells = zip(line, widths, strict=True)
                yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()
        for rule, message in broken:
            yield f"ADAPTER BROKEN for {rule}: {message}"
        if idle:
            yield f"NOT TESTED, not offered: {', '.join(idle)}"
        for capability, what in CAPABILITIES.items():
            if tested and capability not in made.capabilities:
                yield f"NOT TESTED, no capability '{capability}': {what}"
        if levels := {r["level"] for r in tested} - {2, None}:
            what = "its state is not read" if levels == {0} else "not everywhere teacher-forced"
            yield f"NOT TESTED at level 2: {what}"


def _common(verdicts: Sequence[str]) -> str:
    """What most cases that failed say."""
    return max(sorted(set(verdicts)), key=verdicts.count)

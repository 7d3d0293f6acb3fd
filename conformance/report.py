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


HEAD = ("rule", "dialect", "level", "cases", "error/bound", "verdict")


def summary(asked: Sequence[Implementation], rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The lines of the table: of each rule its dialect, level, cases and worst error over bound."""
    for made in asked:
        own = [r for r in rows if r["implementation"] == made.name]
        yield f"{made.name} {made.version}".strip() + f", suite {REPORT['suite']}"
        yield from made.notes
        tested = [r for r in own if r["case"]]
        yield from _table(tested) if tested else ["NOTHING WAS TESTED, which counts as a failure."]
        yield from _causes(tested)
        for r in own:
            if not r["case"] and r["message"]:
                yield f"ADAPTER BROKEN for {r['rule']}: {r['message']}"
        yield from _untested(made, own, tested)


def _table(tested: Sequence[dict[str, Any]]) -> Iterator[str]:
    table = [HEAD]
    for rule in dict.fromkeys(r["rule"] for r in tested):
        cases = [r for r in tested if r["rule"] == rule]
        bad = [r["verdict"] for r in cases if r["message"]]
        worst = max((r["ratio"] for r in cases if r["ratio"] is not None), default=float("nan"))
        count = str(len(cases)) + f", {len(bad)} fail" * bool(bad)
        verdict = max(sorted(set(bad)), key=bad.count) if bad else "conforms"
        level = next((str(r["level"]) for r in cases if r["level"] is not None), "-")
        table.append((rule, cases[0]["claim"], level, count, f"{worst:.3g}", verdict))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = zip(line, widths, strict=True)
        yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()


def _causes(tested: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Each cause once, with the cases that it explains, the most frequent first."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for r in tested:
        if r["message"]:
            groups.setdefault((r["rule"], r["verdict"]), []).append(r)
    for (rule, verdict), rows in sorted(groups.items(), key=lambda one: -len(one[1])):
        cases = f"{len(rows)} case" + "s" * (len(rows) > 1)
        yield f"CAUSE of {cases}: {rule}: {verdict}; first {rows[0]['case']}/{rows[0]['dtype']}"


def _untested(
    made: Implementation, own: Sequence[dict[str, Any]], tested: Sequence[dict[str, Any]]
) -> Iterator[str]:
    if idle := [r["rule"] for r in own if not r["offered"]]:
        yield f"NOT TESTED, not offered: {', '.join(idle)}"
    for capability, what in CAPABILITIES.items():
        if tested and capability not in made.capabilities:
            yield f"NOT TESTED, no capability '{capability}': {what}"
    if levels := {r["level"] for r in tested} - {2, None}:
        what = "its state is not read" if levels == {0} else "not everywhere teacher-forced"
        yield f"NOT TESTED at level 2: {what}"

"""What a run found, for people and for machines: the table, and files of several kinds."""

import importlib.metadata
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import trajectories
from .implementations import CAPABILITIES, Implementation

try:
    VERSION = importlib.metadata.version("goldstep")
except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
    VERSION = "unknown"

REPORT = {"report": 1, "goldstep": VERSION, "suite": trajectories.manifest()["suite"]}
"""How a report begins; `report` is the version of its schema, report.schema.json."""

HEAD = ("rule", "dialect", "level", "cases", "error/bound", "verdict")

Rows = Sequence[dict[str, Any]]


def report(asked: Sequence[Implementation], rows: Rows) -> dict[str, Any]:
    """Everything that was found, as report.schema.json describes it."""
    implementations = [
        {
            "name": made.name,
            "version": made.version,
            "notes": list(made.notes),
            "dialects": dict(made.dialects),
            "capabilities": sorted(made.capabilities),
            "totals": totals([r for r in rows if r["implementation"] == made.name]),
        }
        for made in asked
    ]
    return REPORT | {"implementations": implementations, "rows": list(rows)}


def totals(rows: Rows) -> dict[str, int]:
    """Of how many rules what is known; a rule of which anything fails does not conform."""
    by_rule: dict[str, list[dict[str, Any]]] = {}
    for r in rows:
        by_rule.setdefault(r["rule"], []).append(r)
    found = {"rules": len(by_rule), "conform": 0, "differ": 0, "expected": 0, "not tested": 0}
    for own in by_rule.values():
        tested = [r for r in own if r["case"] and r["status"] != "not tested"]
        if any(r["message"] for r in own if r["status"] not in {"expected", "not tested"}):
            found["differ"] += 1
        elif any(r["status"] == "expected" for r in own):
            found["expected"] += 1
        else:
            found["conform" if tested else "not tested"] += 1
    return found


def write(path: Path, found: dict[str, Any]) -> None:
    """Write a report; the ending of its name says of which kind."""
    path.write_text(WRITERS[path.suffix](found), encoding="utf-8")


def to_json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1) + "\n"


def to_html(found: dict[str, Any]) -> str:
    """One page that needs nothing else: the report is in it."""
    page = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    data = json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")
    return page.replace("{{report}}", data)


def to_markdown(found: dict[str, Any]) -> str:
    """For the summary of a continuous-integration run."""
    lines = []
    for made in found["implementations"]:
        own = [r for r in found["rows"] if r["implementation"] == made["name"]]
        tested = [r for r in own if r["case"] and r["status"] != "not tested"]
        lines += [f"## {made['name']} {made['version']}", "", f"{_counted(made['totals'])}."]
        lines += [f"Suite {found['suite']}.", ""]
        table = list(_rows(tested))
        if table:
            lines += [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
            lines += [f"| {' | '.join(cell.replace('|', '/') for cell in r)} |" for r in table]
        lines += ["", *(f"- {cause}" for cause in _causes(tested)), ""]
    return "\n".join(lines)


WRITERS = {".json": to_json, ".html": to_html, ".md": to_markdown}


def badge(asked: Sequence[Implementation], rows: Rows) -> str:
    """An endpoint badge of shields.io: what conforms to what, and never a mere percentage."""
    tested = [r for r in rows if r["case"] and r["status"] != "not tested"]
    bad = [r for r in tested if r["message"]]
    names = list(dict.fromkeys(r["rule"] for r in tested))
    claims = list(dict.fromkeys(r["claim"] for r in tested))
    dtypes = "+".join(dict.fromkeys(str(r["dtype"]) for r in tested))
    level = min((r["level"] for r in tested if r["level"] is not None), default=0)
    if len(names) == 1:
        what = names[0] if claims == names else f"{names[0]} ({claims[0]})"
    else:
        failing = {r["rule"] for r in bad}
        what = f"{len(names) - len(failing)} of {len(names)} rules"
    verdict = "nothing tested" if not tested else "differs" if bad else "conforms"
    said = f"{what} {verdict}, level {level}, {dtypes}, suite {REPORT['suite']}"
    color = "lightgrey" if not tested else "red" if bad else "brightgreen"
    label = asked[0].name if len(asked) == 1 else "goldstep"
    endpoint = {"schemaVersion": 1, "label": label, "message": said, "color": color}
    return json.dumps(endpoint, indent=1) + "\n"


def summary(asked: Sequence[Implementation], rows: Rows) -> Iterator[str]:
    """The lines of the table: of each rule its dialect, level, cases and worst error over bound."""
    for made in asked:
        own = [r for r in rows if r["implementation"] == made.name]
        yield f"{made.name} {made.version}".strip() + f", suite {REPORT['suite']}"
        yield from made.notes
        tested = [r for r in own if r["case"] and r["status"] != "not tested"]
        yield from _table(tested) if tested else ["NOTHING WAS TESTED, which counts as a failure."]
        yield from _causes(tested)
        for r in own:
            if not r["case"] and r["message"] and not r.get("check"):
                known = "EXPECTED, " * (r["status"] == "expected")
                what = "ADAPTER" if made.adapter else "CONTRACT"
                yield f"{known}{what} BROKEN for {r['rule']}: {r['message']}"
        yield from _wholes(own)
        yield from _untested(made, own, tested)
        yield _counted(totals(own))


def _counted(counts: dict[str, int]) -> str:
    """The score, over all rules that there are."""
    said = f"{counts['conform']} of {counts['rules']} rules conform, {counts['differ']} do not"
    known = f", {counts['expected']} are in the ledger" * bool(counts["expected"])
    return f"{said}{known}, {counts['not tested']} are NOT TESTED"


def _table(tested: Rows) -> Iterator[str]:
    table = [HEAD, *_rows(tested)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = zip(line, widths, strict=True)
        yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()


def _rows(tested: Rows) -> Iterator[tuple[str, ...]]:
    for rule in dict.fromkeys(r["rule"] for r in tested):
        cases = [r for r in tested if r["rule"] == rule]
        bad = [r["verdict"] for r in cases if r["message"]]
        worst = max(
            (float(r["ratio"]) for r in cases if r["ratio"] is not None), default=float("nan")
        )
        count = str(len(cases)) + f", {len(bad)} fail" * bool(bad)
        verdict = max(sorted(set(bad)), key=bad.count) if bad else "conforms"
        if bad and all(r["status"] == "expected" for r in cases if r["message"]):
            verdict = f"as expected: {verdict}"
        level = next((str(r["level"]) for r in cases if r["level"] is not None), "-")
        yield rule, cases[0]["claim"], level, count, f"{worst:.3g}", verdict


def _causes(tested: Rows) -> Iterator[str]:
    """Each cause once, with the cases that it explains, the most frequent first."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for r in tested:
        if r["message"]:
            groups.setdefault((r["rule"], r["verdict"]), []).append(r)
    for (rule, verdict), rows in sorted(groups.items(), key=lambda one: -len(one[1])):
        cases = f"{len(rows)} case" + "s" * (len(rows) > 1)
        yield f"CAUSE of {cases}: {rule}: {verdict}; first {rows[0]['case']}/{rows[0]['dtype']}"


def _wholes(own: Rows) -> Iterator[str]:
    """What was found of whole optimizers, beside their steps."""
    checks = [r for r in own if r.get("check")]
    for check in dict.fromkeys(r["check"] for r in checks):
        rows = [r for r in checks if r["check"] == check and r["status"] != "not tested"]
        if bad := [r for r in rows if r["message"]]:
            rules = ", ".join(r["rule"] for r in bad)
            yield f"WHOLE, {check}: {len(bad)} of {len(rows)} rules fail: {rules}"
    if passed := [r for r in checks if not r["message"] and r["status"] == "conforms"]:
        yield f"whole optimizers: {len(passed)} checks conform"


def _untested(made: Implementation, own: Rows, tested: Rows) -> Iterator[str]:
    if idle := [r["rule"] for r in own if not r["offered"]]:
        yield f"NOT TESTED, not offered: {', '.join(idle)}"
    if refused := [r for r in own if r["case"] and r["status"] == "not tested"]:
        first = str(refused[0]["message"]).removeprefix("NOT TESTED: ")
        many = f"{len(refused)} cases, of which the first: " if len(refused) > 1 else ""
        yield f"NOT TESTED: {many}{first}"
    for capability, what in CAPABILITIES.items():
        if tested and capability not in made.capabilities:
            yield f"NOT TESTED, no capability '{capability}': {what}"
    if levels := {r["level"] for r in tested} - {2, None}:
        what = "its state is not read" if levels == {0} else "not everywhere teacher-forced"
        yield f"NOT TESTED at level 2: {what}"

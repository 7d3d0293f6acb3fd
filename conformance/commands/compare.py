"""What has changed between two reports: `goldstep compare before.json after.json`

Only what differs is shown: cases that newly fail, that no longer do, that are no longer asked, and
those that fail otherwise than before. Implementations of one name are compared; where each report
holds one, whatever their names. The exit code is 1 if anything became worse.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import read

PASSES = {"", "conforms"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path, metavar="BEFORE.json")
    parser.add_argument("after", type=Path, metavar="AFTER.json")


def run(options: argparse.Namespace) -> int:
    before, after = _read(options.before), _read(options.after)
    worse = False
    for line, is_worse in compared(before, after):
        sys.stdout.write(f"{line}\n")
        worse = worse or is_worse
    return int(worse)


def _read(path: Path) -> dict[str, Any]:
    found = read(path)
    if not isinstance(found, dict) or found.get("report") != 1:
        msg = f"{path} is no report of goldstep's, version 1"
        raise ValueError(msg)
    return found


def compared(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Lines that say what has changed, each with whether it is for the worse."""
    if before["suite"] != after["suite"]:
        yield f"suite {before['suite']} -> {after['suite']}", False
    one, other = before["implementations"], after["implementations"]
    alike = len(one) == len(other) == 1
    was, now = _rows(before, named=not alike), _rows(after, named=not alike)
    versions = {x["name"]: x["version"] for x in one}
    for made in other:
        old = one[0]["version"] if alike else versions.get(made["name"])
        if old is not None and old != made["version"]:
            yield f"{made['name']} {old} -> {made['version']}", False
    changes: dict[tuple[str, str, bool], list[str]] = {}
    for key in dict.fromkeys([*was, *now]):
        said = _change(was.get(key), now.get(key))
        if said:
            rule = (now.get(key) or was[key])["rule"]
            changes.setdefault((said[0], rule, said[1]), []).append("/".join(filter(None, key)))
    for (what, rule, worse), names in changes.items():
        more = f" and {len(names) - 1} more" if names[1:] else ""
        yield f"{rule}: {what}: {names[0]}{more}", worse
    if not changes:
        yield f"nothing has changed in {len(now)} verdicts", False


def _rows(report: dict[str, Any], *, named: bool) -> dict[tuple[str, ...], dict[str, Any]]:
    return {
        (
            r["implementation"] if named else "",
            r["case"] or r.get("check") or r["rule"],
            r["dtype"] or "",
        ): r
        for r in report["rows"]
    }


def _change(was: dict[str, Any] | None, now: dict[str, Any] | None) -> tuple[str, bool] | None:
    old, new = (_verdict(r) for r in (was, now))
    if old == new:
        return None
    if new == "NOT TESTED":
        return f"NOT TESTED any more, was: {old}", True
    if new == "conforms":
        return f"conforms now, was: {old}", False
    worse = old in {"conforms", "NOT TESTED"}
    return f"{'newly fails' if worse else 'fails otherwise'}: {new}; was: {old}", worse


def _verdict(row: dict[str, Any] | None) -> str:
    if row is None or row["status"] == "not tested" or not row["offered"]:
        return "NOT TESTED"
    return "conforms" if row["status"] in PASSES else row["verdict"] or "the adapter is broken"

"""The ledger of what is known to differ: kept by the implementer, and never out of date.

`--xfail=FILE` is TOML, and an entry reads

    [[expected]]
    id     = "heavy_ball/designed-absences/*"    # as a failure names its case, or a glob, or a list
    reason = "the fused kernel wants every momentum buffer to be there"
    link   = "https://github.com/pytorch/pytorch/issues/0"    # optional
    until  = 2027-06-01                                       # optional: then it is an error

A rule whose adapter is broken is named by itself, `id = "heavy_ball"`; a check of the whole
optimizer is named after its rule, `id = "adam/saves"`.
"""

import datetime as dt
import fnmatch
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIELDS = {"id", "reason", "link", "until"}


class LedgerError(Exception):
    """A ledger that cannot be read, or says what is not so."""


@dataclass(frozen=True)
class Entry:
    ids: tuple[str, ...]
    reason: str
    link: str = ""

    def covers(self, named: str) -> bool:
        return any(fnmatch.fnmatchcase(named, glob) for glob in self.ids)

    def says(self) -> str:
        return f"{self.reason} ({self.link})" if self.link else self.reason


def read(path: Path, today: dt.date) -> list[Entry]:
    """The entries of a ledger. Raises LedgerError, naming the entry and the field."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        msg = f"--xfail={path}: {error}"
        raise LedgerError(msg) from error
    if set(said) - {"expected"} or not isinstance(said.get("expected", []), list):
        msg = f"--xfail={path}: it holds [[expected]] entries, and nothing else"
        raise LedgerError(msg)
    return [_entry(one, f"--xfail={path}", today) for one in said.get("expected", [])]


def _entry(said: Mapping[str, Any], where: str, today: dt.date) -> Entry:
    ids = said.get("id")
    ids = [ids] if isinstance(ids, str) else ids
    named = f"{where}: {said.get('id')!r}"
    if not isinstance(ids, list) or not ids or not all(isinstance(i, str) for i in ids):
        msg = f"{named}: id is a case as a failure names it, or a glob, or a list of them"
        raise LedgerError(msg)
    if unknown := said.keys() - FIELDS:
        msg = f"{named}: there is no field {min(unknown)!r}; there is {', '.join(sorted(FIELDS))}"
        raise LedgerError(msg)
    if not isinstance(said.get("reason"), str) or not said["reason"].strip():
        msg = f"{named}: say the reason"
        raise LedgerError(msg)
    until = said.get("until")
    if until is not None and type(until) is not dt.date:
        msg = f"{named}: until is a date, as in 2027-06-01"
        raise LedgerError(msg)
    if until is not None and until < today:
        msg = f"{named}: it was to hold until {until}. Mend it, or say anew until when"
        raise LedgerError(msg)
    return Entry(tuple(ids), said["reason"], str(said.get("link", "")))


def name(row: Mapping[str, Any]) -> str:
    """How a ledger calls a row of the report."""
    if row["case"]:
        return f"{row['case']}/{row['dtype']}"
    return f"{row['rule']}/{row['check']}" if row.get("check") else str(row["rule"])


def unmatched(entries: Iterable[Entry], names: Sequence[str]) -> list[str]:
    """The ids of a ledger that match nothing that was asked."""
    globs = [glob for entry in entries for glob in entry.ids]
    return [glob for glob in globs if not any(fnmatch.fnmatchcase(n, glob) for n in names)]


def written(rows: Iterable[Mapping[str, Any]]) -> str:
    """A ledger of all that failed: one entry for each cause."""
    causes: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["message"] and row["status"] != "not tested":
            cause = row["rule"], row["verdict"] or row["message"]
            causes.setdefault(cause, []).append(name(row))
    entries = []
    for (rule, verdict), ids in causes.items():
        lines = ",\n".join(f"  {json.dumps(i)}" for i in ids)
        reason = json.dumps(f"{rule}: {verdict}", ensure_ascii=False)
        entries.append(f'[[expected]]\nid     = [\n{lines},\n]\nreason = {reason}\nlink   = ""\n')
    return "\n".join(entries)

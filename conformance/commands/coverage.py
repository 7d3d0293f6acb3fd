"""Which known bugs and variants are caught, which are declared, and which are out of reach.

FILE is a JSON list of objects with at least `id`, `kind` (BUG or VARIANT) and `summary`. A bug is
caught if it is a trap of a rule, a variant declared if it is a dialect, a rule or a hyper-parameter
of its own; the `id` of each says so in the specification. What is no line of any rule is listed in
conformance/beyond_rules.toml, with what sees it or why nothing does. The exit code is 1 if anything
in FILE is neither.
"""

import argparse
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from goldstep import spec

from . import read

BEYOND = Path(__file__).parent.parent / "beyond_rules.toml"
VERDICTS = ("caught", "declared", "out of reach", "not covered")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a JSON list of known bugs")


def specified() -> Iterator[tuple[str, str, str]]:
    """What the specification calls by an id: (id, verdict, what it is there)."""
    for kind, name in spec.every():
        s = spec.load(kind, name)
        for id_ in s.get("id", []):
            yield id_, "declared", f"the rule {name}"
        for key, row in s["hyper"].items():
            for id_ in row.get("id", []):
                yield id_, "declared", f"the hyper-parameter {key} of {name}"
        for what, verdict in (("dialect", "declared"), ("trap", "caught")):
            for reading in s[what]:
                for id_ in reading.get("id", []):
                    yield id_, verdict, f"the {what} {reading['name']} of {name}"


def beyond() -> Iterator[tuple[str, str, str]]:
    """What is no line of a rule: (id, verdict, why)."""
    for entry in tomllib.loads(BEYOND.read_text(encoding="utf-8"))["entry"]:
        for id_ in entry["id"]:
            yield id_, entry["verdict"], entry["why"]


def verdicts(known: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """Of each known bug or variant, its id, the best verdict on it, and what or why."""
    found: dict[str, dict[str, list[str]]] = {}
    for id_, verdict, what in [*specified(), *beyond()]:
        found.setdefault(id_, {}).setdefault(verdict, []).append(what)
    rows = []
    for id_ in [entry["id"] for entry in known]:
        said = found.get(id_, {"not covered": ["neither in the specification nor beyond it"]})
        verdict = min(said, key=VERDICTS.index)
        rows.append((id_, verdict, "; ".join(dict.fromkeys(said[verdict]))))
    return rows


def run(options: argparse.Namespace) -> int:
    known = read(options.file)
    if not isinstance(known, list) or not all(isinstance(x, dict) and "id" in x for x in known):
        msg = f"{options.file} is no list of objects, each with its id"
        raise ValueError(msg)
    rows = verdicts(known)
    wide = max((len(id_) for id_, _, _ in rows), default=0)
    for id_, verdict, what in sorted(rows, key=lambda row: VERDICTS.index(row[1])):
        sys.stdout.write(f"{verdict:12}  {id_:{wide}}  {what}\n")
    count = Counter(verdict for _, verdict, _ in rows)
    said = ", ".join(f"{count[verdict]} {verdict}" for verdict in VERDICTS)
    sys.stdout.write(f"{len(rows)}: {said}\n")
    return int(count["not covered"] > 0)

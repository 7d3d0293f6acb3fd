"""The atlas: which library implements what, in whose dialect, as recorded runs have found.

  python -m goldstep.conformance --impl=timm --report=timm.json
  python docs/atlas.py timm.json     # keep what it found, and write docs/atlas.md anew
  python docs/atlas.py optax.json --as "optax, eager"   # what was run with JAX_DISABLE_JIT=1
  python docs/atlas.py --check       # is the page what the records say?

A record is docs/atlas/<implementation>.json. What a finding means is written by hand, in
docs/atlas/findings.toml.
"""

import argparse
import json
import sys
import tomllib
from pathlib import Path

from goldstep.conformance.cases import cases
from goldstep.conformance.implementations import implementation
from goldstep.conformance.shrink import shrunken

DOCS = Path(__file__).parent
RECORDS = DOCS / "atlas"


def small(report):
    """A report as it is kept: of each implementation and rule what was found, and how."""
    for made in report["implementations"]:
        rows = [r for r in report["rows"] if r["implementation"] == made["name"]]
        rules = {}
        for rule in dict.fromkeys(r["rule"] for r in rows if r["offered"]):
            own = [r for r in rows if r["rule"] == rule]
            cases = [r for r in own if r["case"] and r["status"] != "not tested"]
            bad = [r for r in own if r["message"] and r["status"] != "not tested"]
            ratios = [float(r["ratio"]) for r in cases if r["ratio"] is not None]
            rules[rule] = {
                "claim": own[0]["claim"],
                "level": next((r["level"] for r in cases if r["level"] is not None), None),
                "cases": len(cases),
                "checks": sum(bool(r.get("check")) and r["status"] == "conforms" for r in own),
                "worst": float(f"{max(ratios):.3g}") if ratios else None,
                "dtypes": {d: _within(cases, d) for d in dict.fromkeys(r["dtype"] for r in cases)},
                "failing": [_name(r) for r in bad],
                "verdicts": sorted({r["verdict"] or r["message"].split("\n")[0] for r in bad}),
                "smallest": _smallest(made["name"], rule, bad),
            }
        yield (
            made["name"],
            {
                "implementation": made["name"],
                "version": made["version"],
                "suite": report["suite"],
                "rules": rules,
            },
        )


def _within(cases, dtype):
    """How many cases there are in a type, how many differ, and how near the others come."""
    own = [r for r in cases if r["dtype"] == dtype]
    near = [float(r["ratio"]) for r in own if r["status"] == "conforms"]
    worst = float(f"{max(near):.3g}") if near else None
    return {"cases": len(own), "differ": len(own) - len(near), "worst": worst}


def _name(row):
    return f"{row['case']}/{row['dtype']}" if row["case"] else row.get("check") or "the adapter"


def _smallest(name, rule, bad):
    """The smallest test that fails, of the first case that can be shrunk."""
    for row in [r for r in bad if r["case"]][:1]:
        case = next(c for c in cases(rule) if c.id == row["case"])
        lines = shrunken(implementation(name), case, row["dtype"])
        if len(lines) > 1:
            return "\n".join(lines[2:])
    return None


def page():
    """The page, from all records."""
    records = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(RECORDS.glob("*.json"))]
    findings = tomllib.loads((RECORDS / "findings.toml").read_text(encoding="utf-8"))["finding"]
    lines = ["# The atlas", "", INTRODUCTION, ""]
    lines += ["| implementation | version | suite | rules conform | differ |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for r in records:
        bad = [rule for rule, said in r["rules"].items() if said["failing"]]
        count = f"{len(r['rules']) - len(bad)} of {len(r['rules'])} offered"
        name = f"`{r['implementation']}` | {r['version']}"
        lines.append(f"| {name} | {r['suite']} | {count} | {', '.join(bad) or '-'} |")
    lines += ["", "## By rule", "", "| rule | in the dialect | level | cases | worst error/bound |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for rule in sorted({rule for r in records for rule in r["rules"]}):
        lines.append(f"| **{rule}** | | | | |")
        lines += [row(r, r["rules"][rule]) for r in records if rule in r["rules"]]
    lines += ["", "## Findings", ""]
    known = {
        (r["implementation"], rule): said for r in records for rule, said in r["rules"].items()
    }
    explained = set()
    for n, f in enumerate(findings, 1):
        about = [(f["implementation"], rule) for rule in f.get("rules", [])]
        explained |= set(about)
        tests = [f["test"]] if "test" in f else [known[k]["smallest"] for k in about if k in known]
        lines += finding(n, f, [t for t in tests if t][:1])
    for (name, rule), said in known.items():
        if said["failing"] and (name, rule) not in explained:
            msg = f"{name} fails {rule}, which no finding of docs/atlas/findings.toml explains"
            raise ValueError(msg)
    return "\n".join(lines).rstrip() + "\n"


INTRODUCTION = """\
Which library implements what, in whose dialect, as the suite has found by running them. The page is
generated by `docs/atlas.py` from the records in [docs/atlas](atlas): a run of the suite each."""


def row(record, said):
    """What one implementation does with one rule."""
    verdict = f"**{'; '.join(said['verdicts'])}**" if said["failing"] else said["claim"]
    level = "-" if said["level"] is None else said["level"]
    worst = "-" if said["worst"] is None else f"{said['worst']:.3g}"
    name = f"{record['implementation']} {record['version']}"
    return f"| {name} | {verdict.replace('|', '/')} | {level} | {said['cases']} | {worst} |"


def finding(n, f, tests):
    """What was found, and the smallest test that shows it."""
    whose = {"theirs": "in the library", "ours": "in goldstep"}[f["whose"]]
    lines = [f"### {n}. {f['title']}", "", f"*{f['where']}; {whose}.* {f['says'].strip()}", ""]
    lines += [f"See {f['link']}.", ""] if "link" in f else []
    for test in tests:
        lines += ["```python", test.rstrip(), "```", ""]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", nargs="*", type=Path)
    parser.add_argument("--as", dest="name", help="what was run in another way is kept as this")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    for path in options.report:
        for made, record in small(json.loads(path.read_text(encoding="utf-8"))):
            name = options.name or made
            kept = record | {"implementation": name}
            text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
            (RECORDS / f"{name.replace(', ', '-')}.json").write_text(text, encoding="utf-8")
    written, due = DOCS / "atlas.md", page()
    if options.check:
        return int(written.read_text(encoding="utf-8") != due)
    written.write_text(due, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the rules are: a list of them all, or the equations of some beside their code.

    goldstep spec                     every rule: kind, family, source, how much is known of it
    goldstep spec adam lion           their equations, each beside the line that computes it
    goldstep spec 'ada*' --kind=optimizers --has=dialect
    goldstep spec adam --tex          the equations as they are written
    goldstep spec adam --check        whether each equation says what its line computes
    goldstep spec adam --json         all that is specified, for any language

A rule's family is the rule that it comes from, or the one that that comes from. Beside each rule
stands how many dialects, traps, laws and witnesses it has. An equation is numbered by its tag, the
same in the reference, on the rule's page and in every verdict of the suite.
"""

import argparse
import fnmatch
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator

from goldstep import spec
from goldstep.oracle import plain

COUNTED = ("dialect", "trap", "law", "witness")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", nargs="*", help="names in full are shown, patterns are listed")
    parser.add_argument("--kind", choices=spec.KINDS, help="only rules of this kind")
    parser.add_argument("--has", choices=(*COUNTED, "given"), help="only rules that have one")
    parser.add_argument("--used-by", metavar="WORD", help="only dialects' users that contain it")
    parser.add_argument("--tex", action="store_true", help="equations as they are written")
    parser.add_argument("--check", action="store_true", help="compute equations and lines")
    parser.add_argument("--json", action="store_true", help="all that is specified, as JSON")


def chosen(options: argparse.Namespace) -> list[tuple[str, str]]:
    """The rules that are asked for, as (kind, name). LookupError if a name is of none."""
    globs = options.rule or ["*"]
    for name in globs:
        if not any(c in name for c in "*?["):
            spec.kind_of(name)
    return [
        (kind, name)
        for kind, name in spec.every()
        if any(fnmatch.fnmatchcase(name, glob) for glob in globs)
        and options.kind in {None, kind}
        and (options.has is None or spec.load(kind, name)[options.has])
        and (options.used_by is None or users(kind, name, options.used_by))
    ]


def users(kind: str, name: str, word: str) -> list[str]:
    """Who uses a dialect of a rule, and has a word in its name."""
    every = [user for d in spec.load(kind, name)["dialect"] for user in d["used_by"]]
    return [user for user in every if word.lower() in user.lower()]


def run(options: argparse.Namespace) -> int:
    rules = chosen(options)
    if not rules:
        msg = "no rule is all of that"
        raise LookupError(msg)
    if options.json:
        found = {name: spec.load(kind, name) for kind, name in rules}
        sys.stdout.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        return 0
    if options.check:
        from goldstep.oracle.certify import report  # noqa: PLC0415

        return report([name for _, name in rules])
    exact = {name for name in options.rule if not any(c in name for c in "*?[")}
    listed = [(kind, name) for kind, name in rules if name not in exact]
    lines = [*table(listed)] if listed else []
    for kind, name in rules:
        if name in exact:
            lines += [*([""] if lines else []), *page(kind, name, as_written=options.tex)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def family(name: str) -> str:
    """The first of the rules that a rule comes from.

    >>> family("adamw")
    'adam'
    """
    origin = spec.load(spec.kind_of(name), name).get("from")
    return family(origin) if origin else name


def table(rules: list[tuple[str, str]]) -> Iterator[str]:
    rows = []
    for kind, name in rules:
        s = spec.load(kind, name)
        counts = [str(len(s[what])) for what in COUNTED]
        rows.append([name, kind, family(name), *counts, s["source"][0]["what"]])
    head = ["rule", "kind", "family", "dialects", "traps", "laws", "witnesses", "source"]
    wide = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head) - 1)]
    width = shutil.get_terminal_size((160, 24)).columns
    for row in [head, *rows]:
        line = "  ".join(cell.ljust(n) for cell, n in zip(row, wide, strict=False))
        whole = f"{line}  {row[-1]}"
        yield whole if len(whole) <= width else whole[: width - 1] + "…"
    yield f"{len(rows)} rules"


def page(kind: str, name: str, *, as_written: bool) -> Iterator[str]:
    from goldstep.oracle import link, module  # noqa: PLC0415

    s, code = spec.load(kind, name), link.tagged(module(name))
    yield f"{name}: {s['title']}, one of the {kind}"
    yield from wrapped(s["summary"])
    for source in s["source"]:
        yield from wrapped(f"{source['what']} <{source['url']}>", "  ")
    for what in ("hyper", "state", "given"):
        if s[what]:
            rows = [f"{tex(r['tex'], as_written)} = {k}" for k, r in s[what].items()]
            yield from wrapped(f"{what}: {', '.join(rows)}")
    yield ""
    yield from equations([(e["tag"], e["tex"]) for e in s["equation"]], code, as_written)
    for d in s["dialect"]:
        yield ""
        yield from wrapped(f"dialect {d['name']}, as in {'; '.join(d['used_by'])}")
        yield from equations(list(d["tex"].items()), d["code"], as_written)
    for what in ("trap", "law", "witness"):
        if s[what]:
            yield ""
            names = [x.get("name") or f"{x['what']} ({x['difference']:.1e})" for x in s[what]]
            many = "witnesses" if what == "witness" else f"{what}s"
            yield from wrapped(f"{many}: {'; '.join(names)}")


def equations(rows: list[tuple[str, str]], code: dict[str, str], as_written: bool) -> Iterator[str]:  # noqa: FBT001
    """Equations and lines side by side, or one under the other where the terminal is narrow."""
    said = [(tag, tex(x, as_written), code.get(tag, "")) for tag, x in rows]
    first = max(len(tag) for tag, _, _ in said)
    wide = max(plain.width(x) for _, x, _ in said)
    room = shutil.get_terminal_size((160, 24)).columns
    beside = first + wide + max(len(line) for _, _, line in said) + 8 <= room
    for tag, x, line in said:
        if beside:
            gap = " " * (wide - plain.width(x) + 4)
            yield f"  {tag.ljust(first)}  {x}{gap}{line}".rstrip()
        else:
            yield f"  {tag.ljust(first)}  {x}"
            yield f"  {' ' * first}  {line}"


def wrapped(text: str, indent: str = "") -> list[str]:
    width = min(100, shutil.get_terminal_size((100, 24)).columns)
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + "  ")


def tex(written: str, as_written: bool) -> str:  # noqa: FBT001
    if as_written:
        return written
    return plain.text(written)

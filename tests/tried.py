"""What is tried of each rule, counted: changes of its equations and lines, and its witnesses.

    python tests/tried.py        # writes tried.json, of which docs/certificates.md is made

By rule: of how many changes of its equations how many do not show, the same of its lines, and how
many of its witnesses are run again. The tests try the same, and hold the numbers true.
"""

import functools
import json
import re
import tomllib
import warnings
from pathlib import Path

import mutants
import numpy as np
import witnessing

from goldstep import spec
from goldstep.oracle import certify, module
from goldstep.oracle.certify import Comparison, Point, difference, limit
from goldstep.oracle.examples import examples
from goldstep.oracle.tex import ACCENTS, TexError, lex

NOTED = Path(__file__).with_name("tried.json")
EXECUTED = [name for kind, name in spec.every() if "says-only" not in spec.load(kind, name)]
EQUIVALENT = {
    (m["tag"], m["said"])
    for m in tomllib.loads(Path(__file__).with_name("equivalent.toml").read_text()).get("same", [])
}
NOTHING = (TexError, ArithmeticError, TypeError, ValueError, AttributeError, LookupError, NameError)


@functools.cache
def points(name):
    """Every passage through a line of a rule, on all examples, by tag."""
    comparison = Comparison(name)
    found = {tag: [] for tag in comparison.equations}
    for e in examples(name):
        for point in comparison.points(e):
            found[point.tag].append(point)
    return found


def told(far, passed, change):
    """Whether a change shows: by the value at some point, or because it says nothing there."""
    for point in passed:
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                if far(point, change) > limit(exact=False):
                    return True
        except NOTHING:
            return True
    return False


def symbols(name):
    """The letters of a rule, with those that differ only by a subscript taken once."""
    s = spec.load(spec.kind_of(name), name)
    rows = [*s["hyper"].values(), *s["state"].values(), *s["given"].values()]
    letters = [t.s for row in rows for t in lex(row["tex"]) if t.s.strip("\\").isalpha()]
    gradient = "G" if s["theta"] == "matrix" else "g"
    return sorted({*letters, gradient, r"\theta"} - {*ACCENTS, "t"})


def equations(name):
    """Each change of an equation of a rule in one place, and whether it shows."""
    said, found = certify.said(name), {}
    for tag, passed in points(name).items():
        for tex in [] if tag in said.says_only else mutants.of_tex(said.tex[tag], symbols(name)):
            found[tag, tex] = told(Point.otherwise, passed, tex)
    return found


def lines(name):
    """Each change of a line of a rule in one place, and whether it shows."""
    said, found = certify.said(name), {}

    def far(point, code):
        """How far another line is from the equation."""
        known = dict(vars(module(name)), **point.before)
        exec(code, known)
        values = [certify.vector(known[n]) for n in point.names]
        return max(difference(v.x, x) for v, x in zip(point.stated, values, strict=True))

    for tag, passed in points(name).items():
        line = re.sub(r"^return ", "returned = ", said.code[tag])
        named = [
            p._replace(names=tuple(n.replace("return", "returned") for n in p.names))
            for p in passed
        ]
        names = variables(passed)
        for code in [] if tag in said.says_only else mutants.of_code(line, names):
            found[tag, code] = told(far, named, compile(code, tag, "exec"))
    return found


def variables(passed):
    """The names that a line can read by mistake; of two for one and the same object, one."""
    names = sorted({n for p in passed for n in p.before if not n.startswith("_")})
    every = {n: tuple(id(p.before.get(n)) for p in passed) for n in names}
    distinct = {every[n]: n for n in reversed(names)}
    return [
        n for n in names if distinct[every[n]] == n and n not in {"xp", "hyper", "state", "given"}
    ]


def noted():
    """What was counted of each rule."""
    return json.loads(NOTED.read_text(encoding="utf-8"))


def count(changes):
    """How many changes were tried, and how many of them do not show."""
    return [len(changes), sum(not shows for shows in changes.values())]


def counted(name):
    """What is noted of a rule."""
    executed = name in EXECUTED
    return {
        "equations": count(equations(name) if executed else {}),
        "lines": count(lines(name) if executed else {}),
        "witnesses": witnessing.run_again(name),
    }


def main():
    rows = [f"{json.dumps(name)}: {json.dumps(counted(name))}" for _, name in spec.every()]
    NOTED.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

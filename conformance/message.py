"""What is said of an implementation that does not conform: enough to go and mend it."""

import textwrap
from collections.abc import Sequence

from goldstep import spec
from goldstep.oracle import Truth, link, module
from goldstep.oracle.diagnose import Match, explain
from goldstep.oracle.judge import Divergence
from goldstep.oracle.rules import readings

WIDTH = 90
INDENT = 12


def headline(claim: str, matches: Sequence[Match]) -> str:
    """The verdict in one line.

    >>> headline("adam", [Match("adam", "dialect", "epsilon-inside-the-root", 0.4, ("adam.6",))])
    'conforms to dialect epsilon-inside-the-root, claims adam'
    """
    if matches and matches[0].kind == "trap":
        return f"does not conform: it is the trap {matches[0].name} of {matches[0].rule}"
    if matches:
        which = "dialect " * (matches[0].kind == "dialect") + matches[0].name
        return f"conforms to {which}, claims {claim}"
    return "does not conform, and is no dialect or trap that is known"


def row(label: str, text: str) -> str:
    """One labelled line, wrapped under its own text."""
    wrapped = textwrap.wrap(
        text, WIDTH - INDENT, break_long_words=False, break_on_hyphens=False
    ) or [""]
    return textwrap.indent(
        ("\n" + " " * (INDENT - 2)).join([f"{label:{INDENT - 2}}{wrapped[0]}", *wrapped[1:]]), "  "
    )


def _repeat(command: str) -> str:
    return f"  repeat    {command}"  # in one piece, to be copied


def equation(tag: str) -> str:
    """An equation as it stands in the reference.

    >>> equation("lion.3")
    'lion.3: m = b2 * m + (1 - b2) * g'
    """
    lines = {t: line for _, name in spec.every() for t, line in link.tagged(module(name)).items()}
    return f"{tag}: {lines[tag]}"


def again(truth: Truth, d: Divergence, said: str, command: str) -> str:
    """The message of a case that failed as one before it did."""
    place = f"step {d.step}, {d.mode}, tensor '{d.wrong[0].tensor}', slot {d.wrong[0].slot}"
    where = f"{place}: {d.wrong[0].ratio:.3g} times the bound"
    return "\n".join([f"{truth.case.rule}: {said}, as above", row("at", where), _repeat(command)])


def failure(truth: Truth, d: Divergence, matches: Sequence[Match], claim: str, command: str) -> str:
    """The message of a case that failed: where, by how much, why, and how to see it again."""
    worst = d.wrong[0]
    place = f"tensor '{worst.tensor}'" + (
        f", element {list(worst.element)}" if worst.element else ""
    )
    lines = [
        f"{truth.case.rule}: {headline(claim, matches)}",
        "",
        row("case", f"{truth.case.id}/{truth.arithmetic.dtype}"),
        row("step", f"{d.step}, {d.mode}; {place}, slot {worst.slot}"),
        row("got", f"{worst.got!r}"),
        row("expected", f"{worst.expected!r}"),
        row("bound", f"{worst.bound:.3g}; the error is {worst.ratio:.3g} times that"),
    ]
    others = [w.slot for w in d.wrong[1:]]
    if others or d.right:
        parts = [f"also wrong: {', '.join(others)}"] * bool(others)
        parts += [f"right: {', '.join(sorted(d.right))}"] * bool(d.right)
        lines.append(row("slots", "; ".join(parts)))
    if matches and matches[0].tags:
        best = matches[0]
        for tag in best.tags:
            lines.append(row("equation", equation(tag)))
            lines.append(row("yours", readings(best.rule)[best.name]["code"][tag]))
        said = readings(best.rule)[best.name]
        why = said.get("seen") or said["says"]
        lines.append(row("matches", f"{best.kind} {best.name} of {best.rule}: {why}"))
        if same := [m.name for m in matches[1:]]:
            lines.append(row("", f"on this case the same as {', '.join(same)}"))
    else:
        for i, tag in enumerate(explain(truth, d)[:4]):
            lines.append(row("equation" if i == 0 else "", equation(tag)))
    arithmetic = truth.arithmetic
    lines += [
        row(
            "declared",
            f"tensors {arithmetic.dtype}, host scalars {arithmetic.scalar_dtype}, "
            f"matrix iterations {arithmetic.iteration}",
        ),
        _repeat(command),
    ]
    return "\n".join(lines)

"""What is said of an implementation that does not conform: enough to go and mend it."""

import math
import textwrap
from collections.abc import Iterator, Sequence

from goldstep import spec
from goldstep.oracle import Truth, link, module
from goldstep.oracle.diagnose import Match, explain
from goldstep.oracle.judge import Divergence

WIDTH = 90
INDENT = 12


def headline(claim: str, matches: Sequence[Match], d: Divergence | None = None) -> str:
    """The verdict in one line.

    >>> from goldstep.oracle.mistakes import Suspicion
    >>> inside = Suspicion("adam", "dialect", "epsilon-inside-the-root")
    >>> headline("adam", [Match(inside, 0.4)])
    'conforms to dialect epsilon-inside-the-root, claims adam'
    """
    if matches:
        best = matches[0]
        if best.kind in {"dialect", "rule"} and best.explains:
            return f"conforms to {'dialect ' * (best.kind == 'dialect')}{best.name}, claims {claim}"
        what = f"the trap {best.name} of {best.rule}" if best.kind == "trap" else best.name
        if best.explains:
            return f"does not conform: {'it is ' * (best.kind == 'trap')}{what}"
        return f"does not conform: nearest is {what}, which does not explain all"
    if d is not None and not math.isfinite(d.wrong[0].got):
        return f"does not conform: it gives {d.wrong[0].got} for a number"
    return "does not conform, and is no dialect or trap that is known"


def row(label: str, text: str) -> str:
    """One labelled line, wrapped under its own text."""
    wrapped = textwrap.wrap(
        text, WIDTH - INDENT, break_long_words=False, break_on_hyphens=False
    ) or [""]
    return textwrap.indent(
        ("\n" + " " * (INDENT - 2)).join([f"{label:{INDENT - 2}}{wrapped[0]}", *wrapped[1:]]), "  "
    )


def repeat(command: str) -> str:
    return f"  repeat    {command}"  # in one piece, to be copied


def line(tag: str) -> str:
    """The line of the reference that bears a tag."""
    lines = {t: code for _, name in spec.every() for t, code in link.tagged(module(name)).items()}
    return lines[tag]


def equation(tag: str) -> str:
    """An equation as it stands in the reference.

    >>> equation("lion.3")
    'lion.3: m = b2 * m + (1 - b2) * g'
    """
    return f"{tag}: {line(tag)}"


def failure(truth: Truth, d: Divergence, matches: Sequence[Match], claim: str) -> str:
    """The message of a case that failed: where, by how much, why, and how to see it again."""
    worst = d.wrong[0]
    place = f"tensor '{worst.tensor}'" + (
        f", element {list(worst.element)}" if worst.element else ""
    )
    lines = [
        f"{truth.case.rule}: {headline(claim, matches, d)}",
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
    lines += list(_explained(truth, d, matches))
    arithmetic = truth.arithmetic
    lines += [
        row(
            "declared",
            f"tensors {arithmetic.dtype}, host scalars {arithmetic.scalar_dtype}, "
            f"matrix iterations {arithmetic.iteration}, computed in {arithmetic.compute}, "
            f"states {arithmetic.state}",
        ),
    ]
    return "\n".join(lines)


def _explained(truth: Truth, d: Divergence, matches: Sequence[Match]) -> Iterator[str]:
    """What was done instead, as far as it is known; else the equations that can be wrong."""
    if not matches or not matches[0].tags:
        for i, tag in enumerate(explain(truth, d)[:4]):
            yield row("equation" if i == 0 else "", equation(tag))
    if not matches:
        worst = d.wrong[0]
        near = abs(worst.got - worst.expected) <= 2.0**-18 * abs(worst.expected)
        if truth.arithmetic.dtype == "float64" and near:
            yield row("perhaps", "a part is computed in float32: so far do the two agree")
        return
    best = matches[0]
    for tag, code in best.suspicion.tags.items():
        yield row("equation", equation(tag))
        yield row("yours", code)
    what = f"{best.kind} {best.name} of {best.rule}"
    if best.kind not in {"trap", "dialect"}:
        what = best.name
    yield row("matches", f"{what}: {best.suspicion.says}" if best.suspicion.says else what)
    if best.kind == "dialect" and best.explains:
        yield row("", f"If it is meant, claim it: --dialect={best.rule}={best.name}")
    if not best.explains:
        share = f"{best.ratio:.3g} times the bound is left of {d.wrong[0].ratio:.3g}"
        yield row("", f"but not all of it: {share}")
    if best.rivals:
        yield row("", f"on this case the same as {', '.join(best.rivals[:4])}")

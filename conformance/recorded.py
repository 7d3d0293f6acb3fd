"""What is said of a recording that was held against the truth: in words, and as a picture."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from goldstep.oracle import link, pipeline
from goldstep.oracle.causes import Cause
from goldstep.oracle.pieces import Job, engine
from goldstep.oracle.rows import Row
from goldstep.oracle.verify import Report

from .message import equation, row


def told(job: Job, report: Report, found: Sequence[Cause]) -> list[str]:
    """What is said of a recording: the verdict, where and why, and a line for each tensor."""
    judged = [r for r in report.rows if not r.unjudged]
    steps = sorted({r.step for r in judged})
    lines = [headline(job, report), ""]
    if judged:
        ranks = f", {many} ranks joined" if (many := len(engine(job).parts)) > 1 else ""
        worst, elements = max(r.ratio for r in judged), sum(r.elements for r in judged)
        lines.append(row("steps", f"{len(steps)}, from {steps[0]} to {steps[-1]}{ranks}"))
        size = f"{elements:,} elements; the largest error is {worst:.3g} of its bound"
        lines.append(row("numbers", size))
    lines += [*hyper_lines(job), *notes_lines(report)]
    if report.first:
        lines += ["", *wrong_lines(job, report, report.first), *cause_lines(job, report, found)]
    if unjudged := [r for r in report.rows if r.unjudged]:
        r = unjudged[0]
        where = f"{len(unjudged)} rows, first step {r.step}, tensor '{r.tensor}'"
        lines.append(row("unjudged", f"{where}: {r.unjudged}"))
    return [*lines, "", *table(report)]


def headline(job: Job, report: Report) -> str:
    """The verdict in one line."""
    about = engine(job).parts[0].about
    what = f"{about['optimizer']} of {about['library']}".removesuffix(" of ") or "the run"
    if all(r.unjudged for r in report.rows):
        return f"{job.rule}: NOTHING was held against the truth"
    unjudged = sum(bool(r.unjudged) for r in report.rows)
    if report.conforms and unjudged:
        return f"{job.rule}: confirmed: {what}, but for {unjudged} rows that have no truth"
    if report.conforms:
        return f"{job.rule}: confirmed: {what} is within its bounds at every step"
    at = min([n.step for n in report.notes] + ([report.first.step] if report.first else []))
    return f"{job.rule}: not confirmed: {what} first leaves the truth at step {at}"


def wrong_lines(job: Job, report: Report, first: Row) -> list[str]:
    """Where the truth was first left, and by how much."""
    worst = first.wrong[0]
    element = f", element {list(worst.element)}" if worst.element else ""
    mode = "teacher-forced" if job.forced else "free-running"
    slots = "; ".join(f"{w.slot} in {w.many}" for w in first.wrong)
    right = f"; right: {', '.join(first.right)}" if first.right else ""
    rows = [r for r in report.rows if r.wrong]
    days, many = sorted({r.step for r in rows}), len({r.tensor for r in rows})
    place = f"{first.step}, {mode}; tensor '{first.tensor}'{element}, slot {worst.slot}"
    return [
        row("step", place),
        row("got", f"{worst.got!r}"),
        row("expected", f"{worst.expected!r}"),
        row("bound", f"{worst.bound:.3g}; the error is {worst.ratio:.3g} times that"),
        row("wrong", f"elements of {slots}{right}"),
        row("in all", f"{many} tensors are wrong, in {len(days)} steps: {spans(days)}"),
    ]


def cause_lines(job: Job, report: Report, found: Sequence[Cause]) -> list[str]:
    """What explains it; if nothing does, the equations that can have gone wrong."""
    lines = []
    for cause in found[:4]:
        reach = f"; explains {cause.explains} of {cause.tried} other places tried"
        says = cause.says + reach * bool(cause.tried)
        lines.append(row("it is" if cause is found[0] else "or", says))
        lines += [row("equation", equation(tag)) for tag in cause.tags]
    if not found and report.first:
        tags = suspects(job, report.first)[:4]
        lines += [row("" if i else "equation", equation(tag)) for i, tag in enumerate(tags)]
    return lines


def suspects(job: Job, first: Row) -> list[str]:
    """The equations that can explain what is wrong."""
    found: list[str] = []
    wrong = {w.slot for w in first.wrong}
    for stage in reversed(pipeline(job.rule).stages):
        found = link.suspects(stage.module, wrong, set(first.right)) + found
        wrong |= {"g"}
    return found


def hyper_lines(job: Job) -> list[str]:
    """Where hyper-parameters change in the recording."""
    recording = engine(job).parts[0]
    changes: dict[str, list[str]] = {}
    last: list[dict[str, Any]] = []
    for number in recording.numbers:
        groups = recording.groups(number)
        for old, new in zip(last, groups, strict=False):
            for key in [k for k in new if old.get(k) != new[k]]:
                changes.setdefault(key, []).append(f"{old.get(key)} to {new[key]} at step {number}")
        last = groups
    return [
        row(
            "changes",
            f"{key}: {'; '.join(found[:3])}" + f"; and {len(found) - 3} more" * (len(found) > 3),
        )
        for key, found in changes.items()
    ]


def notes_lines(report: Report) -> list[str]:
    """What is wrong between steps or between ranks, where it begins."""
    lines = []
    seen: dict[str, list[Any]] = {}
    for note in report.notes:
        slot = note.says.partition(" ")[0]
        seen.setdefault(f"{note.step if len(seen) < 4 else ''}{slot}", []).append(note)
    for several in list(seen.values())[:4]:
        one = several[0]
        more = f" (and so in {len(several) - 1} other places)" * (len(several) > 1)
        lines.append(
            row(
                "before" if "left" in one.says else "at",
                f"step {one.step}, tensor '{one.tensor}': {one.says}{more}",
            )
        )
    return lines


def spans(numbers: list[int]) -> str:
    """Ascending numbers, with runs of them drawn together.

    >>> spans([1, 2, 3, 7, 9, 10])
    '1-3, 7, 9-10'
    """
    found: list[list[int]] = []
    for n in numbers:
        if found and n == found[-1][1] + 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    texts = [f"{a}-{b}" if a != b else str(a) for a, b in found]
    return ", ".join(texts[:6]) + f", ... ({len(texts) - 6} more)" * (len(texts) > 6)


MARKS = " .:-=+*#%@"


def table(report: Report) -> list[str]:
    """Error over bound of each tensor along the steps: '@' is near its bound, '!' outside."""
    tensors: dict[str, dict[int, float]] = {}
    for r in report.rows:
        if not r.unjudged:
            tensors.setdefault(r.tensor, {})[r.step] = r.ratio
    steps = sorted({s for found in tensors.values() for s in found})
    if not steps:
        return []
    width = min(50, len(steps))
    cells = [steps[i * len(steps) // width : (i + 1) * len(steps) // width] for i in range(width)]
    name = max(map(len, tensors))
    name = min(name, 30)
    lines = [f"  {'tensor':{name}}  {'error/bound':>11}  steps {steps[0]} to {steps[-1]}"]
    order = sorted(tensors, key=lambda t: -max(tensors[t].values()))
    for tensor in order[:20]:
        found, bar = tensors[tensor], ""
        for cell in cells:
            worst = max((found.get(s, 0.0) for s in cell), default=0.0)
            level = math.log10(worst) if worst > 0 else -9
            bar += "!" if worst > 1 else MARKS[max(0, min(9, round(9 + 3 * level)))]
        lines.append(f"  {tensor[-name:]:{name}}  {max(found.values()):11.3g}  |{bar}|")
    if len(order) > 20:
        lines.append(f"  and {len(order) - 20} more tensors, further within")
    return lines


def picture(report: Report) -> str:
    """Error over bound by step and tensor, as SVG: blue within, red outside."""
    rows = [r for r in report.rows if not r.unjudged]
    tensors, steps = list(dict.fromkeys(r.tensor for r in rows)), sorted({r.step for r in rows})
    high, left, top = 16, 220, 40
    width = max(1, min(8, 900 // max(1, len(steps))))
    many = max(1, 900 // width)
    bins = {s: i * min(many, len(steps)) // len(steps) for i, s in enumerate(steps)}
    cells: dict[tuple[str, int], tuple[float, int]] = {}
    for r in rows:
        key = r.tensor, bins[r.step]
        if key not in cells or cells[key][0] < r.ratio:
            cells[key] = r.ratio, r.step
    wide = left + width * (max(bins.values(), default=0) + 1) + 20
    tall = top + high * len(tensors) + 30
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{tall}">',
        "<style>text {font: 11px sans-serif}</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{left}" y="20">error over bound: blue is within, red is outside</text>',
    ]
    for i, tensor in enumerate(tensors):
        y = top + high * i
        out.append(
            f'<text x="{left - 6}" y="{y + 12}" text-anchor="end">{escape(tensor[-34:])}</text>'
        )
    for (tensor, at), (ratio, step) in cells.items():
        y, x = top + high * tensors.index(tensor), left + width * at
        level = max(0.0, min(1.0, (math.log10(ratio) + 4) / 4)) if ratio > 0 else 0.0
        tone = round(245 - 145 * level)
        fill = f"rgb({tone},{tone},255)"
        if ratio > 1:
            deep = round(170 - 130 * max(0.0, min(1.0, math.log10(min(ratio, 1e6)) / 6)))
            fill = f"rgb(230,{deep},{deep})"
        out.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{high - 1}" fill="{fill}">'
            f"<title>{escape(tensor)}, step {step}: {ratio:.3g}</title></rect>"
        )
    if steps:
        y = top + high * len(tensors) + 16
        out.append(f'<text x="{left}" y="{y}">step {steps[0]}</text>')
        out.append(f'<text x="{wide - 20}" y="{y}" text-anchor="end">{steps[-1]}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"

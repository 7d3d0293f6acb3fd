"""Make golden fixtures for any language, check them, and export them.

  goldstep fixtures make adam -o adam                          the defaults: designed gradients
  goldstep fixtures make adamw --dialect=epsilon-hat --hyper=lr=0.01 --shapes=4x3,7 -o adamw
  goldstep fixtures check adam                                 checksums, and made again
  goldstep fixtures export adam --format=json -o adam.json     exact, in hexadecimal
  goldstep fixtures bundle --dtype=float32 -o fixtures         every rule and dialect
  goldstep fixtures list                                       what there is to make

A folder of fixtures describes itself, in its README.md. `check` exits with 1 if something differs.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHAPES = "4x3,2x4,3"
"""The tensors of the bundle: a tall and a wide matrix and a vector."""
STEPS = 8
FORMATS = ("json", "npz", "safetensors")


def arguments(parser: argparse.ArgumentParser) -> None:
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)

    make = tasks.add_parser("make", help="make the fixture of one rule")
    make.add_argument("rule", help="a rule or a pipeline, such as adam or l2+adam")
    make.add_argument(
        "--dialect",
        action="append",
        default=[],
        metavar="[RULE=]NAME",
        help="another reading of the rule, or of one of its stages; may be given again",
    )
    make.add_argument("--hyper", action="append", default=[], metavar="NAME=VALUE")
    make.add_argument("--profile", help="the other hyper-parameters: default, dyadic, amplified")
    make.add_argument("--trajectory", default="designed-shocks", help="the gradients")
    make.add_argument("--shapes", help="other tensors than the trajectory's, such as 4x3,7,scalar")
    make.add_argument("--steps", type=int, help="only the first steps of the trajectory")
    make.add_argument("--schedule", choices=["constant", "changing"], default="constant")
    _common(make)
    make.set_defaults(run=run_make)

    check = tasks.add_parser("check", help="whether fixtures are whole, and what they should be")
    check.add_argument("folder", type=Path)
    check.set_defaults(run=run_check)

    export = tasks.add_parser("export", help="a fixture as one file")
    export.add_argument("folder", type=Path)
    export.add_argument("--format", choices=FORMATS, default="json")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    export.set_defaults(run=run_export)

    bundle = tasks.add_parser("bundle", help="the fixtures of every rule and every dialect")
    _common(bundle)
    bundle.set_defaults(run=run_bundle)

    listing = tasks.add_parser("list", help="the rules, dialects and trajectories that there are")
    listing.set_defaults(run=run_list)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--scalar", choices=["float32", "float64"], help="of what is no tensor")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """Never reached: every task sets a function of its own."""
    raise AssertionError(options)


def reading(rule: str, named: list[str]) -> dict[str, str]:
    """The dialects that are named, each as NAME or RULE=NAME, by rule."""
    from goldstep.oracle.rules import pipeline, readings  # noqa: PLC0415

    said = {r: readings(r) for r in pipeline(rule).rules}
    found = {}
    for one in named:
        given, _, name = one.rpartition("=")
        rules = [r for r in said if given in {"", r} and name in said[r]]
        known = [f"{r}={n}" for r in said for n, row in said[r].items() if "seen" not in row]
        if not rules or "seen" in said[rules[0]][name]:
            msg = f"{rule} has no dialect {one}; there is {', '.join(known) or 'none'}"
            raise LookupError(msg)
        found[rules[0]] = name
    return found


def shape(text: str) -> tuple[int, ...]:
    """The lengths of the axes.

    >>> shape("4x3"), shape("scalar")
    ((4, 3), ())
    """
    if text == "scalar":
        return ()
    parts = text.split("x")
    if not all(part.isdecimal() for part in parts):
        msg = f"a shape reads like 4x3, 7 or scalar, not {text!r}"
        raise ValueError(msg)
    return tuple(int(part) for part in parts)


def refilled(recording: Any, shapes: str | None, steps: int | None) -> Any:
    """A trajectory cut to its first steps, its numbers poured, in order, into other shapes."""
    import numpy as np  # noqa: PLC0415

    there = len(recording.grads)
    if steps is not None and not 1 <= steps <= there:
        msg = f"--steps={steps}: {recording.id} has {there} steps"
        raise ValueError(msg)
    grads, params = recording.grads[:steps], recording.params
    if shapes is None:
        return recording._replace(grads=grads)
    whole = [n for n in params if all(g[n] is not None for g in grads) and params[n].size]
    if not whole:
        msg = f"--shapes: no tensor of {recording.id} has a gradient at every step to fill them"
        raise ValueError(msg)
    wanted: dict[str, tuple[int, ...]] = {}
    for text in shapes.split(","):
        again = sum(name.partition(".")[0] == text for name in wanted)
        wanted[f"{text}.{again + 1}" if again else text] = shape(text)

    def pour(tensors: Any) -> dict[str, Any]:
        pool, at, found = np.concatenate([np.ravel(tensors[n]) for n in whole]), 0, {}
        for name, form in wanted.items():
            size = int(np.prod(form))
            found[name] = np.resize(np.roll(pool, -at), size).reshape(form)
            at += size
        return found

    return recording._replace(params=pour(params), grads=[pour(g) for g in grads])


def case(  # noqa: PLR0913
    rule: str,
    *,
    trajectory: str = "designed-shocks",
    profile: str | None = None,
    schedule: str = "constant",
    shapes: str | None = None,
    steps: int | None = None,
    hyper: dict[str, float] | None = None,
) -> Any:
    """The case that a command line describes."""
    from dataclasses import replace  # noqa: PLC0415

    import numpy as np  # noqa: PLC0415

    from goldstep.conformance import cases, trajectories  # noqa: PLC0415
    from goldstep.oracle import Case  # noqa: PLC0415
    from goldstep.oracle.rules import PROFILES, pipeline  # noqa: PLC0415

    profile = profile or ("default" if trajectory.startswith("recorded-") else "amplified")
    if profile not in PROFILES:
        msg = f"--profile={profile}: there is {', '.join(PROFILES)}"
        raise ValueError(msg)
    stages = pipeline(rule)
    values = stages.check(stages.profile(profile) | (hyper or {}))
    if not stages.stages:
        return cases.counted(rule, profile, values, steps or cases.COUNTED)
    parts = [profile, schedule] + [f"{steps}-steps"] * bool(steps) + [shapes or ""] * bool(shapes)
    parts += [f"{k}={v!r}" for k, v in (hyper or {}).items()]
    if not stages.stages:
        counted = cases.counted(rule, profile, values, steps or cases.COUNTED)
        return replace(counted, id="/".join([rule, cases.COUNT, *parts]))
    recording = refilled(trajectories.load(trajectory), shapes, steps)
    params = {n: x for n, x in recording.params.items() if stages.takes(x.shape)}
    grads = [{name: g[name] for name in params} for g in recording.grads]
    if not params:
        msg = f"{rule} takes matrices, and there is none among the tensors"
        raise ValueError(msg)
    if stages.gram:
        grads = [{k: g if g is None else cases.gram(g) for k, g in now.items()} for now in grads]
        params = {name: np.zeros((len(x), len(x))) for name, x in params.items()}
    changes: list[dict[str, float]] = [{} for _ in grads]
    if schedule == "changing":
        factors = [cases.SCHEDULE[t % len(cases.SCHEDULE)] for t in range(len(grads))]
        changes = [{"lr": values["lr"] * factor} for factor in factors]
    given = list(cases.draw(stages, grads)) if stages.given else ()
    name = "/".join([rule, trajectory, *parts])
    return Case(name, rule, values, params, grads, changes, given)


def _hyper(rule: str, given: list[str]) -> dict[str, float]:
    from goldstep.oracle.rules import pipeline  # noqa: PLC0415

    rows, found = pipeline(rule).rows(), {}
    for one in given:
        name, _, text = one.partition("=")
        whole = name in rows and isinstance(rows[name]["default"], int)
        try:
            found[name] = int(text) if whole else float(text)
        except ValueError:
            msg = f"--hyper={one} reads like NAME=VALUE"
            raise ValueError(msg) from None
    return found


def run_make(options: argparse.Namespace) -> int:
    from goldstep.conformance.report import REPORT  # noqa: PLC0415
    from goldstep.oracle import Arithmetic, fixtures  # noqa: PLC0415

    fixtures.vacant(options.output)
    asked = case(
        options.rule,
        trajectory=options.trajectory,
        profile=options.profile,
        schedule=options.schedule,
        shapes=options.shapes,
        steps=options.steps,
        hyper=_hyper(options.rule, options.hyper),
    )
    meant = reading(options.rule, options.dialect)
    arithmetic = Arithmetic(options.dtype, options.scalar)
    size = fixtures.write(options.output, fixtures.make(asked, arithmetic, meant, REPORT["suite"]))
    sys.stderr.write(f"{options.output}: {asked.id}/{options.dtype}, {size:,} bytes\n")
    return 0


def every() -> Iterator[tuple[str, dict[str, str]]]:
    """What a bundle holds: every rule as it is, and in every dialect of its own."""
    from goldstep import spec  # noqa: PLC0415
    from goldstep.conformance.cases import COMPANION, rules, tried  # noqa: PLC0415
    from goldstep.oracle.rules import readings  # noqa: PLC0415

    names = {name for _, name in spec.every()}
    for rule in rules():
        yield rule, {}
        own = {rule} if rule in names else tried(rule) if rule.endswith(f"+{COMPANION}") else set()
        for one in sorted(own):
            for name, row in readings(one).items():
                if "seen" not in row:
                    yield rule, {one: name}


def run_bundle(options: argparse.Namespace) -> int:
    from goldstep.conformance.report import REPORT  # noqa: PLC0415
    from goldstep.oracle import Arithmetic, fixtures  # noqa: PLC0415

    fixtures.vacant(options.output)
    files: dict[str, bytes] = {}
    whole = list(every())
    for done, (rule, meant) in enumerate(whole, 1):
        folder = re.sub("[|@+=]", "-", rule) + "".join(f"@{v}" for v in meant.values())
        asked = case(rule, shapes=SHAPES, steps=STEPS)
        made = fixtures.make(
            asked, Arithmetic(options.dtype, options.scalar), meant, REPORT["suite"]
        )
        files |= {f"{folder}/{name}": data for name, data in made.items()}
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{done}/{len(whole)} {folder}")
    size = fixtures.write(options.output, files)
    told = f"{len(whole)} fixtures in {options.dtype}, {size:,} bytes"
    sys.stderr.write(f"\r{options.output}: {told}\n")
    return 0


def run_check(options: argparse.Namespace) -> int:
    from goldstep.oracle import fixtures  # noqa: PLC0415

    files = fixtures.verified(options.folder)
    wrong = 0
    for name in fixtures.found(files):
        fixture = fixtures.load(files, name, str(options.folder))
        told = fixtures.differences(fixture)
        wrong += bool(told)
        sys.stdout.write(f"{fixture.said['id']}: {'differs' if told else 'the same bytes'}\n")
        sys.stdout.writelines(f"  {line}\n" for line in told)
    return 1 if wrong else 0


def run_export(options: argparse.Namespace) -> int:
    from goldstep.oracle import fixtures  # noqa: PLC0415

    files = fixtures.verified(options.folder)
    names = fixtures.found(files)
    if names != [""]:
        msg = (
            f"{options.folder} holds {len(names)} fixtures: give the folder of one, made by `make`"
        )
        raise ValueError(msg)
    data = fixtures.export(fixtures.load(files, "", str(options.folder)), options.format)
    options.output.write_bytes(data)
    sys.stderr.write(f"{options.output}: {len(data):,} bytes\n")
    return 0


def run_list(options: argparse.Namespace) -> int:  # noqa: ARG001
    from goldstep.conformance import trajectories  # noqa: PLC0415

    listed: dict[str, list[str]] = {}
    for rule, meant in every():
        listed.setdefault(rule, []).extend(meant.values())
    for rule, dialects in listed.items():
        sys.stdout.write(f"{rule}{': ' * bool(dialects)}{', '.join(dialects)}\n")
    sys.stdout.write(f"trajectories: {', '.join(trajectories.names())}\n")
    return 0

"""Which optimizer is this, in whose dialect, and with which hyper-parameters?

  goldstep identify --impl=torch:mylib.Optimizer
  goldstep identify --impl=mylib_adapter --rule='adam*'

It is driven as the suite would drive it, and what it does is compared with every rule, dialect,
trap and mix-up of hyper-parameters. Of what explains it, it says which libraries agree, and how.
The exit code is 0 if something explains it, 1 if nothing does, 2 if it cannot be asked.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--impl", required=True, help="as for the suite: torch:pkg.Class, ...")
    parser.add_argument(
        "--rule", action="append", default=[], metavar="GLOB", help="only these candidates"
    )


class Found(NamedTuple):
    """A rule that may be what an implementation is, and what explains it there."""

    rule: str
    ratio: float
    says: str
    adds: tuple[str, ...]
    legitimate: bool = False


def run(options: argparse.Namespace) -> int:
    sys.path.insert(0, str(Path.cwd()))  # as python -m has it
    found = sorted(candidates(options.impl, options.rule), key=lambda f: (len(f.adds), f.ratio))
    sure = [f for f in found if f.ratio <= 1]
    # Who is a rule in one of its dialects is not a mistake in another rule.
    sure = [f for f in sure if f.legitimate] or sure
    for one in sure:
        sys.stdout.write(f"{one.says}\n")
        for line in agreeing(one):
            sys.stdout.write(f"  {line}\n")
    if sure:
        return 0
    for one in sorted(found, key=lambda f: f.ratio)[:3]:
        sys.stdout.write(f"nearest, but not it: {one.says} ({one.ratio:.3g} times the bound)\n")
    sys.stdout.write("unknown: no rule, dialect or mix-up that is known explains what it does\n")
    return 1


def candidates(impl: str, globs: list[str]) -> Iterator[Found]:
    """Every rule that the implementation can be asked to be, with what explains it best."""
    import fnmatch  # noqa: PLC0415

    from goldstep.conformance.ask import raised  # noqa: PLC0415
    from goldstep.conformance.cases import rules  # noqa: PLC0415
    from goldstep.conformance.implementations import (  # noqa: PLC0415
        DOORS,
        EVERY,
        UnusableError,
        implementation,
    )

    reasons: dict[str, str] = {}
    raises: dict[str, str] = {}
    named = [r for r in rules() if not globs or any(fnmatch.fnmatchcase(r, g) for g in globs)]
    if not named:
        msg = f"no rule is named {', '.join(globs)}"
        raise ValueError(msg)
    blind = impl.partition(":")[0] in DOORS and ":" in impl
    made: Any = None if blind else implementation(impl)
    asked = 0
    for i, rule in enumerate(named):
        progress(f"{i + 1} of {len(named)}: {rule}")
        try:
            one = implementation(impl, [rule]) if blind else made
        except UnusableError as error:
            reasons[rule] = str(error)
            continue
        dtype = next(d for d in EVERY if d in one.dtypes)
        if one.offers(rule, dtype):
            try:
                found = _tried(one, rule, dtype)
            except Exception as error:  # noqa: BLE001 - what breaks here is not this rule
                raises[rule] = f"as {rule} it raises {type(error).__name__}: {error}{raised(error)}"
                continue
            asked += 1
            yield found
    progress("")
    if not asked:
        why = next(iter([*raises.values(), *reasons.values()]), "none is offered")
        msg = f"{impl} can be asked for no rule: {why}"
        raise ValueError(msg)


def progress(said: str) -> None:
    """Say where it is, in one line that is written over; only on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{said}")


def _tried(made: Any, rule: str, dtype: str) -> Found:
    import numpy as np  # noqa: PLC0415

    from goldstep.conformance.cases import asked  # noqa: PLC0415
    from goldstep.oracle import Truth, diagnose, judge, observe  # noqa: PLC0415

    cases = asked(rule, made.capabilities)
    # Large hyper-parameters show every term, and a rate that changes where it is multiplied in.
    best = [c for c in cases if "amplified/changing" in c.id] or cases
    case = ([c for c in best if "shocks" in c.id] or best)[0]
    truth = Truth(case, made.arithmetic(dtype))
    with np.errstate(all="ignore"):
        seen = observe(truth, made.make)
        verdict = judge(truth, seen)
        matches = [] if verdict.conforms else diagnose(truth, seen)
    if verdict.conforms:
        says = f"{rule}, with the hyper-parameters that it is given"
        return Found(rule, verdict.ratio, says, (), legitimate=True)
    if matches:
        m = matches[0]
        what = f"dialect {m.name}" if m.kind == "dialect" else f"{m.kind}: {m.name}"
        says = f" ({m.suspicion.says})" if m.suspicion.says else ""
        return Found(rule, m.ratio, f"{rule}, {what}{says}", (m.name,), m.kind == "dialect")
    return Found(rule, verdict.ratio, rule, ())


def agreeing(found: Found) -> Iterator[str]:
    """Which libraries agree with it, as the specification has it."""
    from goldstep import spec  # noqa: PLC0415
    from goldstep.oracle.rules import pipeline, readings  # noqa: PLC0415

    for stage in pipeline(found.rule).rules:
        for name in found.adds:
            for user in readings(stage).get(name, {}).get("used_by", []):
                yield f"agrees with {user}"
        if not found.adds:
            for witness in spec.load(spec.kind_of(stage), stage)["witness"]:
                yield f"agrees with {witness['what']}"

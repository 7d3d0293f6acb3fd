"""What stands behind each rule, in numbers: `python -m goldstep.conformance.certificates`.

By equation, how far float64 takes the line of the reference from the equation with 50 digits; by
type, how far a step in float32, and one whose arrays are of bfloat16, comes from one in float64.
"""

import argparse
import fnmatch
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from goldstep import spec
from goldstep.oracle import module
from goldstep.oracle.examples import Example, examples, inner
from goldstep.oracle.safetensors import round_to_bfloat16

FOLDER = Path(__file__).parent / "certificates"
UNIT = {"float32": 2.0**-23, "bfloat16": 2.0**-7}
"""The distance from 1 to the next number."""


def stored(name: str) -> dict[str, Any] | None:
    """The certificate of a rule, if it was made."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def measured(name: str) -> dict[str, Any]:
    """The certificate of a rule, measured now."""
    from goldstep.oracle.certify import ulps  # noqa: PLC0415

    equations = {tag: rounded(x) for tag, x in ulps(name).items()}
    found: dict[str, Any] = {"equations": equations}
    if spec.kind_of(name) != "schedules":
        found["rounding"] = {dtype: rounded(rounding(name, dtype)) for dtype in UNIT}
    return found


def rounded(x: float) -> float:
    """Two digits: the rest depends on the machine."""
    return float(f"{x:.2g}")


def rounding(name: str, dtype: str) -> float:
    """How far a step in a type is from that in float64, in ulps of the largest element."""
    plain, worst = module(name), 0.0
    for e in examples(name, few=True):
        given = cast(e, np.float32) if dtype == "float32" else cast(e, round_to_bfloat16)
        with np.errstate(all="ignore"):
            low = arrays(stepped(plain, name, cast(given, np.float32)))
            high = arrays(stepped(plain, name, cast(given, np.float64)))
        for a, b in zip(low, high, strict=True):
            a = round_to_bfloat16(a) if dtype == "bfloat16" else a  # noqa: PLW2901
            most = np.max(np.abs(b), initial=0.0)
            if most and np.isfinite(b).all():
                worst = max(worst, float(np.max(np.abs(a - b)) / most / UNIT[dtype]))
    return worst


def cast(e: Example, to: Any) -> Example:
    """An example whose arrays are of another type; numbers for the host stay as they are."""

    def one(x: Any) -> Any:
        if isinstance(x, dict):
            return {k: one(v) for k, v in x.items()}
        return to(x) if isinstance(x, np.ndarray | np.floating) else x

    state = None if e.state is None else type(e.state)(*map(one, e.state))
    given = {k: one(x) for k, x in e.given.items()}
    return e._replace(theta=one(e.theta), g=one(e.g), state=state, given=given)


def stepped(plain: ModuleType, name: str, e: Example) -> Any:
    """The parameters that a rule gives back, or the matrix of an iteration."""
    if e.state is None:
        return getattr(plain, name)(**e.given, **e.hyper)
    more = [plain.Given(**e.given)] if e.given else []
    return plain.update(e.theta, e.g, e.state, plain.Hyper(**e.hyper), *more, *inner(plain))[0]


def arrays(x: Any) -> list[Any]:
    parts = x.values() if isinstance(x, dict) else x if isinstance(x, tuple) else [x]
    return [np.asarray(a, np.float64) for a in parts]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rule", action="append", default=[], metavar="GLOB", help="only these")
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    every = [name for _, name in spec.every()]
    wrong = [] if options.rule else [p for p in FOLDER.glob("*.json") if p.stem not in every]
    for name in every:
        if options.rule and not any(fnmatch.fnmatchcase(name, glob) for glob in options.rule):
            continue
        made = measured(name)
        if options.check:
            wrong += [] if agree(made, stored(name)) else [FOLDER / f"{name}.json"]
        else:
            text = json.dumps(made, indent=1) + "\n"
            (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
    sys.stdout.writelines(f"not what is measured: {path.name}\n" for path in wrong)
    return int(bool(wrong))


def agree(a: dict[str, Any] | None, b: dict[str, Any] | None) -> bool:
    """Whether two certificates are of the same equations, and alike but for the machine's sums.

    >>> agree({"equations": {"a.1": 1.5}}, {"equations": {"a.1": 2.0}})
    True
    >>> agree({"equations": {"a.1": 1.5}}, {"equations": {"a.1": 200.0}})
    False
    """
    if a is None or b is None or a.keys() != b.keys():
        return False
    return all(
        a[part].keys() == b[part].keys()
        and all(
            abs(a[part][k] - b[part][k]) <= 1 + 0.5 * max(a[part][k], b[part][k]) for k in b[part]
        )
        for part in a
    )


if __name__ == "__main__":
    sys.exit(main())

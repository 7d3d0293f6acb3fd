"""What an implementation of a rule may get wrong unseen, and what it is right to do otherwise.

For each type of tensors: the trap that is nearest to conforming and how many times the limit it is
off; the legal rewriting that comes nearest to the limit, as a part of it; and the smallest relative
change of each hyper-parameter that is seen. The bound is derived, element by element: the largest
error that rounding can have made there, and the limit is twice that. See docs/window.md.
"""

import argparse
import re
import sys
from collections.abc import Iterator


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", metavar="RULE", help="a rule, as adamw")


def lines(rule: str) -> Iterator[str]:
    """The window of a rule, in words."""
    from goldstep import spec  # noqa: PLC0415
    from goldstep.conformance import margins, window  # noqa: PLC0415

    if parts := [part for part in re.split(r"[+|@]", rule) if part != rule]:
        msg = f"{rule} has no window of its own: ask of its parts, {', '.join(parts)}"
        raise ValueError(msg)
    measured = window.noted(rule)
    traps = [trap["name"] for trap in spec.load(spec.kind_of(rule), rule)["trap"]]
    for dtype in margins.MEASURED:
        off = sorted((margins.best(rule, trap, dtype), trap) for trap in traps)
        yield f"{rule} in {dtype}"
        for size, trap in off:
            yield (
                f"  trap {trap}: {size:.3g} times the limit"
                if size > 1
                else f"  trap {trap}: unseen"
            )
        if dtype not in measured:
            continue
        of = measured[dtype]
        yield f"  worst legal rewriting, {of['way']}: {of['legal']:.3g} of the limit"
        for name, change in of["changes"].items():
            least = change["relative"]
            seen = f"seen from {least:.2g} on" if least else "not even a half is seen"
            yield f"  {name}, relative change: {seen}"


def run(options: argparse.Namespace) -> int:
    sys.stdout.writelines(f"{line}\n" for line in lines(options.rule))
    return 0

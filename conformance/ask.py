"""Put one question to one implementation, and say everything that can be said of the answer."""

import contextlib
import math
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from goldstep.oracle import Case, ContractError, Truth, diagnose, judge
from goldstep.oracle.declared import misdeclared
from goldstep.oracle.diagnose import Match, explain
from goldstep.oracle.judge import Divergence, curves
from goldstep.oracle.mistakes import Suspicion
from goldstep.oracle.observe import Seen
from goldstep.oracle.place import here
from goldstep.oracle.rounding import narrow

from . import message
from .implementations import Implementation
from .smoke import smoke
from .whole import check

LIMIT = 120
"""How many seconds an implementation in this process has for one case."""


class HangError(ContractError):
    verdict = "hangs"


@dataclass(frozen=True)
class Answer:
    """What became of one case."""

    status: str
    """`conforms`, `differs`, `broken`, `raises`, or `not tested`."""
    verdict: str
    """The status in the words of the table."""
    message: str = ""
    level: int | None = None
    ratio: float | None = None
    divergence: Divergence | None = None
    matches: Sequence[Match] = ()
    more: dict[str, Any] = field(default_factory=dict)
    """What the report has beside all this where something differs."""


class Memory:
    """What explained an implementation of a rule in its cases so far."""

    def __init__(self, kind: type[Truth] = Truth) -> None:
        self.kind = kind
        """The truth itself, or one that is kept from run to run."""
        self.known: list[Suspicion] = []
        self.in_vain = False
        """Whether a long search has found nothing once: it is not made again."""

        self._verdicts: set[str] = set()

    def first(self, verdict: str) -> bool:
        """Whether a verdict is new here."""
        new = verdict not in self._verdicts
        self._verdicts.add(verdict)
        return new

    def diagnosed(self, truth: Truth, seen: Seen, *, finite: bool) -> list[Match]:
        """What explains it; a search in vain for what is not finite says nothing of the next."""
        found = diagnose(truth, seen, self.known, deep=False) or misdeclared(truth, seen)
        if found and found[0].kind == "declaration":
            return found
        found = found or diagnose(truth, seen, self.known, deep=not self.in_vain)
        self.known = [m.suspicion for m in found if m.explains] or self.known
        self.in_vain |= finite and not any(m.explains for m in found)
        return found


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise HangError in whatever takes longer, where the system can interrupt it."""
    here = threading.current_thread() is threading.main_thread()
    if not hasattr(signal, "SIGALRM") or not here:
        yield
        return

    def late(*_: object) -> None:
        msg = f"it has not come back after {seconds} s"
        raise HangError(msg)

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def broken(made: Implementation, rule: str, dtype: str) -> str:
    """What clause of the contract it breaks, whatever its mathematics; empty if none."""
    try:
        with limited(LIMIT):
            smoke(made.make, rule, dtype, made.capabilities)
    except ContractError as error:
        verdict = getattr(error, "verdict", "")
        return f"{verdict}: {error}" if verdict else str(error)
    except Exception as error:  # noqa: BLE001 - whatever an adapter raises, it is broken
        return f"{type(error).__name__}: {error}{raised(error)}"
    return ""


def raised(error: Exception) -> str:
    """The line that raised an error, if it is not one of ours."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    if where is None or str(where.tb_frame.f_globals.get("__package__")).startswith("goldstep."):
        return ""
    return f" ({where.tb_frame.f_code.co_filename}:{where.tb_lineno})"


def wrong(made: Implementation, rule: str, name: str) -> str | None:
    """What is wrong with an optimizer as a whole; empty if nothing, None if it is not offered."""
    try:
        with limited(LIMIT):
            check(made, rule, name)
    except NotImplementedError:
        return None
    except Exception as error:  # noqa: BLE001 - it is the implementation's
        if isinstance(error, ContractError):
            return str(error)
        return f"{type(error).__name__}: {error}{raised(error)}"
    return ""


def ask(
    made: Implementation,
    case: Case,
    dtype: str,
    *,
    free: bool = True,
    memory: Memory | None = None,
) -> Answer:
    """Put a case to an implementation, and judge and explain what it does with it.

    `memory` is of the cases of the same rule before, whose truth is of the `kind` that is wanted.
    """
    memory = memory or Memory()
    truth = memory.kind(case, made.arithmetic(dtype), made.dialects)
    if narrow(dtype):
        try:
            truth.golden()
        except OverflowError as error:
            return Answer("not tested", "out of range", f"NOT TESTED: {case.id}/{dtype}: {error}")
    try:
        with limited(LIMIT):
            seen = made.seen(truth, free=free)
    except NotImplementedError as error:
        said = f"NOT TESTED: {made.name} does not offer this: {error}"
        return Answer("not tested", "not offered", said)
    except ContractError as error:
        name = getattr(error, "verdict", "adapter broken")
        said = f"{case.id}/{dtype}: {made.breach()}: {error}"
        return Answer("broken", name, said)
    except Exception as error:  # noqa: BLE001 - it is the implementation's
        name = f"raises {type(error).__name__}"
        return Answer("raises", name, f"{case.id}/{dtype}: {name}: {error}{raised(error)}")
    verdict = judge(truth, seen, place=made.place)
    if verdict.divergence is None:
        return Answer("conforms", "conforms", "", seen.level, verdict.ratio)
    seen = Seen(seen.level, here(seen.free, made.place), here(seen.forced, made.place))
    with np.errstate(all="ignore"):
        finite = math.isfinite(verdict.divergence.wrong[0].got)
        matches = memory.diagnosed(truth, seen, finite=finite)
    claim = made.claim(case.rule)
    headline = message.headline(claim, matches, verdict.divergence)
    text = message.failure(truth, verdict.divergence, matches, claim)
    more = {
        "divergence": told(verdict.divergence),
        "cause": cause(truth, verdict.divergence, matches),
        "curves": curves(truth, seen),
    }
    return Answer(
        "differs",
        headline,
        text,
        seen.level,
        verdict.ratio,
        verdict.divergence,
        matches,
        more,
    )


def told(d: Divergence) -> dict[str, Any]:
    """A divergence as the report has it."""
    worst = d.wrong[0]
    return {
        "mode": d.mode,
        "step": d.step,
        "slot": worst.slot,
        "tensor": worst.tensor,
        "element": list(worst.element),
        "got": number(worst.got),
        "expected": number(worst.expected),
        "bound": number(worst.bound),
        "ratio": number(worst.ratio),
        "wrong": [w.slot for w in d.wrong],
        "right": sorted(d.right),
    }


def number(x: float | None) -> float | str | None:
    """A number as JSON can have it."""
    return x if x is None or np.isfinite(x) else str(float(x))


def cause(truth: Truth, d: Divergence, matches: Sequence[Match]) -> dict[str, Any]:
    """What explains a divergence, as the report has it."""
    if not matches:
        tags = explain(truth, d)
        lines = [{"tag": tag, "line": message.line(tag)} for tag in tags[:4]]
        return {"kind": "unknown", "rule": truth.case.rule, "name": "unknown", "equations": lines}
    best = matches[0]
    code = best.suspicion.tags
    return {
        "kind": best.kind if best.explains else f"near {best.kind}",
        "rule": best.rule,
        "name": best.name,
        "says": best.suspicion.says,
        "residual": number(best.ratio),
        "rivals": list(best.rivals),
        "equations": [{"tag": t, "line": message.line(t), "theirs": c} for t, c in code.items()],
    }

"""What an implementation declares of its arithmetic, and what it is found to have instead."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .diagnose import Match
from .judge import judge
from .mistakes import Suspicion
from .observe import Seen
from .rounding import Arithmetic, numpy_dtype
from .truth import THETA, Truth

WORDS = {
    "scalar": "computes host scalars in {}",
    "state": "keeps its state in {}",
    "compute": "computes in {}",
    "products": "multiplies matrices in {}",
}


def misdeclared(truth: Truth, seen: Seen) -> list[Match]:
    """The coarser arithmetic that explains all that was seen, if there is one.

    It is looked for where the declared one is fine enough that no mistake passes for rounding. What
    shows in the numbers that are kept explains more than what does not, and is the first. Where
    the state does not show, that is it of which the bound is nearest, and the others are rivals.
    """
    hidden = not any(moment.state for moment in (*seen.forced, *seen.free))
    found = _explaining(truth, seen, hidden=hidden)
    if not hidden:
        return list(itertools.islice(found, 1))
    nearest = sorted(found, key=lambda match: -match.ratio)
    rivals = tuple(match.name for match in nearest[1:])
    return [replace(match, rivals=rivals) for match in nearest[:1]]


def _explaining(truth: Truth, seen: Seen, *, hidden: bool) -> Iterator[Match]:
    for what, dtype, other in coarser(truth.arithmetic):
        # A state that does not show is suspected only of a type as fine as this.
        if what == "state" and hidden and dtype != "float32":
            continue
        if not kept_in(dtype, seen, {"compute": THETA, "state": None}.get(what, "")):
            continue
        fits = Truth(truth.case, other, truth.meant, truth.layout)
        try:
            verdict = judge(fits, seen, golden=truth.golden() if seen.forced else None)
        except OverflowError:
            continue
        if verdict.conforms:
            was = {"scalar": truth.arithmetic.scalar_dtype, "state": truth.arithmetic.state}
            declared = was.get(what, truth.arithmetic.compute)
            name = f"{WORDS[what].format(dtype)}, though {declared} is declared"
            says = f"declare {what} = '{dtype}' (--declare={what}={dtype}), or compute as declared."
            suspicion = Suspicion(truth.case.rule, "declaration", name, says=says)
            yield Match(suspicion, verdict.ratio)


def coarser(own: Arithmetic) -> Iterator[tuple[str, str, Arithmetic]]:
    """Arithmetics that are coarser in one respect, as (what, its type, the arithmetic).

    What shows in the numbers that are kept comes first.
    """
    same = {"scalar": own.scalar_dtype, "state": own.state, "compute": own.compute}
    same |= {"products": own.products} if own.products else {}

    def other(**declared: str) -> Arithmetic:
        said = same | declared
        scalar = said.pop("scalar")
        return Arithmetic(own.dtype, scalar, own.iteration, flush=own.flush, **said)

    if own.dtype == "float64":
        if own.compute == "float64":
            yield "compute", "float32", other(scalar="float32", state="float32", compute="float32")
        if own.state == "float64":
            yield "state", "float32", other(state="float32")
        if own.scalar_dtype == "float64":
            yield "scalar", "float32", other(scalar="float32")
    if own.dtype == own.state == "float32":
        for dtype in ("float16", "bfloat16"):
            yield "state", dtype, other(state=dtype)
    if own.compute == "float32" and not own.products:
        for dtype in ("tf32", "bfloat16"):
            yield "products", dtype, other(products=dtype)


def kept_in(dtype: str, seen: Seen, slot: str | None) -> bool:
    """Whether all that was seen of a slot (None: of the state) is of that type.

    Of what does not show, the slot "" and the state of an implementation that shows none, nothing
    speaks against it.
    """
    if slot == "":
        return True
    moments = [*seen.forced, *seen.free]
    shown = [x for m in moments for _, s, x in m.slots() if (s == slot if slot else s != THETA)]
    arrays = [np.asarray(x, np.float64) for x in shown if np.ndim(x)]
    as_such = numpy_dtype(dtype)
    kept = (np.array_equal(x.astype(as_such).astype(np.float64), x) for x in arrays)
    return all(kept)

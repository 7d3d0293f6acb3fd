"""A case

What a case costs in float32, and which share of it the implementation itself takes; the rest is the
truth with its bound, and the comparison. The same where the truth is kept from before. Then how the
time of all cases grows, with no truth kept, with the number of cases, of steps and of tensors: 2 is
as much as twice as many.
"""

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from goldstep.conformance.cases import asked, rules
from goldstep.conformance.implementations import Implementation, implementation
from goldstep.oracle import Case, Truth, judge, observe
from goldstep.oracle.cache import Kept

TURNS = 4


class Timed:
    """A step that adds up the time which the implementation takes."""

    def __init__(self, step: Any, spent: dict[str, float]) -> None:
        self.inner, self.spent = step, spent

    def _timed(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        try:
            return call(*args, **kwargs)
        finally:
            self.spent["implementation"] += time.process_time() - start

    def __call__(self, grads: Any, **also: Any) -> Any:
        return self._timed(self.inner, grads, **also)

    def state(self) -> Any:
        return self._timed(self.inner.state)

    def load(self, params: Any, state: Any) -> None:
        self._timed(self.inner.load, params, state)


def judged(
    made: Implementation, cases: list[Case], kind: type[Truth] = Truth, dtype: str = "float32"
) -> dict[str, float]:
    """The seconds of the processor that go into each part."""
    spent = {"implementation": 0.0}
    start = time.process_time()
    for case in cases:
        truth = kind(case, made.arithmetic(dtype), made.dialects)
        seen = observe(truth, lambda *a: Timed(made.make(*a), spent))
        judge(truth, seen)
    spent["all"] = time.process_time() - start
    return spent


def longer(case: Case) -> Case:
    """The same case with twice as many steps."""
    return dataclasses.replace(
        case,
        id=case.id + "+",
        grads=[*case.grads, *case.grads],
        changes=[*case.changes, *case.changes],
        given=[*case.given, *case.given],
    )


def larger(case: Case, times: int = 2) -> Case:
    """The same case with every tensor twice."""

    def twice(x: Any) -> Any:
        return {f"{k}{i}": v for k, v in x.items() for i in range(times)}

    return dataclasses.replace(
        case, id=case.id + "*", params=twice(case.params), grads=[twice(g) for g in case.grads]
    )


def rows(*, quick: bool) -> Iterator[dict[str, object]]:
    for name in ["torch"] if quick else ["torch", "optax"]:
        made = implementation(name)
        chosen = [r for r in rules() if made.offers(r, "float32")]
        for rule in [r for r in ("sgd", "adam", "muon", "muon_debiased") if r in chosen]:
            cases = asked(rule, made.capabilities)
            asks = {
                "once": (cases, Truth),
                "kept": (cases, Kept),
                "cases": (cases * 2, Truth),
                "steps": ([longer(c) for c in cases], Truth),
                "tensors": ([larger(c) for c in cases], Truth),
            }
            found: dict[str, list[dict[str, float]]] = {what: [] for what in asks}
            with tempfile.TemporaryDirectory() as folder:
                os.environ["GOLDSTEP_CACHE"] = folder
                for _ in range(TURNS):
                    for what, asked_of in asks.items():
                        found[what].append(judged(made, *asked_of))
                del os.environ["GOLDSTEP_CACHE"]
            best = {what: min(some, key=lambda s: s["all"]) for what, some in found.items()}
            n, spent, kept = len(cases), best["once"], best["kept"]
            total = spent["all"]
            yield {
                "suite": name,
                "rule": rule,
                "cases": n,
                "ms a case": f"{1e3 * total / n:.1f}",
                "implementation's own": f"{spent['implementation'] / total:.0%}",
                "ms, truth kept": f"{1e3 * kept['all'] / n:.1f}",
                "own": f"{kept['implementation'] / kept['all']:.0%}",
            } | {
                f"twice the {what}": f"{best[what]['all'] / total:.2f}"
                for what in ("cases", "steps", "tensors")
            }

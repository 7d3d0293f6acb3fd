"""Least times of things that take turns, so that what disturbs one disturbs the others."""

import time
from collections.abc import Callable

Run = Callable[[], object]


def least(*runs: Run, seconds: float = 0.6) -> list[float]:
    """The least time of each of `runs`, in seconds, over turns that take `seconds` in all."""
    for run in runs:
        run()  # what is done once is not measured
    best = [float("inf")] * len(runs)
    end = time.perf_counter() + seconds
    turns = 0
    while turns < 3 or time.perf_counter() < end:
        for i, run in enumerate(runs):
            start = time.perf_counter()
            run()
            best[i] = min(best[i], time.perf_counter() - start)
        turns += 1
    return best

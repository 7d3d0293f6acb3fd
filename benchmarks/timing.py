"""Least times of things that take turns, so that what disturbs one disturbs the others."""

import time
from collections.abc import Callable

import numpy as np

Run = Callable[[], object]


def least(*runs: Run, seconds: float = 0.4, turns: int = 2, wait: Run | None = None) -> list[float]:
    """The least time of each of `runs`, in seconds, over turns that take `seconds` in all.

    At least so many `turns` are taken. It is the processor's time, which leaves out what other
    programs take; or else time as it goes by, with a device that is to `wait` for.
    """
    np.empty(31 << 20, np.uint8)  # once so much is freed, glibc keeps what is, as in any long run
    clock, done = (time.perf_counter, wait) if wait else (time.process_time, lambda: None)
    for run in runs:
        run()  # what is done once is not measured
    done()
    best = [float("inf")] * len(runs)
    end = time.perf_counter() + seconds
    taken = 0
    while taken < turns or time.perf_counter() < end:
        for i, run in enumerate(runs):
            start = clock()
            run()
            done()
            best[i] = min(best[i], clock() - start)
        taken += 1
    return best

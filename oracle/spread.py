"""Work that is done part by part, on any executor, whatever becomes of its workers."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AGAIN = 3
"""How often a part is given to another worker before the loss of workers is an error."""

AHEAD = 32
"""How many parts an executor is given at once."""


def spread(
    do: Callable[[T], R], parts: Sequence[T], executors: Callable[[], Executor] | None
) -> Iterator[tuple[T, R]]:
    """`do` of every part, in any order; this process does it if there are no `executors`.

    A part whose worker is lost is done again by another. Where the executor itself is broken by
    that, as a pool of processes is, `executors` makes a new one.

    >>> sorted(result for _, result in spread(abs, [-1, 2, -3], None))
    [1, 2, 3]
    """
    if executors is None:
        yield from ((part, do(part)) for part in parts)
        return
    waiting, tried = deque(range(len(parts))), [0] * len(parts)
    running: dict[Future[R], int] = {}
    pool = executors()
    try:
        while waiting or running:
            broken = not _fill(pool, do, parts, waiting, running)
            finished = wait(running, return_when=FIRST_COMPLETED).done if running else set()
            for future in finished:
                i = running.pop(future)
                try:
                    result = future.result()
                except Exception as error:
                    tried[i] += 1
                    if not lost(error) or tried[i] > AGAIN:
                        raise
                    waiting.append(i)
                    broken = broken or isinstance(error, BrokenExecutor)
                else:
                    yield parts[i], result
            if broken:
                waiting.extend(running.values())
                running.clear()
                pool.shutdown(wait=False)
                pool = executors()
    finally:
        for future in running:
            future.cancel()
        pool.shutdown(wait=False)


def _fill(
    pool: Executor,
    do: Callable[[T], R],
    parts: Sequence[T],
    waiting: deque[int],
    running: dict[Future[R], int],
) -> bool:
    """Give an executor more to do; whether it could take it."""
    while waiting and len(running) < AHEAD:
        try:
            future = pool.submit(do, parts[waiting[0]])
        except BrokenExecutor:
            return False
        running[future] = waiting.popleft()
    return True


def lost(error: BaseException) -> bool:
    """Whether a part failed for its worker's sake, and not for its own."""
    named = {"KilledWorker", "FutureCancelledError"}  # of distributed, which is not imported here
    return isinstance(error, BrokenExecutor | CancelledError) or type(error).__name__ in named

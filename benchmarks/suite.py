"""The conformance suite

`pytest conformance --impl=torch`, each time in a process of its own: with every truth to compute,
and with all of them kept from before; on one core, and on all that there are. The first verdict is
the first dot on the terminal. What importing the library alone takes is in every time.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = "import torch, torch._dynamo"  # as its first optimizer does


def seconds(command: list[str], cache: str, cores: Collection[int]) -> tuple[float, float, float]:
    """Until its first letter, until its end, and of processors, on some cores."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with subprocess.Popen(  # noqa: S603
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"GOLDSTEP_CACHE": cache, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),  # noqa: PLW1509 - here is one thread
    ) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        first = time.perf_counter() - start
        child.stdout.read()
    if child.returncode:
        msg = f"{' '.join(command)} fails"
        raise RuntimeError(msg)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return first, time.perf_counter() - start, spent


def rows(*, quick: bool) -> Iterator[dict[str, object]]:
    every = sorted(os.sched_getaffinity(0))
    asks = ["-m", "pytest", "conformance", "--impl=torch", "-q", "-p", "no:cacheprovider"]
    asks += ["--rule=sgd", "--rule=adam"] if quick else []
    for cores in [every[:1], every] if len(every) > 1 else [every]:
        with tempfile.TemporaryDirectory() as cache:
            alone = seconds(["-c", LIBRARY], cache, cores)[1]
            for state in ("empty", "full"):
                first, total, spent = seconds(asks, cache, cores)
                yield {
                    "cores": len(cores),
                    "cache": state,
                    "library, s": f"{alone:.1f}",
                    "first verdict, s": f"{first:.1f}",
                    "all, s": f"{total:.1f}",
                    "of processors, s": f"{spent:.1f}",
                }

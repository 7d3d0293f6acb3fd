"""Fixtures and recordings, beside the disk and memory

Writing and reading what goldstep keeps, as a multiple of the time in which Python alone writes as
many bytes to the same disk, or reads them back, and of that in which they are copied in memory. A
fixture has a SHA-256 of every file, a recording a checksum of every tensor: both are verified as
they are read. What is read was just written, so that the system still holds it.
"""

import contextlib
import io
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from goldstep.oracle import fixtures, record, safetensors
from goldstep.oracle.recording import Recording

STEPS, TURNS = 4, 3

Arrays = list[dict[str, Any]]


def least(run: Callable[[], object]) -> float:
    """The least time as it goes by: a disk takes none of the processor's."""
    best = float("inf")
    for _ in range(TURNS):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def plain(path: Path, data: bytes, *, sync: bool) -> None:
    """The same bytes, forced to the disk as often as a recording of `STEPS` does it."""
    with path.open("wb") as file:
        for part in range(2 * STEPS) if sync else (0,):
            size = len(data) // (2 * STEPS) if sync else len(data)
            file.write(memoryview(data)[part * size : (part + 1) * size])
            file.flush()
            if sync:
                os.fsync(file.fileno())


def recorded(folder: Path, arrays: Arrays, *, sync: bool) -> int:
    """Some steps of Adam, recorded; gives back how many bytes that is."""
    with contextlib.redirect_stderr(io.StringIO()), record.Recorder(folder, sync=sync) as recorder:
        for _ in range(STEPS):
            theta, g, m, v, after = arrays
            state = {n: {"m": m[n], "v": v[n], "t": 1} for n in theta}
            recorder.before(g, theta, state, [{"lr": 0.1}])
            recorder.after(after, state)
    return recorder.written


def read(folder: Path) -> None:
    recording = Recording(folder)
    for number in recording.numbers:
        step = recording.step(number)
        for held in [*step.grads.values(), *step.before.values(), *step.after.values()]:
            held.check()
            held.read()


def rows(*, quick: bool) -> Iterator[dict[str, object]]:
    n, new = 10_000 if quick else 1_000_000, itertools.count()
    random = np.random.default_rng(0)
    arrays = [{"w": random.standard_normal(n, np.float32)} for _ in range(5)]
    whole = {f"{i}": x["w"] for i, x in enumerate(arrays)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def fixture(at: str = "") -> int:
            files = {"a.safetensors": safetensors.dump(whole, "{}")}
            return fixtures.write(folder / (at or f"{next(new)}"), files)

        def loaded() -> None:
            safetensors.load(fixtures.verified(folder / "fixture")["a.safetensors"])

        def run(*, sync: bool) -> int:
            return recorded(folder / f"{next(new)}", arrays, sync=sync)

        small, large = fixture("fixture"), recorded(folder / "run", arrays, sync=False)
        for what, task, size, sync, reads in (
            ("a fixture is written", fixture, small, False, False),
            ("a fixture is read", loaded, small, False, True),
            ("a recording is written", lambda: run(sync=False), large, False, False),
            ("a recording is forced to the disk", lambda: run(sync=True), large, True, False),
            ("a recording is read", lambda: read(folder / "run"), large, False, True),
        ):
            data, path = bytes(bytearray(size)), folder / "plain"
            mine = least(task)
            disk = least(lambda d=data, p=path, s=sync: plain(p, d, sync=s))
            disk = least(path.read_bytes) if reads else disk
            copied = least(lambda d=data: bytearray(d))
            yield {
                "what": what,
                "MB": f"{size / 1e6:.1f}",
                "ms": f"{1e3 * mine:.3g}",
                "times the disk's": f"{mine / disk:.1f}",
                "times a copy in memory": f"{mine / copied:.1f}",
            }

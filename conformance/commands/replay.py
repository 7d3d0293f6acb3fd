"""Hold a recorded training run against the truth, and find the first step that left it.

  goldstep replay run --rule=adamw
  goldstep replay run --rule=muon --dialect=newton_schulz=clamped-norm --iteration=bfloat16 --on=4
  goldstep replay run --rule=adam --hyper=lr=0.001 --svg=run.svg

RUN is a folder that `goldstep.oracle.record` wrote. Every step of every tensor begins where the
recording says, so that an error is found where it is made. The exit code is 0 if all is within its
bound, 1 if something is not, 2 if there was nothing to hold against the truth.
"""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="the folder of a recording")
    parser.add_argument("--rule", required=True, help="the rule, or pipeline, that it should be")
    parser.add_argument("--dialect", action="append", default=[], metavar="[RULE=]NAME")
    parser.add_argument(
        "--hyper", action="append", default=[], metavar="NAME=VALUE", help="what is not recorded"
    )
    parser.add_argument(
        "--slot", action="append", default=[], metavar="SLOT=NAME", help="what is called otherwise"
    )
    kinds = ["float64", "float32", "bfloat16"]
    parser.add_argument("--scalar", choices=kinds, help="the type of what is no tensor")
    parser.add_argument("--iteration", choices=kinds, help="the type of matrix iterations")
    parser.add_argument("--free", action="store_true", help="set nothing right on the way")
    parser.add_argument(
        "--on",
        default="1",
        metavar="WHERE",
        help="what computes: a number of processes, dask, dask:ADDRESS, or MODULE:FUNCTION that "
        "makes a concurrent.futures.Executor",
    )
    parser.add_argument("--svg", metavar="FILE", help="a picture of error over bound")
    parser.add_argument("--json", metavar="FILE", help="every row, as JSON")


def run(options: argparse.Namespace) -> int:
    from goldstep.conformance import recorded  # noqa: PLC0415
    from goldstep.conformance.commands.fixtures import _hyper, reading  # noqa: PLC0415
    from goldstep.oracle import causes, pieces, pipeline, verify  # noqa: PLC0415

    stages = pipeline(options.rule)
    _known("hyper", options.hyper, options.rule, stages.rows())
    _known("slot", options.slot, options.rule, stages.slots)
    job = pieces.Job(
        options.run_folder,
        options.rule,
        tuple(reading(options.rule, options.dialect).items()),
        tuple(_hyper(options.rule, options.hyper).items()),
        tuple((s.partition("=")[0], s.partition("=")[2]) for s in options.slot),
        options.scalar,
        options.iteration,
        not options.free,
    )
    report = verify.verify(job, executors(options.on), Progress())
    for line in recorded.told(job, report, causes.causes(job, report) if not options.free else []):
        sys.stdout.write(f"{line}\n")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(
                {
                    "conforms": report.conforms,
                    "rows": [
                        r._asdict() | {"wrong": [w._asdict() for w in r.wrong]} for r in report.rows
                    ],
                    "notes": [n._asdict() for n in report.notes],
                },
                file,
            )
    if options.svg:
        with open(options.svg, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(recorded.picture(report))
    if not any(not r.unjudged for r in report.rows):
        return 2
    return 0 if report.conforms else 1


def _known(option: str, given: list[str], rule: str, names: Iterable[str]) -> None:
    """Raise LookupError if what is said is of a name that a rule has not."""
    for one in given:
        if one.partition("=")[0] not in names:
            msg = f"--{option}={one}: {rule} has {', '.join(names) or 'none'}"
            raise LookupError(msg)


def executors(where: str) -> Callable[[], Any] | None:
    """What makes an executor: what `--on` says."""
    if where.isdecimal():
        import concurrent.futures  # noqa: PLC0415
        import multiprocessing  # noqa: PLC0415

        if int(where) <= 1:
            return None
        spawn = multiprocessing.get_context("spawn")
        return lambda: concurrent.futures.ProcessPoolExecutor(int(where), mp_context=spawn)
    kind, _, rest = where.partition(":")
    if kind == "dask":
        return lambda: dask(rest)
    if not rest:
        msg = f"--on={where}: a number, dask, dask:ADDRESS, or MODULE:FUNCTION"
        raise ValueError(msg)
    try:
        made: Callable[[], Any] = getattr(importlib.import_module(kind), rest)
    except (ImportError, AttributeError) as error:
        msg = f"--on={where}: {error}"
        raise LookupError(msg) from error
    return made


def dask(address: str) -> Any:
    """An executor on a Dask cluster: the one at an address, or one of this machine's own."""
    try:
        distributed: Any = importlib.import_module("distributed")
    except ModuleNotFoundError:
        msg = "--on=dask: distributed is not installed (pip install 'goldstep[dask]')"
        raise LookupError(msg) from None
    new = distributed.Client
    client = new(address) if address else new(processes=True, dashboard_address=None)
    executor = client.get_executor()
    end = executor.shutdown

    def shutdown(*given: Any, **more: Any) -> None:
        end(*given, **more)
        client.close()  # its threads would go on otherwise

    executor.shutdown = shutdown
    return executor


class Progress:
    """One line on standard error: how far, how fast, how long still; only on a terminal."""

    def __init__(self) -> None:
        self.begun, self.last = time.perf_counter(), 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.perf_counter()
        if not sys.stderr.isatty() or (now - self.last < 0.1 and done < total):
            return
        self.last, rate = now, done / max(now - self.begun, 1e-9)
        left = (total - done) / max(rate, 1e-9)
        text = f"{done / max(total, 1):4.0%}  {rate / 1e6:.2f} M elements/s  {left:.0f} s left"
        sys.stderr.write(f"\r\x1b[K{text}" + "\n" * (done >= total))

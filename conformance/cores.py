"""Every core takes part: rules are asked in several processes, and told of as if in one.

The processes are forked once everything is imported and collected, which is done only once then.
Each takes the next rule that nobody has; what it finds is told here, in the order of the tests. So
reports, ledgers and -x see no difference.
"""

import functools
import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest

Parts = Sequence[Sequence[pytest.Item]]
"""The tests of each rule, which have something in common: what explained those before."""

WIDTH = 4
"""So many bytes say which part is taken."""


def cores() -> int:
    """How many processes can share this one's work: one if it cannot be forked.

    What has other threads cannot, nor what speaks with a child of its own.
    """
    threads = Path("/proc/self/task")
    if not threads.exists() or len(list(threads.iterdir())) > 1:
        return 1
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # there is none
        return len(os.sched_getaffinity(0))
    return 1


def shared(config: pytest.Config) -> bool:
    """Whether the tests may be run elsewhere: not under xdist, and where nobody looks on."""
    given = config.option
    elsewhere = getattr(given, "numprocesses", None) is not None or hasattr(config, "workerinput")
    return not (elsewhere or given.usepdb or given.trace or given.capture == "no")


def run(session: pytest.Session, parts: Parts, workers: int) -> None:
    """Run all parts, each in one of so many processes."""
    taken, give = os.pipe()
    os.write(give, b"".join(i.to_bytes(WIDTH) for i in range(len(parts))))
    os.close(give)
    fork = multiprocessing.get_context("fork")
    children = {}
    for _ in range(workers):
        here, there = fork.Pipe(duplex=False)
        child = fork.Process(target=_work, args=(session, parts, taken, there), daemon=True)
        child.start()
        there.close()
        children[here] = child
    os.close(taken)
    try:
        _tell(session, [item for part in parts for item in part], children)
    finally:
        for child in children.values():
            child.terminate()
            child.join()


def _tell(session: pytest.Session, items: Sequence[pytest.Item], children: dict[Any, Any]) -> None:
    """Tell what the children find, in order: each item after those before it."""
    hook, found, at = session.config.hook, dict[int, Any](), dict[Any, str]()
    told, pipes = 0, list(children)
    place = {item.nodeid: i for i, item in enumerate(items)}
    while told < len(items):
        ready: list[Any] = wait(pipes)
        for pipe in ready:
            try:
                nodeid, said = pipe.recv()
            except EOFError:
                pipes.remove(pipe)
                children[pipe].join()
                if code := children[pipe].exitcode:
                    msg = f"the process that ran {at.get(pipe)} has ended: exit code {code}"
                    raise session.Interrupted(msg) from None
                continue
            at[pipe] = nodeid
            if said is not None:
                found[place[nodeid]] = said
        while told in found:
            item = items[told]
            hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for tell in found.pop(told):
                _again(session, *tell)
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            told += 1
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)


def _again(session: pytest.Session, what: str, data: Any) -> None:
    """Report, or warn of, what a child has sent."""
    config = session.config
    if what == "report":
        report = config.hook.pytest_report_from_serializable(config=config, data=data)
        config.hook.pytest_runtest_logreport(report=report)
        return
    text, name, filename, lineno, more = data
    kind = type(name, (Warning,), {})
    said = warnings.WarningMessage(kind(text), kind, filename, lineno)
    config.hook.pytest_warning_recorded.call_historic(kwargs={"warning_message": said, **more})


class _Listener:
    """Hears, in a child, all that is to be told elsewhere."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.heard = config, list[tuple[str, Any]]()

    def pytest_runtest_logreport(self, report: Any) -> None:
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.heard.append(("report", data))

    def pytest_warning_recorded(
        self, warning_message: Any, when: str, nodeid: str, location: Any
    ) -> None:
        w, more = warning_message, {"when": when, "nodeid": nodeid, "location": location}
        said = (str(w.message), w.category.__name__, w.filename, w.lineno, more)
        self.heard.append(("warning", said))


def _work(session: pytest.Session, parts: Parts, taken: int, to: Connection) -> None:
    """In a child: run one part after the other, and send what is found of each item."""
    config = session.config
    config.pluginmanager.unregister(name="terminalreporter")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()  # a file of its own for what is printed
    capture.start_global_capturing()
    capture.suspend_global_capture()
    config.pluginmanager.register(listener := _Listener(config))
    try:
        for part in _next(parts, functools.partial(os.read, taken, WIDTH)):
            for item, following in zip(part, [*part[1:], None], strict=True):
                listener.heard = []
                to.send((item.nodeid, None))
                config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                to.send((item.nodeid, listener.heard))
    except KeyboardInterrupt:
        sys.exit()


def _next(parts: Parts, read: Callable[[], bytes]) -> Iterator[Sequence[pytest.Item]]:
    while which := read():
        yield parts[int.from_bytes(which)]

"""The options of the suite, what it asks of whom, and the table at the end."""

import datetime as dt
import difflib
import fnmatch
import gc
import itertools
import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from goldstep.oracle import ContractError, pipeline

from . import cores, ledger, trajectories
from .ask import Memory
from .cases import asked, rules, worth
from .implementations import (
    EVERY,
    Implementation,
    UnusableError,
    at,
    claiming,
    declaring,
    implementation,
    only,
)
from .ledger import Entry, LedgerError
from .report import WRITERS, badge, report, summary, write
from .whole import checks

NAME = "goldstep-conformance"
PROPERTY = "goldstep"
"""Under this name a test reports its verdict, also across processes."""

ASKED = pytest.StashKey[Sequence[Implementation]]()
OFFERED = pytest.StashKey[list[tuple[Implementation, str, list[str]]]]()
MISSED = pytest.StashKey[str]()
BROKEN = pytest.StashKey[set[tuple[str, str]]]()
LEDGER = pytest.StashKey[list[Entry]]()
MEMORY = pytest.StashKey[dict[tuple[str, str], Memory]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("goldstep", "conformance of optimizers")
    group.addoption(
        "--impl",
        action="append",
        default=[],
        metavar="NAME",
        help="what to judge: a shipped adapter, a registered one, or a module that offers `make`",
    )
    group.addoption(
        "--rule", action="append", default=[], metavar="GLOB", help="only these rules, as 'adam*'"
    )
    group.addoption(
        "--dtype", action="append", default=[], choices=EVERY, help="only this type of tensors"
    )
    group.addoption(
        "--case", action="append", default=[], metavar="GLOB", help="only these cases, by id"
    )
    group.addoption(
        "--dialect",
        action="append",
        default=[],
        metavar="RULE=NAME",
        help="claim a dialect, as in adam=epsilon-hat, beside what the adapter claims",
    )
    group.addoption(
        "--declare",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="declare what an adapter may, as in scalar=float32 or dtypes=float32,bfloat16",
    )
    group.addoption(
        "--xp",
        metavar="LIBRARY[:DEVICE]",
        help="ask with arrays of this library and compare there: cupy, torch:cuda; numpy if unsaid",
    )
    group.addoption(
        "--no-cache",
        dest="cache",
        action="store_false",
        help="compute every truth anew; else it is kept in GOLDSTEP_CACHE or ~/.cache/goldstep",
    )
    group.addoption(
        "--report",
        action="append",
        default=[],
        metavar="FILE",
        help="write what was found, as FILE.json, FILE.html or FILE.md; may be given again",
    )
    group.addoption("--badge", metavar="FILE", help="write an endpoint badge of shields.io")
    group.addoption("--xfail", metavar="FILE", help="a ledger of what is known to differ")
    group.addoption("--write-xfail", metavar="FILE", help="write a ledger of all that fails")
    group.addoption(
        "--shrink",
        action="store_true",
        help="show the smallest test that fails, for the first case of each cause",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[BROKEN], config.stash[MEMORY] = set(), {}
    config.stash[LEDGER] = []
    if config.option.help or config.option.version:
        return
    if not config.option.impl:
        msg = (
            "say what to judge: --impl=torch, --impl=optax, or a module of your own that offers "
            "make(rule, hyper, params), as docs/implementers.md shows"
        )
        raise pytest.UsageError(msg)
    for glob in config.option.rule:
        if not fnmatch.filter(there := rules(), glob) and not _composed(glob):
            near = difflib.get_close_matches(glob.lower(), there) or there
            msg = f"--rule={glob}: no rule is named so; there is {', '.join(near)}"
            raise pytest.UsageError(msg)
    gc.unfreeze()
    gc.disable()  # a library that is imported makes much that stays, and no garbage
    try:
        claims = dict(_claim(c) for c in config.option.dialect)
        made = [implementation(name, config.option.rule) for name in config.option.impl]
        made = [declaring(one, config.option.declare) for one in made]
        made = only(made, config.option.dtype or EVERY)
        made = [at(one, config.option.xp) if config.option.xp else one for one in made]
        config.stash[ASKED] = [claiming(one, claims) for one in made]
        trajectories.names()
    except (UnusableError, ContractError, ValueError) as error:
        raise pytest.UsageError(str(error)) from error
    _check_files(config)
    if config.option.xfail:
        today = dt.datetime.now(tz=dt.UTC).date()
        try:
            config.stash[LEDGER] = ledger.read(Path(config.option.xfail), today)
        except LedgerError as error:
            raise pytest.UsageError(str(error)) from error


def _check_files(config: pytest.Config) -> None:
    """Raise UsageError before anything is asked if what is found could not be written."""
    given = config.option
    for option, files in {
        "--report": given.report,
        "--badge": [given.badge],
        "--write-xfail": [given.write_xfail],
    }.items():
        for name in filter(None, files):
            if not Path(name).resolve().parent.is_dir():
                msg = f"{option}={name}: there is no such folder"
                raise pytest.UsageError(msg)
            if option == "--report" and Path(name).suffix not in WRITERS:
                msg = f"--report={name}: a report is one of {', '.join(WRITERS)}"
                raise pytest.UsageError(msg)


def _claim(text: str) -> tuple[str, str]:
    rule, _, dialect = text.partition("=")
    return rule, dialect


def program(config: pytest.Config) -> str:
    """The command that was given, without its options."""
    packaged = config.inipath == Path(__file__).parent / "pytest.ini"
    return "python -m goldstep.conformance" if packaged else "pytest conformance"


def repeated(config: pytest.Config, made: Implementation, case: str) -> str:
    """The command that asks one case again."""
    options = [f"--impl={made.name}"]
    options += [] if made.adapter else [f"--rule={case.partition('/')[0]}"]
    options += [f"--dialect={claim}" for claim in config.option.dialect]
    options += [f"--declare={one}" for one in config.option.declare]
    options += [f"--xp={made.place.name}"] if made.place else []
    said = (option.partition("=") for option in [*options, f"--case={case}"])
    return " ".join([program(config), *(f"{k}={shlex.quote(v)}" for k, _, v in said)])


def _wanted(name: str, globs: list[str]) -> bool:
    return not globs or any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def _composed(name: str) -> bool:
    """Whether a name is one of parts that compose, be it listed or not."""
    try:
        pipeline(name)
    except (LookupError, ValueError):
        return False
    return True


def _rules(config: pytest.Config) -> Iterator[tuple[Implementation, str, list[str]]]:
    """Every implementation and rule, with the types in which it is offered and wanted."""
    named = [*config.option.rule, *(case.partition("/")[0] for case in config.option.case)]
    every = dict.fromkeys([*rules(), *filter(_composed, named)])
    wanted = [rule for rule in every if _wanted(rule, config.option.rule)]
    if config.option.case:
        wanted = [
            r for r in wanted if any(_wanted(r, [c.split("/")[0]]) for c in config.option.case)
        ]
    for made in config.stash[ASKED]:
        for rule in wanted:
            yield made, rule, [d for d in EVERY if d in made.dtypes and made.offers(rule, d)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = metafunc.fixturenames
    if not {"adapter", "question", "whole"} & set(names):
        return
    config = metafunc.config
    if OFFERED not in config.stash:  # to ask what is offered is to make it
        config.stash[OFFERED] = list(_rules(config))
    every = config.stash[OFFERED]
    if "adapter" in names:
        ids = [f"{made.name}-{rule}" for made, rule, _ in every]
        metafunc.parametrize("adapter", every, ids=ids)
        return
    if "whole" in names:
        asked_of = [] if config.option.case else every
        found = [(m, r, check) for m, r, dtypes in asked_of if dtypes for check in checks(m, r)]
        metafunc.parametrize("whole", found, ids=[f"{m.name}-{r}-{c}" for m, r, c in found])
        return
    questions, ids = [], []
    for made, rule, offered in every:
        for case in asked(rule, made.capabilities) if offered else ():
            for dtype in offered:
                named, finest = config.option.case, dtype == offered[0]
                if (named or finest or worth(case, dtype)) and _wanted(f"{case.id}/{dtype}", named):
                    # A free run sees the logic, not the arithmetic: once is enough.
                    hard = "changes" in case.needs or "changes" not in made.capabilities
                    questions.append((made, case, dtype, hard and finest))
                    ids.append(f"{made.name}-{case.id}/{dtype}")
    if config.option.case and not questions:
        config.stash[MISSED] = (
            f"no case that is asked is named {', '.join(config.option.case)}; a name reads like "
            "adamw/designed-scales/dyadic/constant/float64"
        )
    metafunc.parametrize("question", questions, ids=ids)


def pytest_collection_finish() -> None:
    gc.enable()
    gc.freeze()  # nor need it be looked through again, in any process


def pytest_unconfigure() -> None:
    gc.enable()  # also if there was nothing to ask


def subject(item: pytest.Item) -> tuple[str, str] | None:
    """The implementation and the rule that a test is about, if it is one of the suite's."""
    for name, given in getattr(getattr(item, "callspec", None), "params", {}).items():
        if name in {"adapter", "whole", "question"}:
            if not isinstance(given, tuple):  # there is nothing to ask
                return "", ""
            made, rule = given[:2]
            return str(made.name), str(getattr(rule, "rule", rule))
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Rule by rule: is the adapter whole, is the optimizer, is every step."""
    if MISSED in config.stash:  # before this it would be told as an error of ours
        raise pytest.UsageError(config.stash[MISSED])
    order = {about: i for i, about in enumerate(dict.fromkeys(map(subject, items)))}
    items.sort(key=lambda item: order[subject(item)])
    said = config.option.log_level, config.option.log_cli_level, config.option.log_file
    if None not in order and not any(said):
        # It visits every logger at every turn, and torch has hundreds.
        config.pluginmanager.unregister(name="logging-plugin")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    parts = [list(part) for _, part in itertools.groupby(session.items, subject)]
    mine = session.items and all(map(subject, session.items))
    stopped = session.testsfailed or session.config.option.collectonly
    if not mine or stopped or not cores.shared(session.config):
        return None
    workers = min(cores.cores(), len(parts))
    if workers < 2:
        return None
    cores.run(session, parts, workers)
    return True


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        for name, value in report.user_properties:
            if name == PROPERTY:
                _rows.append(json.loads(str(value)))


_rows: list[dict[str, Any]] = []


def pytest_sessionstart() -> None:
    _rows.clear()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    if exitstatus == pytest.ExitCode.OK and not any(
        r["case"] and r["status"] != "not tested" for r in _rows
    ):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
    config = session.config
    if ASKED not in config.stash:
        return
    for name in config.option.report:
        write(Path(name), report(config.stash[ASKED], _rows))
    if config.option.badge:
        Path(config.option.badge).write_text(badge(config.stash[ASKED], _rows), encoding="utf-8")
    if config.option.write_xfail:
        Path(config.option.write_xfail).write_text(ledger.written(_rows), encoding="utf-8")
    if stale(config) and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def stale(config: pytest.Config) -> list[str]:
    """The ids of the ledger that match nothing, as far as everything was asked."""
    given = config.option
    if given.rule or given.case or given.dtype or given.keyword:
        return []
    names = [ledger.name(row) for row in _rows]
    entries = config.stash[LEDGER]
    return ledger.unmatched(entries, names)


def expected(config: pytest.Config, name: str) -> Entry | None:
    """The entry of the ledger that a case, or the adapter of a rule, is under."""
    return next((entry for entry in config.stash[LEDGER] if entry.covers(name)), None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> Iterator[None]:
    """Show one failure of each cause, in full; the others are counted, and in the report."""
    if config.option.collectonly or ASKED not in config.stash or MISSED in config.stash:
        return (yield)
    stats = terminalreporter.stats
    failed = stats.get("failed", [])
    causes: dict[Any, Any] = {}
    for test in failed:
        rows = [json.loads(str(v)) for name, v in test.user_properties if name == PROPERTY]
        row = rows[0] if rows else {}
        key = (row.get("implementation"), row.get("rule"), row.get("verdict") or row.get("message"))
        causes.setdefault((bool(row.get("check")), key if rows else test.nodeid), test)
    if failed:  # a step that is wrong says more than a whole of such steps
        stats["failed"] = [causes[key] for key in sorted(causes, key=lambda key: key[0])]
    try:
        yield
    finally:
        if failed:
            stats["failed"] = failed
    terminalreporter.section("conformance")
    for line in summary(config.stash[ASKED], _rows):
        terminalreporter.write_line(line)
    for name in stale(config):
        said = "matches nothing that was asked: remove it, or mend its name"
        terminalreporter.write_line(f"LEDGER {config.option.xfail}: {name!r} {said}", red=True)

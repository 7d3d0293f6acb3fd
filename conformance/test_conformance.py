"""Ask an implementation everything that it offers: `pytest conformance --impl=NAME`."""

import json

import pytest

from goldstep.conformance import message, plugin
from goldstep.conformance.ask import Memory, ask, broken, number, wrong
from goldstep.conformance.shrink import shrunken
from goldstep.oracle import Truth
from goldstep.oracle.cache import Kept

# What an implementation warns of is shown, and is no failure.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def tell(request):
    """Write down a verdict for the table and the report."""

    def write(made, rule, **said):
        row = {"implementation": made.name, "rule": rule, "claim": made.claim(rule)}
        row |= {"offered": True, "case": None, "dtype": None, "level": None, "ratio": None}
        row |= {"status": "", "verdict": "", "message": ""} | said
        request.node.user_properties.append((plugin.PROPERTY, json.dumps(row)))

    return write


def test_adapter(adapter, tell, request):
    """Smoke: the contract is kept, whatever the mathematics."""
    made, rule, dtypes = adapter
    if not dtypes:
        tell(made, rule, offered=False)
        pytest.skip(f"NOT TESTED: {made.name} does not offer {rule}")
    said, known = broken(made, rule, dtypes[0]), plugin.expected(request.config, rule)
    if not said and not known:
        tell(made, rule)
        return
    request.config.stash[plugin.BROKEN].add((made.name, rule))
    if known and said:
        tell(made, rule, dtype=dtypes[0], status="expected", message=said)
        pytest.xfail(known.says())
    said = said or stale("its adapter is not broken")
    tell(made, rule, dtype=dtypes[0], status="broken", message=said)
    pytest.fail(f"{rule}: {made.breach()} ({dtypes[0]}): {said}", pytrace=False)


def stale(what):
    return f"{what}, although the ledger says so: remove its line"


def test_whole(whole, tell, request):
    """The optimizer as a whole: groups, checkpoints, types, and what it does not depend on."""
    made, rule, name = whole
    if (made.name, rule) in request.config.stash[plugin.BROKEN]:
        pytest.skip("NOT TESTED: the adapter is broken")
    known, row = plugin.expected(request.config, f"{rule}/{name}"), {"check": name}
    said = wrong(made, rule, name)
    if said is None:
        tell(made, rule, **row, status="not tested")
        pytest.skip(f"NOT TESTED: {made.name} does not offer {name} of {rule}")
    if not said and not known:
        tell(made, rule, **row, status="conforms", verdict="conforms")
        return
    if known and said:
        tell(made, rule, **row, status="expected", verdict=name, message=said)
        pytest.xfail(known.says())
    said = said or stale("conforms")
    tell(made, rule, **row, status="differs", verdict=f"{name}: {said}", message=said)
    pytest.fail(f"{rule}, as a whole: {name}: {said}", pytrace=False)


def test_case(question, tell, request):
    """The mathematics: one trajectory, free-running and where possible teacher-forced."""
    made, case, dtype, free = question
    if (made.name, case.rule) in request.config.stash[plugin.BROKEN]:
        pytest.skip("NOT TESTED: the adapter is broken")
    kind = Kept if request.config.option.cache else Truth
    memories = request.config.stash[plugin.MEMORY]
    memory = memories.setdefault((made.name, case.rule), Memory(kind))
    name = f"{case.id}/{dtype}"
    known = plugin.expected(request.config, name)
    where = {"case": case.id, "dtype": dtype}
    try:
        answer = ask(made, case, dtype, free=free, memory=memory)
    except Exception as error:
        verdict = f"goldstep itself raises {type(error).__name__}"
        tell(made, case.rule, **where, status="raises", verdict=verdict, message=str(error))
        raise
    where |= {"level": answer.level, "ratio": number(answer.ratio)}
    said = {"status": answer.status, "verdict": answer.verdict, "message": answer.message}
    if known and answer.status == "conforms":
        verdict = stale("conforms")
        said |= {"status": "unexpected", "verdict": verdict, "message": f"{name}: {verdict}"}
    elif known and answer.status != "not tested":
        said |= {"status": "expected"}
    tell(made, case.rule, **where, **said, **answer.more)
    if said["status"] == "conforms":
        return
    if said["status"] == "not tested":
        pytest.skip(answer.message)
    if said["status"] == "expected":
        pytest.xfail(known.says())
    lines = [said["message"], message.repeat(plugin.repeated(request.config, made, name))]
    if request.config.option.shrink and memory.first(answer.verdict):
        lines += ["", *shrunken(made, case, dtype)]
    pytest.fail("\n".join(lines), pytrace=False)

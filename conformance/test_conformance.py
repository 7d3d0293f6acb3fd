"""Ask an implementation everything that it offers: `pytest conformance --impl=NAME`."""

import json

import pytest

from goldstep.conformance import message, plugin
from goldstep.conformance.ask import Memory, ask, broken
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
    said = broken(made, rule, dtypes[0])
    if not said:
        tell(made, rule)
        return
    request.config.stash[plugin.BROKEN].add((made.name, rule))
    tell(made, rule, dtype=dtypes[0], status="broken", message=said)
    pytest.fail(f"{rule}: your adapter is broken ({dtypes[0]}): {said}", pytrace=False)


def test_case(question, tell, request):
    """The mathematics: one trajectory, free-running and where possible teacher-forced."""
    made, case, dtype, free = question
    if (made.name, case.rule) in request.config.stash[plugin.BROKEN]:
        pytest.skip("NOT TESTED: the adapter is broken")
    program = plugin.program(request.config)
    command = f"{program} --impl={made.name} --case={case.id}/{dtype}"
    kind, memories = (
        Kept if request.config.option.cache else Truth,
        request.config.stash[plugin.MEMORY],
    )
    memory = memories.setdefault((made.name, case.rule), Memory(kind))
    answer = ask(made, case, dtype, free=free, memory=memory)
    where = {"case": case.id, "dtype": dtype, "level": answer.level, "ratio": answer.ratio}
    said = {"status": answer.status, "verdict": answer.verdict, "message": answer.message}
    if answer.status == "not tested":
        pytest.skip(answer.message)
    tell(made, case.rule, **where, **said, **answer.more)
    if answer.status == "conforms":
        return
    pytest.fail(f"{answer.message}\n{message.repeat(command)}", pytrace=False)

"""Ask an implementation everything that it offers: `pytest conformance --impl=NAME`."""

import json

import pytest

from goldstep.conformance import message, plugin
from goldstep.conformance.smoke import smoke
from goldstep.oracle import ContractError, Truth, diagnose, judge, observe
from goldstep.oracle.cache import Kept

# What an implementation warns of is shown, and is no failure.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def tell(request):
    """Write down a verdict for the table and the report."""

    def write(made, rule, **said):
        row = {"implementation": made.name, "rule": rule, "claim": made.claim(rule)}
        row |= {"offered": True, "case": None, "dtype": None, "level": None, "ratio": None}
        row |= {"verdict": "", "message": ""} | said
        request.node.user_properties.append((plugin.PROPERTY, json.dumps(row)))

    return write


def test_adapter(adapter, tell, request):
    """Smoke: the contract is kept, whatever the mathematics."""
    made, rule, dtypes = adapter
    if not dtypes:
        tell(made, rule, offered=False)
        pytest.skip(f"NOT TESTED: {made.name} does not offer {rule}")
    try:
        smoke(made.make, rule, dtypes[0], made.capabilities)
    except ContractError as error:
        broken = str(error)
    except Exception as error:  # noqa: BLE001 - whatever an adapter raises, it is broken
        broken = f"{type(error).__name__}: {error}"
    else:
        tell(made, rule)
        return
    request.config.stash[plugin.BROKEN].add((made.name, rule))
    tell(made, rule, dtype=dtypes[0], message=broken)
    pytest.fail(f"{rule}: your adapter is broken ({dtypes[0]}): {broken}", pytrace=False)


def test_case(question, tell, request):
    """The mathematics: one trajectory, free-running and where possible teacher-forced."""
    made, case, dtype, free = question
    if (made.name, case.rule) in request.config.stash[plugin.BROKEN]:
        pytest.skip("NOT TESTED: the adapter is broken")
    kind = Kept if request.config.option.cache else Truth
    truth = kind(case, made.arithmetic(dtype), made.dialects)
    program = plugin.program(request.config)
    command = f"{program} --impl={made.name} --case={case.id}/{dtype}"
    where = {"case": case.id, "dtype": dtype}
    try:
        seen = observe(truth, made.make, free=free)
    except NotImplementedError as error:
        pytest.skip(f"NOT TESTED: {made.name} does not offer this: {error}")
    except ContractError as error:
        tell(made, case.rule, **where, verdict="adapter broken", message=str(error))
        pytest.fail(f"{case.id}/{dtype}: your adapter is broken: {error}\n{command}", pytrace=False)
    except Exception as error:
        told = f"raises {type(error).__name__}"
        tell(made, case.rule, **where, verdict=told, message=f"{told}: {error}")
        raise
    verdict = judge(truth, seen)
    where |= {"level": seen.level, "ratio": verdict.ratio}
    if verdict.divergence is None:
        tell(made, case.rule, **where, verdict="conforms")
        return
    claim, matches = made.claim(case.rule), diagnose(truth, seen)
    headline = message.headline(claim, matches)
    said = message.failure(truth, verdict.divergence, matches, claim, command)
    tell(made, case.rule, **where, verdict=headline, message=said)
    told = request.config.stash[plugin.TOLD]
    if (made.name, case.rule, headline) in told:
        said = message.again(truth, verdict.divergence, headline, command)
    told.add((made.name, case.rule, headline))
    pytest.fail(said, pytrace=False)

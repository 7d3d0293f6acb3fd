"""Every adapter that is shipped: small, pinned, and run where its library is there."""

import datetime as dt
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from goldstep.conformance import ledger
from goldstep.conformance.ask import ask, broken
from goldstep.conformance.cases import asked
from goldstep.conformance.implementations import ADAPTERS, implementation
from goldstep.oracle import pipeline

ROOT = Path(__file__).parent.parent
SHIPPED = sorted(path.stem for path in ADAPTERS.glob("[!_]*.py"))
TABLES = [name for name in SHIPPED if "make = Table(" in (ADAPTERS / f"{name}.py").read_text()]
LEDGERS = sorted((ROOT / "conformance" / "ledgers").glob("*.toml"))


def test_every_adapter_has_an_extra_of_its_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(SHIPPED) - {"reference"} <= project["optional-dependencies"].keys()


def test_what_is_an_extra_has_a_version_that_it_was_run_with():
    pinned = (ROOT / "constraints.txt").read_text().replace("_", "-")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in set(SHIPPED) - {"reference"}:
        for needed in project["optional-dependencies"][name]:
            assert f"\n{needed.split('>')[0].replace('_', '-')}==" in pinned, needed


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_short_and_names_rules_that_there_are(name):
    lines = (ADAPTERS / f"{name}.py").read_text().splitlines()
    assert len(lines) <= 60
    table = {line.split('"')[1] for line in lines if line.startswith('        "') and '": ' in line}
    assert table
    for rule in table:
        pipeline(rule)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_conforms_in_what_it_offers(name):
    made = implementation(name)
    known = []
    path = ROOT / "conformance" / "ledgers" / f"{name}.toml"
    if path.exists():
        known = ledger.read(path, dt.date(2026, 1, 1))
    dtype = made.dtypes[-1]
    tried = [
        rule for rule in ("heavy_ball", "adam", "lion", "adafactor") if made.offers(rule, dtype)
    ]
    for rule in tried:
        assert broken(made, rule, dtype) == ""
        for case in [c for c in asked(rule, made.capabilities) if "ties/amplified" in c.id][:1]:
            answer = ask(made, case, dtype)
            expected = any(entry.covers(f"{case.id}/{dtype}") for entry in known)
            assert (answer.status == "conforms") is not expected, answer.message


@pytest.mark.parametrize("path", LEDGERS, ids=[p.stem for p in LEDGERS])
def test_a_ledger_that_is_shipped_can_be_read(path):
    assert path.stem in SHIPPED
    assert ledger.read(path, dt.date(2026, 1, 1))


def test_the_atlas_is_what_its_records_say():
    done = subprocess.run([sys.executable, "docs/atlas.py", "--check"], cwd=ROOT)
    assert done.returncode == 0, "run python docs/atlas.py"

"""What is written for readers is true: generated pages, links, commands, examples."""

import doctest
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))


def test_generated_pages_are_what_the_specification_says():
    done = subprocess.run(
        [sys.executable, "docs/build.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, f"run python docs/build.py\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_links_within_the_repository_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), target


def test_the_example_of_the_readme_is_true():
    results = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_readme_fits_one_screen():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 70


def test_commands_name_extras_that_there_are():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].keys()
    for page in PAGES:
        for named in re.findall(r"'\.\[([a-z,]+)\]'", page.read_text(encoding="utf-8")):
            assert set(named.split(",")) <= extras, page


def test_a_page_shows_the_equation_beside_its_line():
    found = importlib.util.spec_from_file_location("build", ROOT / "docs" / "build.py")
    build = importlib.util.module_from_spec(found)
    found.loader.exec_module(build)
    assert build.stale() == []
    page = build.page("optimizers", "lion")
    assert r"\tag{lion.3}" in page
    assert "m = b2 * m + (1 - b2) * g" in page


def test_the_schema_of_a_rule_describes_every_field_that_the_guide_promises():
    schema = json.loads((ROOT / "spec" / "rule.schema.json").read_text(encoding="utf-8"))
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for field in ("source", "state", "equation", "dialect", "trap", "law", "witness"):
        assert field in schema["properties"]
        assert field in text or field + "s" in text


def test_the_project_speaks_of_itself_only():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    for name in tracked.stdout.split():
        if name.endswith((".safetensors", "LICENSE")) or name == "tests/test_docs.py":
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"/(root|home|work)/\w", text), name

"""The page of agreement is that of the records, and lets nothing pass that no finding explains."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parent.parent / "docs" / "agreement.py"
SPEC = importlib.util.spec_from_file_location("agreement", PATH)
agreement = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(agreement)


def record(differ):
    found = {"cases": 9, "differ": differ, "worst": 0.48}
    rules = {"lion": {"dtypes": {"float64": found, "float32": found | {"differ": 0}}}}
    return {"implementation": "mylib", "version": "1.0", "rules": rules}


def test_the_page_is_that_of_the_records():
    due = agreement.page(agreement.records(), agreement.explained())
    assert PATH.with_suffix(".md").read_text(encoding="utf-8") == due


def test_no_implementation_that_conforms_is_beyond_the_limit():
    for kept in agreement.records():
        for rule, said in kept["rules"].items():
            for dtype, found in said["dtypes"].items():
                assert (found["worst"] or 0) <= 1, (kept["implementation"], rule, dtype)


def test_what_no_finding_explains_is_an_error():
    assert "| lion | 0.48 | 0.48 |  |" in agreement.page([record(0)], {})
    with pytest.raises(ValueError, match="mylib leaves the bound of lion, and no finding"):
        agreement.page([record(2)], {})
    explained = agreement.page([record(2)], {("mylib", "lion"): 7})
    assert "| lion | 0.48; 2 of 9 beyond | 0.48 | 7 |" in explained

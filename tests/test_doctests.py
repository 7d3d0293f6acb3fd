"""Every example in a docstring is true."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOT_HERE = {"adapters", "trajectories"}
MODULES = [
    ".".join(["goldstep", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")
    for folder in ("spec", "reference", "oracle", "conformance")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not NOT_HERE & set(path.parts)
    and path.stem not in {"__main__", "conftest", "test_conformance"}
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0

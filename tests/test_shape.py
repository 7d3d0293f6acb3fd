"""The shape of the repository: what is packaged, and who may import whom."""

import ast
import statistics
import sys
import tomllib
from pathlib import Path

import pytest

from goldstep.spec import KINDS

ROOT = Path(__file__).parent.parent
FOLDERS = ["spec", "reference", "oracle", "conformance"]
MAY_IMPORT = {
    "spec": set(),
    "reference": set(),
    "oracle": {"spec", "reference"},
    "conformance": {"spec", "oracle"},
}


def imported(path: Path) -> set[str]:
    """The modules that a file imports by full name."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "goldstep":
            names += [f"goldstep.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names += [str(node.module)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return set(names)


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_point_one_way(folder):
    for path in (ROOT / folder).rglob("*.py"):
        ours = {name.split(".")[1] for name in imported(path) if name.startswith("goldstep.")}
        assert ours <= MAY_IMPORT[folder] | {folder}, path


def test_the_reference_imports_an_array_library_and_next_to_nothing_else():
    for path in (ROOT / "reference").rglob("*.py"):
        assert imported(path) <= {"typing", "types", "math", "array_api_compat"}, path


def test_every_folder_of_code_is_packaged():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    inits = [init for folder in FOLDERS for init in (ROOT / folder).rglob("__init__.py")]
    found = [".".join(["goldstep", *init.parent.relative_to(ROOT).parts]) for init in inits]
    assert sorted(listed) == sorted(found)


def test_every_rule_has_a_specification_and_a_reference():
    for kind in KINDS:
        specified = {p.stem for p in (ROOT / "spec" / kind).glob("*.toml")}
        referenced = {p.stem for p in (ROOT / "reference" / kind).glob("[!_]*.py")}
        assert specified == referenced


def test_no_rule_has_a_mode(capsys):
    """A flag is two rules: hyper-parameters are numbers, and what is asked is asked of all."""
    lengths = []
    for path in (ROOT / "reference").glob("*/[!_]*.py"):
        text = path.read_text(encoding="utf-8")
        lengths.append(len(text.splitlines()))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and node.name == "Hyper":
                kinds = {ast.unparse(n.annotation) for n in node.body if hasattr(n, "annotation")}
                assert kinds <= {"float", "int"}, path
            if isinstance(node, ast.FunctionDef) and node.name == "update":
                assert not node.args.defaults + node.args.kwonlyargs, path
    with capsys.disabled():
        sys.stdout.write(f" [{statistics.median(lengths)} lines of {len(lengths)} files] ")
    assert statistics.median(lengths) < 60

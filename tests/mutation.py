"""Every mutant of the oracle's own code: which of them do the tests not see?

    python tests/mutation.py judge link       # of these modules; --list prints every mutant

The mutants are those of Cosmic Ray, one of each kind at each place; annotations are left alone.
Each is imported in place of its module by a process of its own, which runs the tests that guard it,
as `mutation.toml` says, until one fails. That also lists the survivors that there may be, each with
why. Exit code 1 if there is another, or if one that is listed is killed.
"""

import argparse
import ast
import contextlib
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import hypothesis
import hypothesis.extra.numpy
import mpmath  # noqa: F401 # what every process needs is imported once
import pytest

ROOT = Path(__file__).parent.parent
SAID = tomllib.loads(Path(__file__).with_name("mutation.toml").read_text(encoding="utf-8"))

OPERATORS = [
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Pow_Mul", "FloorDiv_Mul", "Mod_Mul")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("BitOr_BitAnd", "BitAnd_BitOr")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_Gt", "LtE_Gt", "Gt_Lt", "GtE_Lt")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Eq_NotEq", "NotEq_Eq")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Is_IsNot", "IsNot_Is")),
    *(f"ReplaceUnaryOperator_{pair}" for pair in ("Delete_USub", "Delete_Invert", "Delete_Not")),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("AddNot", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer"),
    *("NumberReplacer", "ZeroIterationForLoop"),
]
SLACK = 20.0
"""How many seconds longer than all of the tests a mutant may take before it counts as stuck."""


class Mutant(NamedTuple):
    operator: str
    line: int
    was: str
    now: str
    text: str


class Bare(ast.NodeTransformer):
    """A module without its annotations."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(0)
        return self.generic_visit(node)


def bare(text: str) -> str:
    return ast.dump(Bare().visit(ast.parse(text)))


def mutants(text: str) -> Iterator[Mutant]:
    """Every mutant of the text of a module, in the order of its lines."""
    # Only this program needs it, and pytest imports every file for its doctests.
    from cosmic_ray.ast import ast_nodes, get_ast  # noqa: PLC0415
    from cosmic_ray.mutating import mutate_code  # noqa: PLC0415
    from cosmic_ray.plugins import get_operator  # noqa: PLC0415

    found, seen = [], {bare(text)}
    tree = get_ast(text)
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        places = [at for node in ast_nodes(tree) for at in operator.mutation_positions(node)]
        for n, (start, _) in enumerate(places):
            other = mutate_code(text, operator, n)
            with contextlib.suppress(SyntaxError):
                if bare(other) in seen:
                    continue
                seen.add(bare(other))
                lines = zip(text.splitlines(), other.splitlines(), strict=False)
                was, now = next((a, b) for a, b in lines if a != b)
                found.append(Mutant(name, start[0], was.strip(), now.strip(), other))
    return iter(sorted(found, key=lambda m: (m.line, m.operator, m.now)))


class Instead(importlib.abc.MetaPathFinder):
    """Imports another text in place of one module."""

    def __init__(self, module: str, text: str) -> None:
        self.module, self.text = module, text

    def find_spec(self, name, path, target=None):
        if name != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        spec.loader.get_code = lambda _: compile(self.text, spec.origin, "exec")
        return spec


def survives(module: str, text: str, tests: list[str], limit: float) -> bool:
    """Whether no test fails if a module reads `text`."""
    child = os.fork()
    if child == 0:
        out = os.open(os.devnull, os.O_WRONLY)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.meta_path.insert(0, Instead(module, text))
        with tempfile.TemporaryDirectory() as cache:
            os.environ["GOLDSTEP_CACHE"] = cache  # what a mutant keeps is nobody else's
            arguments = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
            arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # imported before
            phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # and no shrinking
            hypothesis.settings.register_profile("mutants", phases=phases)
            hypothesis.settings.load_profile("mutants")  # of which the tests' own are made
            code = 1
            with contextlib.suppress(BaseException):
                code = pytest.main(arguments)
        os._exit(int(code))
    end = time.monotonic() + limit
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def report(name: str, *, only_list: bool) -> int:
    """Print what becomes of each mutant of a module of the oracle; 1 if it is not as listed."""
    said = SAID[name]
    text = (ROOT / "oracle" / f"{name}.py").read_text(encoding="utf-8")
    every = list(mutants(text))
    tried = every[:: said.get("every", 1)]
    if only_list:
        sys.stdout.writelines(f"{m.line}: {m.was}\n    {m.now}\n" for m in tried)
        return 0
    module, began = f"goldstep.oracle.{name}", time.monotonic()
    if not survives(module, text, said["tests"], 3600):
        sys.exit(f"{name}: the tests fail without any mutant")
    limit = 2 * (time.monotonic() - began) + SLACK
    lived = []
    for n, m in enumerate(tried, 1):
        began = time.monotonic()
        if survives(module, m.text, said["tests"], limit):
            lived.append(m)
        what, took = "survives" if lived[-1:] == [m] else "killed", time.monotonic() - began
        sys.stderr.write(f"{name} {n}/{len(tried)}: line {m.line} {what}, {took:.0f} s: {m.now}\n")
    listed = {(s["was"], s["now"]): s["why"] for s in said.get("survivor", [])}
    new = [m for m in lived if (m.was, m.now) not in listed]
    gone = listed.keys() & {(m.was, m.now) for m in tried} - {(m.was, m.now) for m in lived}
    killed = len(tried) - len(lived)
    sys.stdout.write(
        f"{name}: {killed} of {len(tried)} mutants killed ({killed / len(tried):.1%})"
        f"{f', of {len(every)} that there are' if len(tried) < len(every) else ''}; "
        f"{len(lived) - len(new)} survivors are listed\n"
    )
    sys.stdout.writelines(f"  line {m.line} survives: {m.was}\n    {m.now}\n" for m in new)
    sys.stdout.writelines(f"  is killed, and listed: {now}\n" for _, now in sorted(gone))
    sys.stdout.flush()
    return int(bool(new or gone))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", nargs="*", choices=[*SAID, []], help="; ".join(SAID))
    parser.add_argument("--list", action="store_true", help="print the mutants, and run nothing")
    options = parser.parse_args()
    os.chdir(ROOT)
    return max(report(name, only_list=options.list) for name in options.module or SAID)


if __name__ == "__main__":
    assert hypothesis.extra.numpy
    sys.exit(main())

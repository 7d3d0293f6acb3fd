"""What is measured is measured, and written; no time is asserted."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ELSEWHERE = "--xp=array_api_strict:device1"


STEP = """
from benchmarks import steps
from goldstep.oracle.place import Place
print(next(steps.rows(quick=True, place=Place("array_api_strict:device1"))).keys())
"""


def run(*options):
    call = [sys.executable, *options]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=300)


def measured(*options):
    return run("-m", "benchmarks", "--quick", *options)


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (["files"], ["a fixture is written", "a recording is forced to the disk"]),
        (["iterations"], ["newton_schulz | 128 | float64 | 15"]),
        (["iterations", ELSEWHERE], ["coupled_root | 64 | float32 | 44"]),
    ],
)
def test_a_section_prints_its_table(options, rows):
    done = measured(*options)
    assert done.returncode == 0, done.stderr
    assert all(f"| {row} |" in done.stdout for row in rows), done.stdout


def test_a_step_is_measured_with_the_arrays_of_another_library():
    done = run("-c", STEP)
    assert done.returncode == 0, done.stderr
    assert all(f"'{column}'" in done.stdout for column in ("of copy", "torch", "foreach", "fused"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["suite", ELSEWHERE], "no section suite; there is steps, iterations"),
        (["--xp=nowhere"], "--xp=nowhere: nowhere is not installed: pip install nowhere"),
    ],
)
def test_what_cannot_be_measured_is_an_error_that_says_why(options, says):
    done = measured(*options)
    assert done.returncode == 2
    assert says in done.stderr

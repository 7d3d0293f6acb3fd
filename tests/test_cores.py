"""The suite in several processes tells the same as in one, and of whatever ends one."""

import json
import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="NOT RUN: one core, or no way to fork",
)
MINE = """
import warnings

import numpy as np


def make(rule, hyper, params):
    if rule not in {"sgd", "signsgd", "heavy_ball"}:
        raise NotImplementedError(rule)
    theta = {k: x.copy() for k, x in params.items()}
    v = {k: np.zeros_like(x) for k, x in params.items()}

    def step(grads):
        if rule == "heavy_ball":
            print("what is printed in a child")
            warnings.warn("what is warned of in a child", stacklevel=1)
        for k, g in grads.items():
            v[k] = hyper.get("momentum", 0) * v[k] + g
            d = np.sign(g) if rule == "signsgd" else v[k]
            theta[k] = theta[k] - hyper["lr"] * DONE
        return {k: x.copy() for k, x in theta.items()}

    return step
"""
WRONG = MINE.replace("DONE", "d * d")


@pytest.fixture
def suite(tmp_path):
    def run(text, *options, of=("sgd", "signsgd", "heavy_ball")):
        (tmp_path / "mine.py").write_text(text)
        asked = [f"--rule={rule}" for rule in of]
        done = subprocess.run(
            [sys.executable, "-m", "goldstep.conformance", "--impl=mine", *asked, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, re.sub(r"in \d+\.\d+s", "", done.stdout + done.stderr)

    return run


def test_the_same_is_told_as_by_one_process(suite, tmp_path):
    options = "--dtype=float64", "--case=*/designed-shocks/*"
    told = []
    for more in ([], ["-n0"]):
        code, output = suite(WRONG, *options, "--report=out.json", "--junitxml=junit.xml", *more)
        assert code == 1
        found = json.loads((tmp_path / "out.json").read_text())
        names = re.findall(r'<testcase [^>]*name="([^"]*)"', (tmp_path / "junit.xml").read_text())
        told.append((output, found, names))
    assert told[0] == told[1]
    assert "what is warned of in a child" in told[0][0]
    assert "what is printed in a child" in told[0][0]


def test_it_stops_where_one_process_would(suite):
    options = "--dtype=float64", "--case=*/designed-shocks/*", "-x"
    code, output = suite(WRONG, *options)
    assert code == 1
    assert (code, output) == suite(WRONG, *options, "-n0")
    assert "stopping after 1 failures" in output


def test_a_process_that_ends_is_told_of(suite):
    ends = MINE.replace("DONE", "(d if rule == 'sgd' else __import__('os')._exit(7))")
    code, output = suite(ends, of=("sgd", "signsgd"))
    assert code == 2
    assert "test_adapter[mine-signsgd] has ended: exit code 7" in output

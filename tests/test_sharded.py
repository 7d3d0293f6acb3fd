"""Recordings of several processes are joined by where their parts belong, and replayed as one."""

import subprocess
import sys
from pathlib import Path

import pytest

from goldstep.conformance import commands
from goldstep.oracle import causes, verify
from goldstep.oracle.pieces import Job

PROGRAM = Path(__file__).parent / "sharded_runs.py"


@pytest.fixture(scope="module", params=[2, 4])
def runs(request, tmp_path_factory):
    """A folder with the recordings of every run of `sharded_runs.py`, on so many processes."""
    folder = tmp_path_factory.mktemp(f"world-{request.param}")
    command = [sys.executable, str(PROGRAM), str(folder), str(request.param)]
    started = [subprocess.Popen([*command, str(rank)]) for rank in range(request.param)]
    assert [process.wait(300) for process in started] == [0] * request.param
    return folder, request.param


def test_a_sharded_adamw_is_joined_and_confirmed(runs):
    folder, _ = runs
    report = verify.verify(Job(str(folder / "adamw"), "adamw", scalar="float64"))
    assert report.conforms
    sizes = {r.tensor: r.elements for r in report.rows}
    assert sizes == {"0.weight": 42, "0.bias": 7, "2.weight": 56, "2.bias": 8}
    assert sorted({r.step for r in report.rows}) == [1, 2, 3, 4]


def test_an_adam_whose_count_of_steps_differs_by_rank_is_named(runs, capsys):
    folder, world = runs
    run = str(folder / "miscounted")
    report = verify.verify(Job(run, "adamw", scalar="float64"))
    assert not report.conforms
    others = ", ".join(str(rank) for rank in range(world) if rank != 1)
    told = {n.says for n in report.notes if n.step == 3}
    assert f"the count of steps differs by rank: 3 on rank {others} and 4 on rank 1" in told
    assert commands.main(["replay", run, "--rule=adamw", "--scalar=float64"]) == 1
    assert "the count of steps differs by rank" in " ".join(capsys.readouterr().out.split())


def test_a_sharded_muon_is_joined_and_confirmed(runs):
    folder, _ = runs
    report = verify.verify(Job(str(folder / "muon"), "muon"))
    assert report.conforms
    assert {r.elements for r in report.rows} == {48}


def test_a_muon_that_orthogonalises_each_shard_alone_is_named(runs, capsys):
    folder, world = runs
    job = Job(str(folder / "muon-alone"), "muon")
    report = verify.verify(job)
    assert report.first.step == 1
    assert report.first.right == ("m",)
    found = causes.causes(job, report)[0]
    assert found.says.startswith(f"each of its {world} shards is computed alone")
    assert found.explains == found.tried == 2
    assert commands.main(["replay", str(folder / "muon-alone"), "--rule=muon"]) == 1
    assert "shards is computed alone" in " ".join(capsys.readouterr().out.split())


def test_copies_that_come_apart_are_named_with_their_rank(runs):
    folder, _ = runs
    report = verify.verify(Job(str(folder / "copies"), "adam", scalar="float64"))
    assert not report.conforms
    first = [n for n in report.notes if n.step == 3]
    assert min(n.step for n in report.notes) == 3
    assert {n.tensor for n in first} == {"weight"}
    assert any("theta after the step differs on rank 1 from rank 0" in n.says for n in first)

"""Work that is spread over workers gives the same report, also when workers are lost."""

import concurrent.futures
import functools
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from goldstep.conformance import commands
from goldstep.conformance.commands.replay import executors
from goldstep.oracle import make, record, verify
from goldstep.oracle.pieces import Job
from goldstep.oracle.spread import spread


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A recording of adam in which steps 3 and 5 are wrong, in many elements."""
    folder = tmp_path_factory.mktemp("recordings") / "run"
    random = np.random.default_rng(0)
    step = make("adam", {}, {n: random.standard_normal(50).astype(np.float32) for n in "abcd"})
    with record.Recorder(folder) as recorder:
        for number in range(1, 7):
            grads = {n: random.standard_normal(50).astype(np.float32) for n in step.params}
            recorder.before(grads, step.params, step.state(), [step.hyper])
            step(grads)
            if number in {3, 5}:
                step.params = {n: x + np.float32(0.5) for n, x in step.params.items()}
            recorder.after(step.params, step.state())
    return folder


def small_parts(monkeypatch):
    monkeypatch.setattr(verify, "PART", 100)


def test_the_report_does_not_depend_on_the_number_of_workers(run, monkeypatch):
    job = Job(str(run), "adam")
    alone = verify.verify(job)
    assert alone.first.step == 3
    small_parts(monkeypatch)
    assert len(verify.divided(job)) == 12
    assert verify.verify(job) == alone
    for workers in ("2", "3"):
        assert verify.verify(job, executors(workers)) == alone
    threads = functools.partial(concurrent.futures.ThreadPoolExecutor, 2)
    assert verify.verify(job, threads) == alone


def test_how_far_it_is_is_told(run, monkeypatch):
    small_parts(monkeypatch)
    told = []
    verify.verify(Job(str(run), "adam"), None, lambda *args: told.append(args))
    assert told == [(100 * i, 1200) for i in range(1, 13)]


def dies_once(folder, number):
    """Give back a number; the first worker that is given 5 is killed on the way."""
    mark = Path(folder) / "died"
    if number == 5 and not mark.exists():
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def dies(_):
    os.kill(os.getpid(), signal.SIGKILL)


def fails(number):
    msg = f"part {number} is wrong"
    raise ValueError(msg)


def processes():
    spawn = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn)


def test_the_part_of_a_worker_that_is_lost_is_done_again(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import test_spread as module  # noqa: PLC0415 - workers must find it by this name

    do = functools.partial(module.dies_once, str(tmp_path))
    found = dict(spread(do, range(20), processes))
    assert (tmp_path / "died").exists()
    assert found == {n: n * n for n in range(20)}


def test_a_part_that_kills_every_worker_is_an_error(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import test_spread as module  # noqa: PLC0415

    with pytest.raises(concurrent.futures.BrokenExecutor):
        dict(spread(module.dies, range(1), processes))


def test_an_error_of_a_part_is_not_tried_again():
    threads = functools.partial(concurrent.futures.ThreadPoolExecutor, 2)
    with pytest.raises(ValueError, match="part 0 is wrong"):
        dict(spread(fails, range(1), threads))


def threads():
    return concurrent.futures.ThreadPoolExecutor(2)


@pytest.mark.parametrize("where", ["2", "concurrent.futures:ThreadPoolExecutor"])
def test_the_option_takes_a_number_or_a_function(run, where, capsys):
    assert commands.main(["replay", str(run), "--rule=adam", f"--on={where}"]) == 1
    assert "first leaves the truth at step 3" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["fast", "-1"])
def test_an_option_that_means_nothing_is_told_what_there_is(run, where, capsys):
    assert commands.main(["replay", str(run), "--rule=adam", f"--on={where}"]) == 2
    assert "a number, dask, dask:ADDRESS, or MODULE:FUNCTION" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
def test_a_dask_cluster_gives_the_same_report_with_a_worker_killed_midway(run, monkeypatch):
    distributed = pytest.importorskip("distributed")
    job = Job(str(run), "adam")
    alone = verify.verify(job)
    small_parts(monkeypatch)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        victims = [worker.process.pid for worker in cluster.workers.values()]
        told = []

        def kill_one(done, _):
            told.append(done)
            if len(told) == 2:
                os.kill(victims[0], signal.SIGKILL)

        on_cluster = executors(f"dask:{cluster.scheduler_address}")
        assert verify.verify(job, on_cluster, kill_one) == alone
    assert len(told) == 12

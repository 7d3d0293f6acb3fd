"""What is kept on disk is what was computed, or is made again."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from goldstep.conformance.cases import asked
from goldstep.oracle import Arithmetic, Truth, cache
from goldstep.oracle.case import Layout
from goldstep.oracle.double import DoubleDouble
from goldstep.oracle.rounding import Bounded
from goldstep.oracle.truth import Moment

RULES = ("adam", "muon", "clip_by_global_norm+adam", "sgd", "adafactor")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLDSTEP_CACHE", str(tmp_path))
    return tmp_path


def question(rule="adam"):
    return asked(rule, {"changes", "absences"})[0]


def entries(root):
    return [path for path in root.rglob("*") if path.is_file()]


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        slots = [sorted(m.slots(), key=lambda at: at[:2]) for m in (a, b)]
        for (*at, x), (*where, y) in zip(*slots, strict=True):
            assert at == where
            assert type(x) is type(y)
            if isinstance(x, Bounded):
                assert x.host == y.host
                np.testing.assert_array_equal(x.error, y.error)
            np.testing.assert_array_equal(getattr(x, "value", x), getattr(y, "value", y))


def assert_kept(case, arithmetic):
    true, kept = Truth(case, arithmetic), cache.Kept(case, arithmetic)
    assert_same(true.golden(), kept.golden())
    assert_same(true.forced(true.golden()), kept.forced(kept.golden()))
    assert_same(true.free(), kept.free())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", RULES)
def test_what_is_found_is_what_would_be_computed(rule, dtype, root):
    for _ in "computed", "found":
        assert_kept(question(rule), Arithmetic(dtype))
        assert len(entries(root)) == 2


def test_it_is_found_and_not_computed_again(monkeypatch):
    for kept in (cache.Kept(question(), Arithmetic("float32")) for _ in range(2)):
        assert kept.golden()
        assert list(kept.free())
        monkeypatch.setattr(Truth, "_advance", None)


def test_another_question_has_another_name():
    case = question()
    asks = [
        Truth(case, Arithmetic("float64")),
        Truth(case, Arithmetic("float32")),
        Truth(case, Arithmetic("float32", "float64")),
        Truth(case, Arithmetic("float64"), {"adam": "epsilon-hat"}),
        Truth(question("sgd"), Arithmetic("float64")),
        *(Truth(c, Arithmetic("float64")) for c in asked("adam", {"changes"})[1:]),
    ]
    assert len({cache.question(truth) for truth in asks}) == len(asks)


def test_other_sources_have_other_names(monkeypatch):
    truth = Truth(question(), Arithmetic("float64"))
    before = cache.question(truth)
    monkeypatch.setattr(cache, "sources", lambda: b"others")
    assert cache.question(truth) != before


@pytest.mark.parametrize(
    "harm", [lambda d: d[:-9], lambda d: d[:99] + b"?" + d[100:], lambda _: b""]
)
def test_an_entry_that_was_harmed_is_made_again(harm, root):
    cache.Kept(question(), Arithmetic("float64")).golden()
    (path,) = entries(root)
    whole = path.read_bytes()
    path.write_bytes(harm(whole))
    assert_kept(question(), Arithmetic("float64"))
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_no_failure(root, monkeypatch):
    blocked = root / "file"
    blocked.write_text("")
    monkeypatch.setenv("GOLDSTEP_CACHE", str(blocked))
    assert_kept(question(), Arithmetic("float64"))


def test_of_the_entries_of_old_sources_the_last_alone_are_left(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for age, name in enumerate(["newest", "linked", "older", "oldest"]):
        at = root / name
        if name == "linked":  # what cannot be deleted does not keep the others
            at.symlink_to(elsewhere, target_is_directory=True)
        else:
            at.mkdir()
        os.utime(at, (1e9 - age, 1e9 - age))
    (root / "file").write_text("")
    for _ in "made", "found":
        (root / "oldest").mkdir(exist_ok=True)
        os.utime(root / "oldest", (0, 0))
        cache.folder.cache_clear()
        made = cache.folder(root)
        assert made.parent == root
        assert {path.name for path in root.iterdir()} == {"newest", "linked", "file", made.name}


def test_entries_are_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache.root() == tmp_path
    monkeypatch.delenv("GOLDSTEP_CACHE")
    assert cache.root() == tmp_path / "x" / "goldstep"
    made = cache.folder(cache.root())  # none of these is there
    assert made.is_dir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.root() == Path.home() / ".cache" / "goldstep"


@pytest.mark.parametrize(
    "file", ["spec/optimizers/adam.toml", "reference/optimizers/adam.py", "oracle/truth.py"]
)
def test_sources_are_the_bytes_of_every_file(file, monkeypatch):
    read, found = Path.read_bytes, cache.sources.__wrapped__()
    assert found == cache.sources()
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: read(path) + b" " * path.as_posix().endswith(file)
    )
    assert cache.sources.__wrapped__() != found


def test_whatever_is_changed_in_a_case_it_has_another_name():
    case = question()
    name, theta = next(iter(case.params.items()))
    grads = [*case.grads[:-1], case.grads[-1] | {name: 2 * theta}]
    cases = [
        case,
        *(
            dataclasses.replace(case, **changed)
            for changed in (
                {"rule": "adamax"},
                {"hyper": case.hyper | {"lr": 0.5}},
                {"params": case.params | {name: theta + 1}},
                {"params": case.params | {name: theta.reshape(-1, 1)}},
                {"grads": grads},
                {"changes": [*case.changes[:-1], {"lr": 0.5}]},
                {"given": [{"loss": 1.0}]},
            )
        ),
    ]
    layout = Layout(case)
    truths = [Truth(c, Arithmetic("float64"), layout=layout) for c in cases]
    assert len({cache.question(truth) for truth in truths}) == len(cases)


def number(x, *, truth=np.float64):
    return Moment({"w": Bounded(Arithmetic("float32"), truth(x), np.full(np.shape(x), 0.5))}, None)


def test_what_an_entry_cannot_hold_is_not_kept(root):
    two, one = np.ones(2), np.ones(1)
    for moments in (
        [number(two, truth=DoubleDouble)],
        [number(two), number(one)],
        [number(two), number(two), number(one)],
        [number(two, truth=np.float32)],
        [Moment({"w": "a word"}, None)],
    ):
        cache.keep(root / "entry", moments)
        assert entries(root) == []
    cache.keep(root / "entry", [number(two)])
    assert_same(cache.fetch(root / "entry", Arithmetic("float32")), [number(two)])


ASK = """
import hashlib
from goldstep.conformance.cases import asked
from goldstep.oracle import Arithmetic, cache

case, arithmetic = asked("l2+adam", {"changes"})[0], Arithmetic("float32")
kept = cache.Kept(case, arithmetic)
after = list(kept.forced(kept.golden()))
entry, answers = cache.folder(cache.root()) / cache.question(kept), set()
for _ in range(300):
    cache.keep(entry, after)
    found = cache.fetch(entry, arithmetic)
    answers.add(b"".join(x.value.tobytes() for m in found or () for x in m.params.values()))
    entry.unlink(missing_ok=True)
cache.keep(entry, after)
print(*(hashlib.sha256(x).hexdigest() for x in answers if x))
"""


def test_two_processes_share_a_folder_that_is_deleted_under_them(root):
    # Processes of their own, which need not be able to import this file.
    call, pipe = [sys.executable, "-c", ASK], subprocess.PIPE
    both = [subprocess.Popen(call, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    (out, err), (other, also) = [process.communicate() for process in both]
    assert not err + also
    assert out == other
    assert out.count(" ") == 0
    assert len(entries(root)) == 1

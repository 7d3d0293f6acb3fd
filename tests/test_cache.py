"""What is kept on disk is what was computed, or is made again."""

import subprocess
import sys

import numpy as np
import pytest

from goldstep.conformance.cases import asked
from goldstep.oracle import Arithmetic, Truth, cache
from goldstep.oracle.rounding import Bounded

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
    cache.Kept(question(), Arithmetic("float32")).golden()
    monkeypatch.setattr(Truth, "_advance", None)
    assert cache.Kept(question(), Arithmetic("float32")).golden()


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


def test_the_entries_of_old_sources_are_deleted(root):
    for name in ("one", "two", "three"):
        (root / name).mkdir()
    cache.folder.cache_clear()
    cache.Kept(question(), Arithmetic("float64")).golden()
    assert len(list(root.iterdir())) == cache.KEPT


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

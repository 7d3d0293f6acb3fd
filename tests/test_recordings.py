"""A recording keeps what it has, whatever happens to the run, and a replay finds the wrong step."""
# ruff: noqa: ARG001 - what tampers with a run takes what there is, and uses some of it

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from goldstep.conformance import commands
from goldstep.oracle import causes, make, record, verify
from goldstep.oracle.pieces import Job
from goldstep.oracle.recording import Recording, file_name, line_of, ranks
from goldstep.oracle.safetensors import FormatError, head, load

SHAPES = {"weight": (6, 4), "bias": (4,), "gain": ()}


def train(folder, *, steps=8, rule="adam", hyper=None, told=None, tamper=None, **options):
    """Train with a rule's own reference in float32, as any library might; record it."""
    random = np.random.default_rng(0)
    params = {n: random.standard_normal(s).astype(np.float32) for n, s in SHAPES.items()}
    hyper = {"lr": 0.125} | (hyper or {})
    step = make(rule, hyper, params)
    with record.Recorder(folder, **options) as recorder:
        for number in range(1, steps + 1):
            grads = {n: random.standard_normal(s).astype(np.float32) for n, s in SHAPES.items()}
            if tamper:
                tamper(number, step, grads, recorder)
            state = step.state()
            recorder.before(grads, step.params, state, [step.pipeline.check(hyper) | (told or {})])
            step({n: None if g is None else g.astype(float) for n, g in grads.items()})
            step.load(
                {n: np.asarray(x, np.float32) for n, x in step.params.items()},
                {
                    n: {k: x if k == "t" else np.asarray(x, np.float32) for k, x in s.items()}
                    for n, s in step.state().items()
                },
            )
            recorder.after(step.params, step.state())
    return recorder


def verified(folder, rule="adam", **job):
    job = Job(str(folder), rule, **job)
    return job, verify.verify(job)


def test_what_was_recorded_is_read(tmp_path):
    train(tmp_path / "run", steps=3)
    recording = Recording(tmp_path / "run")
    assert recording.numbers == [1, 2, 3]
    assert recording.tensors["weight"] == {"shape": [6, 4], "at": [0, 0], "group": 0}
    first, second = recording.step(1), recording.step(2)
    assert sorted(first.grads) == ["grad/bias", "grad/gain", "grad/weight"]
    assert first.groups == [{"lr": 0.125, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}]
    left, found = first.after["state/m/weight"], second.before["state/m/weight"]
    assert np.array_equal(left.read(), found.read())
    assert not second.changed


def test_what_the_last_step_left_is_not_written_again(tmp_path):
    train(tmp_path / "run", steps=2)
    arrays, _ = load(tmp_path / "run" / file_name(2, "before"))
    assert sorted(arrays) == ["grad/bias", "grad/gain", "grad/weight"]


@pytest.mark.parametrize("rule", ["adam", "lion", "clip_by_global_norm+heavy_ball"])
def test_a_right_run_is_confirmed(tmp_path, rule):
    train(tmp_path / "run", rule=rule)
    _, report = verified(tmp_path / "run", rule)
    assert report.conforms
    assert len(report.rows) == 24
    assert 0 < max(r.ratio for r in report.rows) <= 1


def test_a_wrong_rule_is_not_confirmed_and_the_right_one_is_named(tmp_path):
    train(tmp_path / "run", rule="adam", told={"weight_decay": 0.01})
    job, report = verified(tmp_path / "run", "adamw")
    assert not report.conforms
    assert report.first.step == 1
    assert (
        causes.causes(job, report)[0].says
        == "weight_decay = 0.0, where 0.01 was recorded, 0 times that"
    )


@pytest.mark.parametrize(
    ("mistake", "says", "wrong"),
    [
        ("missed", "no step at all: everything is left as it was", [3]),
        ("reset", "a step from the state as it is before any step: the state was reset", [3]),
        ("slower", "lr = 0.3, where 0.333333 was recorded, 0.9 times that", [3, 4, 5]),
    ],
)
def test_what_goes_wrong_within_a_step_is_named(tmp_path, mistake, says, wrong):
    folder = tmp_path / "run"
    params = {"w": np.arange(1, 7, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.float32)}
    hyper = {"lr": 1.0, "beta1": 0.75, "beta2": 0.875, "eps": 0.125}
    step = make("adam", hyper, params)
    with record.Recorder(folder) as recorder:
        for number in range(1, 6):
            hyper["lr"] = round(1 / number, 6)
            grads = {k: np.full(x.shape, number, np.float32) + x for k, x in step.params.items()}
            recorder.before(grads, step.params, step.state(), [hyper])
            if number == 3 and mistake == "reset":
                step.load(step.params, make("adam", hyper, params).state())
            if number != 3 or mistake != "missed":
                slower = 0.9 if number >= 3 and mistake == "slower" else 1.0
                step(grads, lr=slower * hyper["lr"])
            recorder.after(step.params, step.state())
    job, report = verified(folder, "adam")
    assert sorted({r.step for r in report.rows if r.wrong}) == wrong
    found = causes.causes(job, report)[0]
    assert (found.says, found.explains) == (says, 2 * len(wrong) - 1)


def test_a_trap_is_named_with_its_equation(tmp_path):
    folder = tmp_path / "run"
    params = {"w": np.arange(1, 7, dtype=np.float32).reshape(2, 3)}
    hyper = {"lr": 0.5, "beta1": 0.75, "beta2": 0.875, "weight_decay": 0.25}
    step = make("lion", hyper, params, {"lion": "decays-the-step"})
    with record.Recorder(folder) as recorder:
        for number in range(4):
            grads = {"w": np.full((2, 3), number - 1.5, np.float32)}
            recorder.before(grads, step.params, step.state(), [hyper])
            step(grads)
            recorder.after(step.params, step.state())
    job, report = verified(folder, "lion")
    found = causes.causes(job, report)[0]
    assert found.says == "the trap decays-the-step of lion"
    assert found.tags == ("lion.2",)
    assert found.explains == found.tried == 3


def test_a_stride_and_patterns_choose_what_is_recorded(tmp_path):
    train(tmp_path / "run", steps=8, every=3, tensors=["weig*", "gain"])
    recording = Recording(tmp_path / "run")
    assert recording.numbers == [1, 4, 7]
    assert sorted(recording.tensors) == ["gain", "weight"]
    assert recording.step(4).changed == {}
    _, report = verified(tmp_path / "run")
    assert report.conforms
    assert len(report.rows) == 6


def test_only_the_tensors_that_are_asked_for_are_replayed(tmp_path):
    train(tmp_path / "run", steps=2)
    _, report = verified(tmp_path / "run", tensors=("b*",))
    assert {r.tensor for r in report.rows} == {"bias"}


def test_a_parameter_without_a_gradient_is_not_looked_for(tmp_path):
    def drop(number, step, grads, recorder):
        if number in {1, 2, 5}:
            grads["weight"] = None

    train(tmp_path / "run", tamper=drop)
    _, report = verified(tmp_path / "run")
    assert report.conforms
    assert [r.step for r in report.rows if r.tensor == "weight"] == [3, 4, 6, 7, 8]
    assert [r.step for r in report.rows if r.tensor == "bias"] == list(range(1, 9))


def test_free_running_needs_no_state_and_stops_at_the_first_wrong_step(tmp_path):
    def slip(number, step, grads, recorder):
        if number == 5:
            step.params = step.params | {"bias": step.params["bias"] + np.float32(0.5)}

    train(tmp_path / "run", tamper=slip)
    _, report = verified(tmp_path / "run", forced=False)
    wrong = [r for r in report.rows if r.wrong]
    assert [(r.step, r.tensor) for r in wrong] == [(5, "bias")]
    assert max(r.step for r in report.rows if r.tensor == "bias") == 5
    assert max(r.step for r in report.rows if r.tensor == "weight") == 8


def jump(what):
    def tamper(number, step, grads, recorder):
        if number == 5:
            step.load(*what(step.params, step.state()))

    return tamper


JUMPS = {
    "rounded to bfloat16: it was kept in the wrong type": lambda p, s: (
        p,
        {n: x | {"v": short(x["v"])} for n, x in s.items()},
    ),
    ": it is zero": lambda p, s: (p, {n: x | {"v": 0 * x["v"]} for n, x in s.items()}),
    "but 0.5 times that": lambda p, s: ({n: x / 2 for n, x in p.items()}, s),
    "1 of 24 elements differ, most at [2, 3]: 7, not": lambda p, s: (p | {"weight": poked(p)}, s),
}


def short(x):
    return torch.tensor(x).bfloat16().float().numpy()


def poked(params):
    x = params["weight"].copy()
    x[2, 3] = 7
    return x


@pytest.mark.parametrize("says", JUMPS)
def test_what_changes_between_two_steps_is_found_and_named(tmp_path, says):
    train(tmp_path / "run", tamper=jump(JUMPS[says]))
    _, report = verified(tmp_path / "run")
    assert {n.step for n in report.notes} == {5}
    assert report.first is None  # every step is right where it began
    assert not report.conforms
    assert any(says in n.says for n in report.notes)
    assert "is not what step 4 left" in report.notes[0].says


def test_going_back_to_an_earlier_step_is_named(tmp_path):
    kept = {}

    def tamper(number, step, grads, recorder):
        if number == 3:
            kept["at"] = step.params, step.state()
        if number == 6:
            step.load(*kept["at"])

    train(tmp_path / "run", tamper=tamper)
    _, report = verified(tmp_path / "run")
    assert any("but what step 2 left" in n.says for n in report.notes)


def test_a_hyper_parameter_that_was_not_the_recorded_one_is_found(tmp_path):
    train(tmp_path / "run", told={"beta2": 0.99})
    job, report = verified(tmp_path / "run")
    found = causes.causes(job, report)[0]
    assert found.says.startswith("beta2 = 0.999, where 0.99 was recorded")
    assert "adam.3" in found.tags
    assert found.explains == found.tried > 0


def test_a_hyper_parameter_that_is_not_recorded_is_asked_for(tmp_path):
    train(tmp_path / "run", rule="adam", steps=2)
    with pytest.raises(LookupError, match=r"says nothing of weight_decay, only .*--hyper=weight_"):
        verified(tmp_path / "run", "adamw")
    _, report = verified(tmp_path / "run", "adamw", hyper=(("weight_decay", 0.0),))
    assert report.conforms


def test_a_slot_that_is_not_recorded_is_asked_for(tmp_path):
    train(tmp_path / "run", rule="lion", steps=2)
    with pytest.raises(
        LookupError, match=r"has no slot v of adam, .*; it has m: say --slot=v=NAME"
    ):
        verified(tmp_path / "run", "adam")


def test_numbers_that_leave_the_type_are_not_judged_and_do_not_pass(tmp_path):
    def burst(number, step, grads, recorder):
        for g in grads.values():
            g[...] = np.inf

    with np.errstate(all="ignore"):
        train(tmp_path / "run", steps=2, tamper=burst)
    _, report = verified(tmp_path / "run")
    assert all(r.unjudged for r in report.rows)
    assert not report.conforms


def test_a_line_that_was_being_written_counts_for_nothing(tmp_path):
    train(tmp_path / "run", steps=4)
    journal = tmp_path / "run" / "journal.jsonl"
    whole = journal.read_bytes()
    starts = [0, *(i + 1 for i, b in enumerate(whole) if b == ord("\n"))]
    for length in range(len(whole) + 1):
        journal.write_bytes(whole[:length])
        recorded = Recording(tmp_path / "run").numbers
        assert len(recorded) == sum(s <= length for s in starts) - 1


def test_every_flipped_bit_of_a_recording_is_seen(tmp_path):
    train(tmp_path / "run", steps=2)
    paths = sorted(
        p for p in (tmp_path / "run").iterdir() if p.suffix in {".safetensors", ".jsonl"}
    )
    random = np.random.default_rng(1)
    for path in paths:
        whole = path.read_bytes()
        for at in random.integers(0, len(whole), 15):
            changed = bytearray(whole)
            changed[at] ^= 1 << int(random.integers(8))
            path.write_bytes(changed)
            if path.suffix == ".jsonl" and at == len(whole) - 1:
                continue  # without its line feed the last line is one that was being written
            with pytest.raises(FormatError):
                everything(tmp_path / "run")
        path.write_bytes(whole)
    everything(tmp_path / "run")


def everything(folder):
    """Read all that is in a recording."""
    recording = Recording(folder)
    for number in recording.numbers:
        step = recording.step(number)
        for held in (*step.grads.values(), *step.before.values(), *step.after.values()):
            # A header's padding is no number, and is checked with it.
            held.read()
            held.check()


HOSTILE = {
    "no-folder": (None, None, "is this a recording?"),
    "no-json": ("run.json", b"{", "not strict JSON"),
    "other-format": (
        "run.json",
        b'{"format":2,"library":"","optimizer":"","every":1,"tensors":{}}',
        "format: is 2",
    ),
    "no-fields": ("run.json", b"{}", "must say every, format"),
    "negative-place": (
        "run.json",
        b'{"format":1,"library":"","optimizer":"","every":1,"tensors":{"w":{"shape":[2],"at":[-1],"group":0}}}',
        "is no list of whole numbers",
    ),
    "no-line": ("journal.jsonl", b"7\n", "is no object"),
    "no-checksum": ("journal.jsonl", b'{"step":1}\n', "its checksum is another"),
    "traversal": (
        "journal.jsonl",
        line_of({"step": "../1", "session": 1, "before": [1, "a"], "after": [1, "a"]}) + b"\n",
        "must say step, session, before, after",
    ),
    "order": (
        "journal.jsonl",
        b"".join(
            line_of({"step": n, "session": 1, "before": [1, "a"], "after": [1, "a"]}) + b"\n"
            for n in (2, 2)
        ),
        "step 2 after 2",
    ),
    "huge-header": (file_name(1, "before"), b"\xff" * 8 + b"{}", "header length"),
    "empty": (file_name(1, "after"), b"", "header length: needs 8 bytes"),
    "no-metadata": (file_name(1, "after"), head({}, ""), "bytes: has"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_recording_that_is_wrong_is_refused_in_one_sentence(tmp_path, case, capsys):
    name, data, says = HOSTILE[case]
    folder = tmp_path / "run"
    if name:
        train(folder, steps=1)
        (folder / name).write_bytes(data)
    with pytest.raises(FormatError, match=re.escape(says)):
        everything(folder)
    capsys.readouterr()
    assert commands.main(["replay", str(folder), "--rule=adam"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_recording_goes_on_where_it_ended(tmp_path):
    train(tmp_path / "run", steps=3)
    stray = tmp_path / "run" / file_name(4, "before")
    stray.write_bytes(b"was being written")
    with (tmp_path / "run" / "journal.jsonl").open("ab") as file:
        file.write(b'{"step":4')
    recorder = record.Recorder(tmp_path / "run")
    assert not stray.exists()
    assert recorder.step == 3
    x = {"weight": np.zeros((6, 4), np.float32)}
    recorder.before(x, x, {})
    recorder.after(x, {})
    recording = Recording(tmp_path / "run")
    assert recording.numbers == [1, 2, 3, 4]
    assert recording.step(4).session == 2
    assert "theta/weight" in recording.step(4).changed


def test_a_recording_goes_back_to_where_a_checkpoint_stands(tmp_path):
    train(tmp_path / "run", steps=5)
    recorder = record.Recorder(tmp_path / "run", resume=2)
    assert recorder.step == 2
    assert Recording(tmp_path / "run").numbers == [1, 2]
    assert not (tmp_path / "run" / file_name(3, "after")).exists()


def test_a_folder_that_cannot_be_written_does_not_stop_the_training(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    recorder = train(tmp_path / "file" / "run")
    told = capsys.readouterr().err
    assert recorder.broken == "Not a directory"
    assert "ends before step 1: Not a directory. The training goes on." in told
    with pytest.raises(NotADirectoryError):
        train(tmp_path / "file" / "run", strict=True)


def test_a_full_disk_ends_the_recording_and_keeps_what_there_is(tmp_path, capsys, monkeypatch):
    full = OSError(28, "No space left on device")
    real = record.os.fsync
    calls = []

    def fsync(number):
        calls.append(number)
        if len(calls) > 12:
            raise full
        real(number)

    monkeypatch.setattr(record.os, "fsync", fsync)
    recorder = train(tmp_path / "run")
    assert recorder.broken == "No space left on device"
    assert capsys.readouterr().err.count("No space left on device") == 1
    assert not list((tmp_path / "run").glob("*.tmp"))
    recorded = Recording(tmp_path / "run").numbers
    assert recorded == list(range(1, len(recorded) + 1))
    assert 0 < len(recorded) < 8
    everything(tmp_path / "run")


def test_a_recording_that_is_not_forced_to_the_disk_is_the_same(tmp_path, monkeypatch):
    train(tmp_path / "run", steps=2)
    monkeypatch.setattr(record.os, "fsync", None)  # is not called
    train(tmp_path / "fast", steps=2, sync=False)
    for path in (tmp_path / "run").iterdir():
        assert path.read_bytes() == (tmp_path / "fast" / path.name).read_bytes()


def test_a_type_that_has_no_code_ends_the_recording_with_its_name(tmp_path, capsys):
    with record.Recorder(tmp_path / "run") as recorder:
        recorder.before({"w": np.zeros(2, np.complex64)}, {"w": np.zeros(2)}, {})
    assert "complex64 is none of the types" in capsys.readouterr().err


def test_the_cost_is_told(tmp_path, capsys):
    train(tmp_path / "run", steps=2)
    assert re.search(
        r"recorded 2 steps in .*run: 0\.0 MB, [0-9.]+ ms a step, [0-9]+% on top",
        capsys.readouterr().err,
    )


KILLED = """
import sys
import numpy as np
from goldstep.oracle import record
x = {"w": np.zeros((64, 64), np.float32)}
recorder = record.Recorder(sys.argv[1])
while True:
    recorder.before(x, x, {"w": {"m": x["w"]}})
    x = {"w": x["w"] + 1}
    recorder.after(x, {"w": {"m": x["w"]}})
    print(recorder.step, flush=True)
"""


@pytest.mark.parametrize("moment", [1, 5, 12])
def test_a_run_that_is_killed_has_lost_at_most_the_step_it_was_writing(tmp_path, moment):
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    ) as process:
        for _ in range(moment):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        told = process.stdout.read().split()
    recording = Recording(tmp_path / "run")
    assert recording.numbers == list(range(1, len(recording.numbers) + 1))
    assert len(recording.numbers) >= int(told[-1] if told else moment)
    everything(tmp_path / "run")
    for number in recording.numbers:
        assert (recording.step(number).after["theta/w"].read() == number).all()
    assert record.Recorder(tmp_path / "run").step == len(recording.numbers)


def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))


def learn(folder, made, *, steps=6, hook=None, between=None, net=None, **options):
    """Train a small torch network and record it; `hook` acts behind the recorder's back."""
    net = net or model()
    optimizer = made(net)
    now = [0]
    with record.torch(optimizer, folder, net.named_parameters(), **options) as recorder:
        if hook:
            optimizer.register_step_pre_hook(lambda *_: hook(now[0], net, optimizer))
        for number in range(1, steps + 1):
            now[0] = number
            optimizer.zero_grad()
            net(torch.randn(8, 6)).square().mean().backward()
            if between:
                between(number, net, optimizer)
            optimizer.step()
    return recorder


TORCH = {
    "adamw": lambda net: torch.optim.AdamW(net.parameters(), lr=0.01),
    "adam": lambda net: torch.optim.Adam(net.parameters(), lr=0.01, foreach=False),
    "rmsprop": lambda net: torch.optim.RMSprop(net.parameters(), lr=0.01),
    "adagrad": lambda net: torch.optim.Adagrad(net.parameters(), lr=0.01),
    "sgd": lambda net: torch.optim.SGD(net.parameters(), lr=0.01),
}


@pytest.mark.parametrize("rule", TORCH)
def test_torch_is_recorded_through_its_hooks_and_confirmed(tmp_path, rule):
    learn(tmp_path / "run", TORCH[rule])
    _, report = verified(tmp_path / "run", rule, scalar="float64")
    assert report.conforms
    assert {r.tensor for r in report.rows} == {"0.weight", "0.bias", "2.weight", "2.bias"}


def momentum(net):
    return torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.75)


def test_a_dialect_is_confirmed_and_another_rule_is_named(tmp_path):
    learn(tmp_path / "run", momentum)
    assert verified(tmp_path / "run", "heavy_ball", meant=(("heavy_ball", "rate-outside"),))[
        1
    ].conforms
    job, report = verified(tmp_path / "run", "nesterov")
    assert report.first.step == 1
    found = causes.causes(job, report)
    assert "the rule heavy_ball, in its dialect rate-outside" in [c.says for c in found]


def test_a_muon_that_iterates_in_bfloat16_is_confirmed(tmp_path):
    def made(net):
        return torch.optim.Muon([net[0].weight, net[2].weight], lr=0.02)

    learn(tmp_path / "run", made)
    _, report = verified(tmp_path / "run", "muon", iteration="bfloat16")
    assert report.conforms
    assert {r.tensor for r in report.rows} == {"0.weight", "2.weight"}


def test_groups_have_their_own_hyper_parameters(tmp_path):
    def made(net):
        groups = [
            {"params": net[0].parameters(), "lr": 0.5},
            {"params": net[2].parameters(), "weight_decay": 0.3},
        ]
        return torch.optim.AdamW(groups, lr=0.01)

    learn(tmp_path / "run", made)
    recording = Recording(tmp_path / "run")
    assert {n: i["group"] for n, i in recording.tensors.items()} == {
        "0.weight": 0,
        "0.bias": 0,
        "2.weight": 1,
        "2.bias": 1,
    }
    assert [g["lr"] for g in recording.groups(1)] == [0.5, 0.01]
    assert verified(tmp_path / "run", "adamw")[1].conforms


def test_bfloat16_is_recorded_as_it_is_and_replayed(tmp_path):
    learn(tmp_path / "run", TORCH["adam"], net=model(), steps=2)
    with record.torch(
        optimizer := torch.optim.Adam([p := torch.ones(3, dtype=torch.bfloat16)]), tmp_path / "b"
    ):
        p.grad = torch.full_like(p, 0.5)
        optimizer.step()
    step = Recording(tmp_path / "b").step(1)
    assert step.after["theta/0.0"].entry.code == "BF16"
    assert np.array_equal(step.after["theta/0.0"].read(), p.float().numpy())
    assert verified(tmp_path / "b", "adam")[1].conforms


def test_a_closure_ends_the_recording_with_a_word(tmp_path, capsys):
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with record.torch(optimizer, tmp_path / "run", net.named_parameters()):
        optimizer.step(lambda: net(torch.ones(1, 6)).sum())
    assert "the step is given a closure" in capsys.readouterr().err


def test_a_closed_recorder_leaves_the_optimizer_alone(tmp_path):
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    record.torch(optimizer, tmp_path / "run", net.named_parameters()).close()
    net(torch.ones(1, 6)).sum().backward()
    optimizer.step()
    assert Recording(tmp_path / "run").numbers == []


def rate(number, net, optimizer):
    optimizer.param_groups[0]["lr"] = 0.02 if number >= 4 else 0.01


def gradient(number, net, optimizer):
    if number == 4:
        net[2].weight.grad[1, 3] *= -2


def scaled(number, net, optimizer):
    if number == 4:
        for p in net.parameters():
            p.grad *= 0.25


def late(number, net, optimizer):
    if number == 4:
        for p in net.parameters():
            optimizer.state[p]["step"] += 1


BEHIND = {
    r"lr = 0\.02, where 0\.01 was recorded, 2 times that": (rate, {"theta"}, ("adamw.6",)),
    r"other than recorded in 1 of 15 elements: \S+ at \[1, 3\], where": (
        gradient,
        {"m", "v", "theta"},
        (),
    ),
    r"the gradient is 0\.25 times what was recorded": (scaled, {"m", "v", "theta"}, ()),
    r"the count of steps is 1 too high": (late, {"theta", "t"}, ()),
}


@pytest.mark.parametrize("says", BEHIND)
def test_what_is_done_behind_the_recorders_back_is_found_and_named(tmp_path, says):
    hook, slots, tags = BEHIND[says]

    def between(number, net, optimizer):
        optimizer.param_groups[0]["lr"] = 0.01

    learn(tmp_path / "run", TORCH["adamw"], hook=hook, between=between)
    job, report = verified(tmp_path / "run", "adamw", scalar="float64")
    assert report.first.step == 4
    assert {w.slot for w in report.first.wrong} == slots
    if hook is gradient:
        assert {(r.step, r.tensor) for r in report.rows if r.wrong} == {(4, "2.weight")}
        assert report.first.wrong[0].element == (1, 3)
    found = causes.causes(job, report)[0]
    assert re.search(says, found.says)
    assert found.tags == tags


def test_a_state_that_was_loaded_in_the_wrong_type_is_found_and_named(tmp_path, capsys):
    def between(number, net, optimizer):
        if number == 4:
            held = optimizer.state_dict()
            for slots in held["state"].values():
                slots["exp_avg_sq"] = slots["exp_avg_sq"].bfloat16()
            optimizer.load_state_dict(held)

    learn(tmp_path / "run", TORCH["adamw"], between=between)
    assert commands.main(["replay", str(tmp_path / "run"), "--rule=adamw"]) == 1
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "first leaves the truth at step 4" in told
    assert "exp_avg_sq is not what step 3 left, but that rounded to bfloat16" in told
    assert "(and so in 3 other places)" in told


def test_the_command_tells_and_draws_and_writes(tmp_path, capsys):
    def between(number, net, optimizer):
        optimizer.param_groups[0]["lr"] = 0.01

    learn(tmp_path / "run", TORCH["adamw"], hook=rate, between=between)
    args = ["replay", str(tmp_path / "run"), "--rule=adamw", "--scalar=float64"]
    more = [f"--svg={tmp_path / 'a.svg'}", f"--json={tmp_path / 'a.json'}"]
    assert commands.main([*args, *more]) == 1
    told = capsys.readouterr().out
    assert told.startswith("adamw: not confirmed: AdamW of torch")
    assert "lr = 0.02, where 0.01 was recorded" in told
    assert "adamw.6: theta = theta" in told
    assert re.search(r"0\.weight +\S+ +\|[^!]{3}!!!\|", told)
    drawn = (tmp_path / "a.svg").read_text()
    assert drawn.count("<title>") == 24
    written = json.loads((tmp_path / "a.json").read_text())
    assert not written["conforms"]
    assert len(written["rows"]) == 24


def test_what_is_no_recording_is_left_alone(tmp_path, capsys):
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"weights")
    train(tmp_path, steps=2)
    assert "it is not empty, and no recording: give a folder" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [model]
    train(tmp_path / "run", steps=2)
    model.rename(tmp_path / "run" / model.name)
    train(tmp_path / "run", steps=2)
    assert (tmp_path / "run" / model.name).read_bytes() == b"weights"


def test_a_line_that_is_lost_from_the_journal_is_told(tmp_path, capsys):
    train(tmp_path / "run", steps=4)
    journal = tmp_path / "run" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:1] + lines[2:]))
    assert commands.main(["replay", str(tmp_path / "run"), "--rule=adam"]) == 2
    says = "goldstep: run/journal.jsonl: step [2]: is lost, and its files are there\n"
    assert capsys.readouterr().err.endswith(says)


def test_a_replay_that_held_nothing_against_the_truth_is_no_success(tmp_path, capsys):
    record.Recorder(tmp_path / "run").close()
    assert commands.main(["replay", str(tmp_path / "run"), "--rule=adamw"]) == 2
    assert "nothing was recorded" in capsys.readouterr().err


def test_optax_is_recorded_by_a_wrapper_and_confirmed(tmp_path):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    hyper = {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 1e-4}
    made, recorder = record.optax(optax.adamw(0.01), tmp_path / "run", hyper)
    params = {"dense": {"w": jax.numpy.ones((3, 2)), "b": jax.numpy.zeros(2)}}
    state = made.init(params)

    @jax.jit
    def step(params, state, x):
        grads = jax.grad(lambda p: ((x @ p["dense"]["w"] + p["dense"]["b"]) ** 2).mean())(params)
        updates, state = made.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    for i in range(5):
        params, state = step(params, state, jax.numpy.full((4, 3), 0.1 * (i + 1)))
    jax.effects_barrier()
    recorder.close()
    recording = Recording(tmp_path / "run")
    assert sorted(recording.tensors) == ["dense.b", "dense.w"]
    assert {"state/mu/dense.w", "state/nu/dense.b", "state/count/dense.b"} <= set(
        recording.step(3).after
    )
    _, report = verified(tmp_path / "run", "adamw")
    assert report.conforms
    assert len(report.rows) == 10


def test_a_missing_rank_is_refused(tmp_path):
    train(tmp_path / "run" / "rank-00001", steps=1)
    with pytest.raises(FormatError, match="rank 0 is missing"):
        ranks(tmp_path / "run")


def test_documentation_names_what_there_is():
    text = (Path(__file__).parent.parent / "docs" / "recordings.md").read_text(encoding="utf-8")
    for name in (
        "run.json",
        "journal.jsonl",
        ".before.safetensors",
        ".after.safetensors",
        "rank-00000",
    ):
        assert name in text


def test_files_that_are_wrong_at_random_are_refused_or_read_right(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from fuzz import fuzz  # noqa: PLC0415

    refused = fuzz(600, seed=1)
    assert min(refused.values()) > 150


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--hyper=lrr=1", "goldstep: --hyper=lrr=1: adam has lr, beta1, beta2, eps\n"),
        ("--slot=mm=exp_avg", "goldstep: --slot=mm=exp_avg: adam has m, v, t\n"),
        ("--on=nothing:here", "goldstep: --on=nothing:here: No module named 'nothing'\n"),
    ],
)
def test_an_option_that_would_be_without_effect_is_an_error(tmp_path, capsys, option, says):
    train(tmp_path / "run", steps=1)
    assert commands.main(["replay", str(tmp_path / "run"), "--rule=adam", option]) == 2
    assert capsys.readouterr().err.endswith(says)

"""Files that are wrong at random, put to every reader: `python tests/fuzz.py 100000`.

A reader refuses a file with FormatError, or it reads it; anything else that it raises is a mistake,
and so is a recording that is read although what it holds has been changed.
"""

import random
import sys
import tempfile
from pathlib import Path

import numpy as np

from goldstep.conformance.commands.fixtures import case
from goldstep.oracle import Arithmetic, fixtures, record, safetensors
from goldstep.oracle.recording import Recording
from goldstep.oracle.safetensors import FormatError

TOKENS = [
    b"../../etc/passwd",
    b"/etc/passwd",
    b"\x00",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'"',
    b"9" * 30,
    b"18446744073709551615",
    b"\xff\xfe",
    b"\\ud800",
    b'"dtype":"F8"',
    b"F64",
    b"BF16",
    b"\n",
]


def changed(data: bytes, chance: random.Random) -> bytes:
    """A file with one to three mistakes."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(found) + 1)
        kind = chance.randrange(7)
        if kind == 0:
            del found[at:]
        elif kind == 1 and found:
            found[at % len(found)] ^= 1 << chance.randrange(8)
        elif kind == 2:
            found[at : at + chance.randint(0, 12)] = chance.choice(TOKENS)
        elif kind == 3:
            found[:8] = chance.choice([0, 1, 2**31, 2**63, 2**64 - 1, len(found)]).to_bytes(
                8, "little"
            )
        elif kind == 4:
            del found[at : at + chance.randint(1, 64)]
        elif kind == 5:
            found[at:at] = bytes(found[at : at + chance.randint(1, 64)])
        else:
            found[at : at + 4] = chance.randbytes(4)
    return bytes(found)


def made(folder: Path) -> dict[str, bytes]:
    """A fixture, and beside it a recording of two steps in `folder`."""
    x = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32(1)}
    with record.Recorder(folder) as recorder:
        for _ in range(2):
            recorder.before(x, x, {"w": {"m": x["w"], "step": 1}}, [{"lr": 0.5}])
            x = {name: value + 1 for name, value in x.items()}
            recorder.after(x, {"w": {"m": x["w"], "step": 2}})
    return fixtures.make(case("sgd", shapes="2", steps=2), Arithmetic("float32"))


def everything(folder: Path) -> list[bytes]:
    """All the numbers of a recording."""
    recording, found = Recording(folder), []
    for number in recording.numbers:
        step = recording.step(number)
        for arrays in (step.grads, step.before, step.after):
            found += [arrays[name].read().tobytes() for name in sorted(arrays)]
    return found


def fuzz(times: int, seed: int = 0) -> dict[str, int]:
    """Put so many wrong files to the readers; how many were refused, by what they are of."""
    chance = random.Random(seed)  # noqa: S311
    refused = {"safetensors": 0, "fixture": 0, "recording": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        files = made(folder)
        whole = {p: p.read_bytes() for p in sorted(folder.iterdir())}
        numbers = everything(folder)
        for i in range(times):
            what = list(refused)[i % 3]
            try:
                if what == "safetensors":
                    safetensors.load(changed(files["data.safetensors"], chance))
                elif what == "fixture":
                    one = chance.choice(sorted(files))
                    fixtures.load(files | {one: changed(files[one], chance)})
                else:
                    path = chance.choice(list(whole))
                    path.write_bytes(changed(whole[path], chance))
                    try:
                        found = everything(folder)
                    finally:
                        path.write_bytes(whole[path])
                    # What is left of a journal that was cut is as good as it was.
                    assert found == numbers[: len(found)] or path.name == "run.json", path
            except FormatError:
                refused[what] += 1
    return refused


if __name__ == "__main__":
    count = int(sys.argv[1])
    sys.stdout.write(f"{count} wrong files; refused: {fuzz(count)}\n")

"""Recordings of training runs on disk: how they are laid out, and how they are read.

A recording is a folder. `run.json` says what was trained by what. Every recorded step has two
files in the safetensors layout: what stood before it, `0000000012.before.safetensors` (gradients,
and what has changed since the last recorded step), and what it left,
`0000000012.after.safetensors`. Once both are whole, one line in `journal.jsonl` says so, with
checksums. `docs/recordings.md` has the details.
"""

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import safetensors
from .safetensors import Array, Entry, FormatError, demand

FORMAT = 1
ABOUT, JOURNAL = "run.json", "journal.jsonl"
HALVES = ("before", "after")
RANK = re.compile(r"rank-[0-9]{5}")


def file_name(step: int, half: str) -> str:
    return f"{step:010}.{half}.safetensors"


def line_of(said: Mapping[str, Any]) -> bytes:
    """A line of the journal: what it says, and last its checksum."""
    text = json.dumps(said, separators=(",", ":"))
    return json.dumps(dict(said) | {"crc32": crc(text.encode())}, separators=(",", ":")).encode()


def crc(data: Any) -> str:
    """A checksum as it is written.

    >>> crc(b"123456789")
    'cbf43926'
    """
    return f"{zlib.crc32(data):08x}"


class Held(NamedTuple):
    """Where an array of a recording is, and the checksum of its bytes."""

    path: Path
    entry: Entry
    crc32: str

    def read(self, start: int = 0, stop: int | None = None) -> Array:
        """Its numbers from `start` to `stop`, as one vector; all of them are checked."""
        width = safetensors.DTYPES[self.entry.code].itemsize
        whole = self.entry.bytes // width
        stop = whole if stop is None else stop
        with self.path.open("rb") as file:
            file.seek(self.entry.at + start * width)
            raw = file.read((stop - start) * width)
        short = len(raw) == (stop - start) * width
        demand(short, str(self.path), "length", "the file has become shorter")
        if stop - start == whole:
            demand(crc(raw) == self.crc32, str(self.path), "crc32", "the numbers have been changed")
        return safetensors.decoded(raw, self.entry.code)

    def check(self) -> None:
        """Raise FormatError unless the bytes are those that were written. Takes little memory."""
        total, left = 0, self.entry.bytes
        with self.path.open("rb") as file:
            file.seek(self.entry.at)
            while left > 0 and (raw := file.read(min(left, 1 << 22))):
                total, left = zlib.crc32(raw, total), left - len(raw)
        good = left == 0 and f"{total:08x}" == self.crc32
        demand(good, str(self.path), "crc32", "the numbers have been changed")


def alike(a: Held, b: Held) -> bool:
    """Whether two arrays of a recording are the same, by their checksums."""
    return (a.crc32, a.entry.code, a.entry.shape) == (b.crc32, b.entry.code, b.entry.shape)


class Step(NamedTuple):
    """One recorded step. Arrays by their names in the files: `grad/w`, `theta/w`, `state/v/w`."""

    number: int
    session: int
    groups: list[dict[str, Any]]
    """The hyper-parameters of each group of parameters, as the library calls them."""
    grads: dict[str, Held]
    before: dict[str, Held]
    after: dict[str, Held]
    changed: dict[str, Held]
    """What is other before this step than the step before it left it, as it was left."""


Half = tuple[dict[str, Any], dict[str, Held]]
"""What one of the two files of a step says, and where its arrays are."""

KEPT = 8
"""How many of them are kept in memory."""


class Recording:
    """A recording of one process, opened. Raises FormatError where it is not what it should be."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        about = safetensors.parse_json(_bytes(folder / ABOUT), f"{self.name}/{ABOUT}", "text")
        self.about = _checked_about(about, f"{self.name}/{ABOUT}")
        self.tensors: dict[str, dict[str, Any]] = self.about["tensors"]
        self.journal, _ = read_journal(folder)
        self.numbers = sorted(self.journal)
        self._last: dict[tuple[int, str], Half] = {}

    def step(self, number: int) -> Step:
        """The step of a number, from the headers of its files and of the one before it."""
        metadata, begun = self._half(number, "before")
        _, after = self._half(number, "after")
        grads = {k: x for k, x in begun.items() if k.startswith(("grad/", "given/"))}
        before = {k: x for k, x in begun.items() if k not in grads}
        changed: dict[str, Held] = {}
        if at := self.numbers.index(number):
            last = self.numbers[at - 1]
            _, left = self._half(last, "after")
            if not metadata["whole"]:
                between = range(last + self.about["every"], number, self.about["every"])
                lost = [n for n in between if (self.folder / file_name(n, "after")).exists()]
                where = f"{self.name}/{JOURNAL}"
                demand(not lost, where, f"step {lost[:1]}", "is lost, and its files are there")
                gone = set(metadata["gone"])
                before = {k: x for k, x in left.items() if k not in gone} | before
            if last == number - 1:
                same = {k for k, x in before.items() if k in left and alike(x, left[k])}
                changed = {k: x for k, x in left.items() if k not in same}
        session = self.journal[number]["session"]
        return Step(number, session, metadata["groups"], grads, before, after, changed)

    def groups(self, number: int) -> list[dict[str, Any]]:
        """The hyper-parameters of a step, by group."""
        found: list[dict[str, Any]] = self._half(number, "before")[0]["groups"]
        return found

    def _half(self, number: int, half: str) -> Half:
        """What one file says, and where its arrays are. The last few are kept."""
        if (number, half) not in self._last:
            if len(self._last) >= KEPT:
                del self._last[next(iter(self._last))]
            self._last[number, half] = self._scan(number, half)
        return self._last[number, half]

    def _scan(self, number: int, half: str) -> Half:
        path = self.folder / file_name(number, half)
        name = f"{self.name}/{path.name}"
        entries, text, begin = safetensors.scan(path, name)
        size, due = self.journal[number][half]
        found = path.stat().st_size
        demand(found == size, name, "bytes", f"has {found}, not {size}")
        demand(crc(begin) == due, name, "crc32", "the header has been changed")
        metadata = safetensors.parse_json(text.encode(), name, "__metadata__")
        fields = isinstance(metadata, dict) and metadata.keys() >= {"step", "crc32"}
        demand(fields, name, "__metadata__", "must say step and crc32")
        demand(metadata["step"] == number, name, "step", f"is {metadata['step']}")
        sums = metadata["crc32"]
        same = isinstance(sums, dict) and sums.keys() == entries.keys()
        demand(same, name, "crc32", "must say one for each array")
        if half == "before":
            told = metadata.get("groups"), metadata.get("gone"), metadata.get("whole")
            kinds = [type(x) for x in told] == [list, list, bool]
            demand(kinds, name, "__metadata__", "must say groups, gone and whole")
        return metadata, {k: Held(path, e, sums[k]) for k, e in entries.items()}


def ranks(folder: Path) -> list[Recording]:
    """The recordings in a folder: one, or one of each rank. Raises FormatError if there is none."""
    parts = sorted(p for p in folder.glob("rank-*") if RANK.fullmatch(p.name) and p.is_dir())
    if not parts:
        return [Recording(folder)]
    for number, part in enumerate(parts):
        demand(part.name == f"rank-{number:05}", folder.name, "ranks", f"rank {number} is missing")
    return [Recording(part) for part in parts]


def read_journal(folder: Path) -> tuple[dict[int, dict[str, Any]], int]:
    """What the journal says of each step, and how many of its bytes are whole lines.

    What stands behind the last line feed was being written when the run ended, and counts for
    nothing. Raises FormatError if any line before it is not as it was written.
    """
    name = f"{folder.name}/{JOURNAL}"
    text = _bytes(folder / JOURNAL)
    whole = text.rfind(b"\n") + 1
    found: dict[int, dict[str, Any]] = {}
    for number, line in enumerate(text[:whole].splitlines(), 1):
        said = safetensors.parse_json(line, name, f"line {number}")
        demand(isinstance(said, dict), name, f"line {number}", "is no object")
        sound = line == line_of({k: v for k, v in said.items() if k != "crc32"})
        demand(sound, name, f"line {number}", "has been changed: its checksum is another")
        keys = said.keys() == {"step", "session", *HALVES, "crc32"}
        kinds = keys and all(type(said[k]) is int for k in ("step", "session"))
        kinds = kinds and all(
            isinstance(said[k], list) and [type(x) for x in said[k]] == [int, str] for k in HALVES
        )
        demand(kinds, name, f"line {number}", "must say step, session, before, after")
        demand(0 < said["step"] < 10**10, name, f"line {number}", "is of no step")
        last = max(found, default=0)
        demand(said["step"] > last, name, f"line {number}", f"step {said['step']} after {last}")
        found[said["step"]] = said
    return found, whole


def _checked_about(about: Any, name: str) -> dict[str, Any]:
    fields = {"format", "library", "optimizer", "every", "tensors"}
    right = isinstance(about, dict) and about.keys() == fields
    demand(right, name, "text", f"must say {', '.join(sorted(fields))}")
    demand(about["format"] == FORMAT, name, "format", f"is {about['format']!r}, not {FORMAT}")
    stride = type(about["every"]) is int and about["every"] > 0
    demand(stride, name, "every", f"is {about['every']!r}, no number of steps")
    demand(isinstance(about["tensors"], dict), name, "tensors", "is no object")
    for tensor, info in about["tensors"].items():
        keys = isinstance(info, dict) and info.keys() == {"shape", "at", "group"}
        demand(keys, name, f"tensors: {tensor!r}", "must say shape, at and group")
        for key in ("shape", "at"):
            numbers = isinstance(info[key], list) and all(
                type(n) is int and n >= 0 for n in info[key]
            )
            demand(numbers, name, f"tensors: {tensor!r}: {key}", "is no list of whole numbers")
        fine = len(info["at"]) == len(info["shape"]) and type(info["group"]) is int
        demand(fine, name, f"tensors: {tensor!r}", "has other axes than its place, or no group")
    checked: dict[str, Any] = about
    return checked


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{path.parent.name}/{path.name}: file: {error.strerror}: is this a recording?"
        raise FormatError(msg) from None


Boxes = dict[str, dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]]]
"""Of each tensor, the ranks that hold each part of it, by where that begins and its shape."""


def boxes(parts: list[Recording]) -> Boxes:
    """Where the parts of every tensor are, in the last step of each rank."""
    found: Boxes = {}
    for rank, part in enumerate(parts):
        last = part.step(part.numbers[-1]).after
        for tensor, info in part.tensors.items():
            if f"theta/{tensor}" in last:
                box = tuple(info["at"]), last[f"theta/{tensor}"].entry.shape
                found.setdefault(tensor, {}).setdefault(box, []).append(rank)
    return found


def by_tensor(arrays: Mapping[str, Held]) -> dict[str, dict[str, Held]]:
    """Parameters and state by tensor, and by slot as the library calls it."""
    found: dict[str, dict[str, Held]] = {}
    for name, x in arrays.items():
        kind, _, rest = name.partition("/")
        slot, _, tensor = rest.partition("/")
        if kind == "theta":
            slot, tensor = kind, rest
        found.setdefault(tensor, {})[slot] = x
    return found

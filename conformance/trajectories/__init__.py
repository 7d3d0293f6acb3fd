"""The gradients that every implementation is driven along, read from files and checked on the way.

A trajectory is the parameters to start from and the gradients of every step. All its numbers are
bfloat16 values, so that one file is exact in bfloat16, float32 and float64. It is one safetensors
file: `param/<name>`, and `grad/<name>` with the steps as leading axis. `manifest.json` tells what
is in each file, `manifest.schema.json` what is in the manifest. An id means the same bytes always.
"""

import argparse
import difflib
import functools
import hashlib
import json
import re
import reprlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldstep.oracle import safetensors
from goldstep.oracle.safetensors import FormatError, demand

Array = NDArray[np.float64]

FOLDER = Path(__file__).parent
SUITE = "0.1.0"
ID = re.compile(r"(recorded|designed)(-[a-z0-9]+)+")

FIELDS = {
    "id": str,
    "since": str,
    "kind": str,
    "purpose": str,
    "file": str,
    "bytes": int,
    "sha256": str,
    "dtype": str,
    "steps": int,
    "tensors": dict,
}
"""What the manifest says of a trajectory, in this order."""


class Trajectory(NamedTuple):
    """The arrays are float64 and read-only: they are shared by all who load the trajectory."""

    id: str
    purpose: str
    params: dict[str, Array]  # to start from
    grads: list[dict[str, Array | None]]  # one dict per step; None: no gradient in this step


def manifest() -> dict[str, Any]:
    """What there is, as `manifest.json` tells it."""
    return read_manifest(FOLDER)


@functools.cache
def names() -> tuple[str, ...]:
    """The ids of all trajectories, in alphabetical order."""
    return tuple(entry["id"] for entry in manifest()["trajectories"])


@functools.cache
def load(name: str) -> Trajectory:
    """The trajectory whose id is `name`.

    Raises LookupError with the nearest ids if there is none, and FormatError if its file is not the
    one that the manifest describes.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.5) or names()
        msg = f"no trajectory {name!r}; there is {', '.join(near)}"
        raise LookupError(msg)
    return read(manifest()["trajectories"][names().index(name)], FOLDER)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder of trajectories, every field of it checked.

    Raises FormatError, naming the file and the field.
    """
    name = f"{folder.name}/manifest.json"
    text = _bytes(folder / "manifest.json", name)
    listed: dict[str, Any] = safetensors.parse_json(text, name, "text")
    fields = isinstance(listed, dict) and set(listed) == {"suite", "trajectories"}
    demand(fields, name, "text", "is no object of 'suite' and 'trajectories'")
    demand(isinstance(listed["suite"], str), name, "suite", "is no string")
    demand(isinstance(listed["trajectories"], list), name, "trajectories", "is no list")
    for number, entry in enumerate(listed["trajectories"]):
        _check_entry(entry, name, f"trajectories[{number}]")
    ids = [entry["id"] for entry in listed["trajectories"]]
    demand(ids == sorted(set(ids)), name, "trajectories", "are not in the order of unique ids")
    return listed


def read(entry: dict[str, Any], folder: Path) -> Trajectory:
    """The trajectory that an `entry` of a folder's manifest describes.

    Raises FormatError, naming the file and the field, if the file is another than described.
    """
    name = f"{folder.name}/{entry['file']}"
    data = _bytes(folder / entry["file"], name, entry["bytes"])
    digest = hashlib.sha256(data).hexdigest()
    demand(digest == entry["sha256"], name, "sha256", f"is {digest}, not {entry['sha256']}")
    arrays, owner = safetensors.load(data, name)
    demand(owner == entry["id"], name, "__metadata__", f"is {owner!r}, not {entry['id']!r}")

    tensors = entry["tensors"]
    expected = {f"{part}/{tensor}" for part in ("param", "grad") for tensor in tensors}
    stray = sorted(arrays.keys() ^ expected)
    where = "stand only in the file or only in the manifest"
    demand(not stray, name, "tensors", f"{reprlib.repr(stray)} {where}")
    params = {}
    grads: list[dict[str, Array | None]] = [{} for _ in range(entry["steps"])]
    for tensor, info in tensors.items():
        params[tensor] = _checked(arrays, f"param/{tensor}", info["shape"], name)
        slabs = _checked(arrays, f"grad/{tensor}", [entry["steps"], *info["shape"]], name)
        absent = set(info.get("absent", ()))
        for step in range(1, entry["steps"] + 1):
            slab = slabs[step - 1, ...]  # the ellipsis keeps an array an array
            silent = step not in absent or not slab.any()
            demand(silent, name, f"tensor 'grad/{tensor}'", f"is not zero in absent step {step}")
            grads[step - 1][tensor] = None if step in absent else slab
    return Trajectory(entry["id"], entry["purpose"], params, grads)


def pack(trajectory: Trajectory) -> bytes:
    """The file of a trajectory. Raises ValueError if a number in it is not a bfloat16."""
    arrays = {f"param/{name}": param for name, param in trajectory.params.items()}
    for name, param in trajectory.params.items():
        slabs = [grads[name] for grads in trajectory.grads]
        zero = np.zeros_like(param)
        arrays[f"grad/{name}"] = np.stack([zero if slab is None else slab for slab in slabs])
    return safetensors.dump(arrays, trajectory.id, bfloat16=arrays)


def describe(trajectory: Trajectory, data: bytes) -> dict[str, Any]:
    """What the manifest says of a trajectory that is packed as `data`."""
    tensors = {}
    for name, param in trajectory.params.items():
        tensors[name] = {"shape": list(param.shape)}
        steps = enumerate(trajectory.grads, start=1)
        if absent := [step for step, grads in steps if grads[name] is None]:
            tensors[name]["absent"] = absent
    return {
        "id": trajectory.id,
        "since": SUITE,
        "kind": trajectory.id.partition("-")[0],
        "purpose": trajectory.purpose,
        "file": f"{trajectory.id}.safetensors",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "dtype": "bfloat16",
        "steps": len(trajectory.grads),
        "tensors": tensors,
    }


def write_manifest(entries: Iterable[dict[str, Any]], folder: Path = FOLDER) -> None:
    """Put `entries` into a folder's manifest, beside those of other ids.

    An entry keeps the `since` of the one that it replaces.
    """
    path = folder / "manifest.json"
    stored = read_manifest(folder)["trajectories"] if path.exists() else []
    merged = {entry["id"]: entry for entry in stored}
    for entry in entries:
        old = merged.get(entry["id"], entry)
        merged[entry["id"]] = entry | {"since": old["since"]}
    ordered = [{key: merged[name][key] for key in FIELDS} for name in sorted(merged)]
    text = _pretty({"suite": SUITE, "trajectories": ordered})
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def store(trajectory: Trajectory, folder: Path = FOLDER, *, replace: bool = False) -> None:
    """Write a trajectory's file and its entry in the manifest.

    Raises FileExistsError if the id is stored with other bytes, unless it is to `replace` them.
    """
    data = pack(trajectory)
    path = folder / f"{trajectory.id}.safetensors"
    if path.exists() and path.read_bytes() != data and not replace:
        msg = f"{folder.name}/{path.name} holds other bytes, and an id means the same for ever"
        raise FileExistsError(msg)
    path.write_bytes(data)
    write_manifest([describe(trajectory, data)], folder)


def check(trajectory: Trajectory, folder: Path = FOLDER) -> None:
    """Raise FormatError unless a trajectory, made again, is the one that is stored."""
    data = pack(trajectory)
    name = f"{folder.name}/{trajectory.id}.safetensors"
    stored = _bytes(folder / f"{trajectory.id}.safetensors", name)
    apart = sum(a != b for a, b in zip(stored, data, strict=False)) + abs(len(stored) - len(data))
    demand(not apart, name, "bytes", f"made again, {apart} of {len(data)} are others")
    listed = {entry["id"]: entry for entry in read_manifest(folder)["trajectories"]}
    told = listed.get(trajectory.id, {})
    for key, value in describe(trajectory, data).items():
        same = key == "since" or told.get(key) == value
        demand(same, f"{folder.name}/manifest.json", f"{trajectory.id}: {key}", "is out of date")


def run(trajectories: Iterable[Trajectory], description: str) -> None:
    """The command line of the programs that make trajectories."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="only compare with what is stored")
    parser.add_argument("--replace", action="store_true", help="give a stored id other bytes")
    options = parser.parse_args()
    for trajectory in trajectories:
        try:
            if options.check:
                check(trajectory)
            else:
                store(trajectory, replace=options.replace)
        except (FormatError, FileExistsError) as error:
            sys.exit(str(error))
        sys.stderr.write(f"{trajectory.id}: {'the same' if options.check else 'stored'}\n")


def _check_entry(entry: Any, name: str, field: str) -> None:
    """Check the form of one entry of the manifest `name`."""
    fields = isinstance(entry, dict) and set(entry) == set(FIELDS)
    demand(fields, name, field, f"must say {', '.join(FIELDS)}, and nothing else")
    for key, kind in FIELDS.items():
        demand(type(entry[key]) is kind, name, f"{field}: {key}", f"is no {kind.__name__}")
    # The file's name comes from the id, so no path can lead out of the folder.
    demand(ID.fullmatch(entry["id"]), name, f"{field}: id", f"{entry['id']!r} is none")
    field = entry["id"]
    due = {
        "kind": field.partition("-")[0],
        "file": f"{field}.safetensors",
        "dtype": "bfloat16",
    }
    for key, value in due.items():
        demand(entry[key] == value, name, f"{field}: {key}", f"{entry[key]!r} should be {value!r}")
    # A step of nothing but empty tensors has no bytes, yet takes memory.
    fits = 0 < entry["steps"] <= entry["bytes"]
    demand(fits, name, f"{field}: steps", f"{entry['steps']} is not from 1 to the number of bytes")
    for tensor, info in entry["tensors"].items():
        where = f"{field}: tensors: {tensor!r}"
        keys = isinstance(info, dict) and {"shape"} <= set(info) <= {"shape", "absent"}
        demand(keys, name, where, "must say shape, may say absent, and nothing else")
        demand(_integers(info["shape"], 0), name, f"{where}: shape", "is no list of lengths")
        absent = info.get("absent", [])
        ascending = _integers(absent, 1) and absent == sorted(set(absent))
        within = ascending and absent[-1:] <= [entry["steps"]]
        demand(within, name, f"{where}: absent", "is no ascending list of steps")


def _integers(value: Any, least: int) -> bool:
    return isinstance(value, list) and all(type(n) is int and n >= least for n in value)


def _checked(arrays: dict[str, Any], key: str, shape: list[int], name: str) -> Array:
    """One array of a trajectory's file, in float64 and read-only."""
    array: Array = arrays[key].astype(np.float64)
    field = f"tensor {key!r}"
    demand(list(array.shape) == shape, name, field, f"has shape {list(array.shape)}, not {shape}")
    exact = np.array_equal(safetensors.round_to_bfloat16(array), array)
    demand(exact and np.isfinite(array).all(), name, field, "has numbers that are no bfloat16")
    array.flags.writeable = False
    return array


def _bytes(path: Path, name: str, size: int | None = None) -> bytes:
    """All of a file, if it has the size that is due."""
    try:
        found = path.stat().st_size
        demand(size in (None, found), name, "bytes", f"has {found}, not {size}")
        return path.read_bytes()
    except OSError as error:
        msg = f"{name}: file: {error.strerror}"
        raise FormatError(msg) from None


def _pretty(value: Any, indent: str = "") -> str:
    """JSON in which whatever fits on a line stands on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent + line) <= 100 or not isinstance(value, dict | list):
        return line
    inner = indent + "  "
    if isinstance(value, list):
        rows = [_pretty(item, inner) for item in value]
    else:
        rows = [f"{json.dumps(key)}: {_pretty(item, inner)}" for key, item in value.items()]
    left, right = "[]" if isinstance(value, list) else "{}"
    return f"{left}\n{inner}" + f",\n{inner}".join(rows) + f"\n{indent}{right}"

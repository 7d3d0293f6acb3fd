"""Truth that has been computed once, kept on disk under the digest of all that it depends on.

An entry is named by the SHA-256 of the question and of the files of spec/, reference/ and oracle/,
so that nothing stale is ever found. It begins with the digest of the rest: an entry that was cut
short or altered is made again. Entries are written beside their place and moved there, so that two
processes may share a folder. The folder can be deleted at any time.
"""

import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from goldstep import reference, spec

from . import safetensors
from .rounding import Arithmetic, Bounded
from .truth import THETA, Moment, Truth

DIGEST = 64
"""The length of a SHA-256 in hexadecimal."""


KEPT = 2
"""Of so many states of the sources entries are kept: the older ones serve nobody."""


def root() -> Path:
    """Where all entries are: GOLDSTEP_CACHE, or `goldstep` in the user's folder for caches."""
    own = os.environ.get("GOLDSTEP_CACHE")
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(caches) / "goldstep"


@functools.cache
def folder(root: Path) -> Path:
    """Where the entries of these sources are. Those of long ago are deleted."""
    made = root / sources().hex()[:16]
    with contextlib.suppress(OSError):
        made.mkdir(parents=True, exist_ok=True)
        others = [path for path in root.iterdir() if path.is_dir() and path != made]
        for path in sorted(others, key=lambda path: -path.stat().st_mtime)[KEPT - 1 :]:
            shutil.rmtree(path, ignore_errors=True)
    return made


@functools.cache
def sources() -> bytes:
    """The digest of every file that an answer depends on, and of the NumPy that computes it."""
    digest = hashlib.sha256(np.__version__.encode())
    for root in [Path(next(iter(p.__path__))) for p in (spec, reference)] + [Path(__file__).parent]:
        for path in sorted([*root.rglob("*.py"), *root.rglob("*.toml")]):
            digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.digest()


def question(truth: Truth) -> str:
    """The digest of all that the answers of a `truth` depend on."""
    digest = hashlib.sha256(sources())

    def add(x: Any) -> None:
        if isinstance(x, dict):
            for k, v in x.items():
                digest.update(f"{k!r}:".encode())
                add(v)
        elif isinstance(x, list | tuple):
            for v in x:
                add(v)
                digest.update(b",")
        elif isinstance(x, np.ndarray):
            digest.update(f"{x.dtype}{x.shape}".encode() + x.tobytes())
        else:
            digest.update(repr(x).encode())

    case, arithmetic = truth.case, truth.arithmetic
    add([case.rule, case.hyper, case.params, list(case.grads), list(case.changes)])
    add([list(case.given), sorted(truth.meant.items()), truth.layout.groups])
    plain = (str, int, float, bool, type(None))
    add({k: v for k, v in vars(arithmetic).items() if isinstance(v, plain)})
    return digest.hexdigest()


class Kept(Truth):
    """A truth whose moments are found on disk, or else computed and put there."""

    def golden(self) -> list[Moment]:
        if self._golden is None:
            path = folder(root()) / question(self)
            after = fetch(path, self.arithmetic)
            if after:
                step = self._stepper()
                begins = Moment(step.params, step.state())
                self._golden = [self._rounded(m) for m in [begins, *after[:-1]]], after
            else:
                keep(path, list(self.forced(super().golden())))
        return super().golden()

    def free(self) -> Iterator[Moment]:
        path = folder(root()) / f"{question(self)}-free"
        moments = fetch(path, self.arithmetic)
        if not moments:
            moments = list(super().free())
            keep(path, moments)
        return iter(moments)


def keep(path: Path, after: list[Moment]) -> None:
    """Write an entry. What it cannot hold, or the disk will not take, is not kept."""
    try:
        data = safetensors.dump(dict(_series(after)), path.stem)
    except TypeError:
        return
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(data).hexdigest().encode() + data)
        Path(name).replace(path)


def fetch(path: Path, arithmetic: Arithmetic) -> list[Moment] | None:
    """What an entry holds; None, and the file is gone, if it is not what was written."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(data[DIGEST:]).hexdigest().encode() != data[:DIGEST]:
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    series, _ = safetensors.load(data[DIGEST:], path.name)
    return _moments(series, arithmetic)


def _series(moments: list[Moment]) -> Iterator[tuple[str, Any]]:
    """The arrays of all steps, one behind the other, by what they are.

    Raises TypeError if a value is not of one kind in all steps.
    """
    columns = defaultdict(list)
    for moment in moments:
        for group, slot, x in moment.slots():
            columns[group, slot].append(x)
    for i, ((group, slot), column) in enumerate(columns.items()):
        for part, stacked in _stacked(column):
            yield f"{i:04}/{part}/{slot}/{group}", stacked


def _stacked(column: list[Any]) -> Iterator[tuple[str, Any]]:
    kinds = {(type(x), getattr(x, "host", None), np.shape(x), _type(x)) for x in column}
    if len(kinds) > 1:
        msg = f"one slot is of {len(kinds)} kinds"
        raise TypeError(msg)
    first = column[0]
    plain = isinstance(getattr(first, "value", None), np.ndarray | np.generic)
    if isinstance(first, Bounded) and plain:  # and no pair of doubles
        value = np.stack([np.asarray(x.value) for x in column])
        high = value.astype(np.float64)
        yield "host" if first.host else "value", high
        if value.dtype != np.float64:
            yield "rest", (value - high).astype(np.float64)
        yield "error", np.stack([np.asarray(x.error, np.float64) for x in column])
    elif isinstance(first, int | float):
        yield type(first).__name__, np.array(column)
    else:
        msg = f"{type(first).__name__} is not kept"
        raise TypeError(msg)


def _type(x: Any) -> Any:
    return getattr(getattr(x, "value", x), "dtype", None)


def _moments(series: dict[str, Any], arithmetic: Arithmetic) -> list[Moment]:
    parts: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for name in sorted(series):
        _, part, slot, group = name.split("/", 3)
        parts[group, slot][part] = series[name]
    return [*_rows({at: _column(found, arithmetic) for at, found in parts.items()})]


def _column(found: dict[str, Any], arithmetic: Arithmetic) -> list[Any]:
    for plain in ("int", "float"):
        if plain in found:
            return list(found[plain].tolist())
    host = "host" in found
    value = found["host" if host else "value"]
    if "rest" in found:
        value = value.astype(np.longdouble) + found["rest"]
    values, errors = ([x[t] for t in range(len(x))] for x in (value, found["error"]))
    return [Bounded(arithmetic, v, e, host=host) for v, e in zip(values, errors, strict=True)]


def _rows(columns: dict[tuple[str, str], list[Any]]) -> Iterator[Moment]:
    for t in range(len(next(iter(columns.values())))):
        params: dict[str, Any] = {}
        state: dict[str, dict[str, Any]] = {}
        for (group, slot), column in columns.items():
            if slot == THETA:
                params[group] = column[t]
            else:
                state.setdefault(group, {})[slot] = column[t]
        yield Moment(params, {group: state.get(group, {}) for group in params})

"""Truth that has been computed once, kept on disk under the digest of all that it depends on.

An entry is named by the SHA-256 of the question and of the files of spec/, reference/ and oracle/,
so that nothing stale is ever found. It begins with the digest of the rest: an entry that was cut
short or altered is made again. Entries are written beside their place and moved there, so that two
processes may share a folder. The folder can be deleted at any time.
"""

import contextlib
import functools
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from goldstep import reference, spec

from . import safetensors
from .case import Case
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
    plain = (str, int, float, bool, type(None))
    own = {k: v for k, v in vars(truth.arithmetic).items() if isinstance(v, plain)}
    rest = repr((sorted(truth.meant.items()), truth.layout.groups, own))
    return hashlib.sha256(sources() + _asked(truth.case) + rest.encode()).hexdigest()


@functools.lru_cache(maxsize=1)
def _asked(case: Case) -> bytes:
    """The digest of a case, which is asked in one type after the other."""
    digest = hashlib.sha256()

    def add(x: Any) -> None:
        if isinstance(x, np.ndarray):
            digest.update(f"{x.dtype.str}{x.shape}".encode() + x.tobytes())
        elif isinstance(x, dict):
            for k, v in x.items():
                digest.update(f"{k!r}:".encode())
                add(v)
        elif isinstance(x, list | tuple):
            for v in x:
                add(v)
                digest.update(b",")
        else:
            digest.update(repr(x).encode())

    add([case.rule, case.hyper, case.params, list(case.grads), list(case.changes)])
    add(list(case.given))
    return digest.digest()


class Kept(Truth):
    """A truth whose moments are found on disk, or else computed and put there."""

    def golden(self) -> list[Moment]:
        if self._golden is None:
            path = folder(root()) / question(self)
            if found := fetch(path, self.arithmetic):
                self._golden = [self._rounded(m) for m in found[:-1]], found[1:]
            else:
                step = self._stepper()
                begins = Moment(step.params, step.state())
                keep(path, [begins, *self.forced(super().golden())])
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
        data = safetensors.dump(*_laid(after))
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
    return [*_moments(*safetensors.load(data[DIGEST:], path.name), arithmetic)]


def _laid(moments: list[Moment]) -> tuple[dict[str, Any], str]:
    """The numbers of all moments, one below the other, and as text what they are side by side.

    Raises TypeError if a value is not of one kind in all steps.
    """
    kinds = [[_kind(*at) for at in moment.slots()] for moment in moments]
    if any(kind != kinds[0] for kind in kinds):
        msg = "one slot is of several kinds"
        raise TypeError(msg)
    series: dict[str, list[Any]] = {"value": [], "rest": [], "error": []}
    for moment in moments:
        slots = [x for _, _, x in moment.slots()]
        parts = [(x.value, x.error) if isinstance(x, Bounded) else (x, 0.0) for x in slots]
        values = [np.ravel(value) for value, _ in parts]
        high = [value.astype(np.float64) for value in values]
        series["value"].append(np.concatenate(high))
        series["rest"].append(np.concatenate([x - y for x, y in zip(values, high, strict=True)]))
        error = [np.broadcast_to(e, np.shape(value)).ravel() for value, e in parts]
        series["error"].append(np.concatenate(error))
    laid = {name: np.stack(rows).astype(np.float64) for name, rows in series.items()}
    return laid, json.dumps(kinds[0])


def _kind(group: str, slot: str, x: Any) -> list[Any]:
    """What one array is: where it belongs, its type and its shape."""
    if isinstance(x, Bounded):
        value = x.value
        numbers = isinstance(value, np.ndarray | np.generic)  # and no pairs of doubles
        if numbers and value.dtype in (np.float64, np.longdouble):
            return [group, slot, "host" if x.host else "tensor", value.dtype.char, [*x.shape]]
    elif isinstance(x, int | float):
        return [group, slot, type(x).__name__, "d", []]
    msg = f"{type(x).__name__} is not kept"
    raise TypeError(msg)


def _moments(laid: dict[str, Any], kinds: str, arithmetic: Arithmetic) -> Iterator[Moment]:
    """The moments that were laid out so."""
    columns: list[tuple[str, str, Any]] = []
    at = 0
    for group, slot, kind, dtype, shape in json.loads(kinds):
        part = slice(at, at := at + math.prod(shape))
        value = laid["value"][:, part].astype(dtype)
        if kind in {"int", "float"}:
            columns.append((group, slot, value[:, 0].astype(kind).tolist()))
            continue
        value += laid["rest"][:, part]
        rows = [x.reshape(len(x), *shape) for x in (value, laid["error"][:, part])]
        host = kind == "host"
        found = [Bounded(arithmetic, v, e, host=host) for v, e in zip(*rows, strict=True)]
        columns.append((group, slot, found))
    for t in range(len(laid["value"])):
        params: dict[str, Any] = {}
        state: dict[str, dict[str, Any]] = {}
        for group, slot, column in columns:
            if slot == THETA:
                params[group] = column[t]
                state.setdefault(group, {})
            else:
                state.setdefault(group, {})[slot] = column[t]
        yield Moment(params, state)

"""Record a training run as it goes, to find out later where it first left the truth.

    from goldstep.oracle import record

    with record.torch(optimizer, "run", model.named_parameters()):
        train()

    with record.Recorder("run") as recorder:            # any library, any loop
        recorder.before(grads, params, state, [{"lr": 0.1}])
        params, state = step(params, grads, state)
        recorder.after(params, state)

Memory is bounded by the largest tensor. A run that is killed loses at most the step that was being
written. What goes wrong with the recording is told on standard error and does not stop the
training.
"""

import fnmatch
import functools
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from . import safetensors
from .recording import ABOUT, FORMAT, JOURNAL, crc, file_name, line_of, read_journal
from .safetensors import Array

Tensors = Mapping[str, Any]
"""Arrays of any library, or numbers, by name."""

State = Mapping[str, Tensors]
"""By parameter, what an optimizer remembers of it, under the library's own names."""

OURS = re.compile(r"\d{10}\.(before|after)\.safetensors.*")
"""The files of a recording. No other in its folder is ever touched."""

TORCH = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.int32": "I32",
    "torch.uint8": "U8",
    "torch.bool": "BOOL",
}


def kind(x: Any) -> tuple[str, tuple[int, ...]]:
    """The code of the type of an array of any library, and its shape, without moving it."""
    x = local(x)
    return code_of(x.dtype), tuple(x.shape)


@functools.cache
def code_of(dtype: Any) -> str:
    """The code of a type, of any library. Raises ValueError if it has none."""
    name = str(dtype)
    if name == "bfloat16":
        return "BF16"
    if name in TORCH:
        return TORCH[name]
    try:
        return safetensors.CODES[np.dtype(name).newbyteorder("<")]
    except (KeyError, TypeError):
        msg = f"{name} is none of the types {', '.join(safetensors.DTYPES)}"
        raise ValueError(msg) from None


def local(x: Any) -> Any:
    """An array, of numbers too; of one that is spread over processes, what is here."""
    if isinstance(x, int | float):
        return np.array(x, np.int64 if isinstance(x, int) else np.float64)
    return x.to_local() if hasattr(x, "to_local") else x


def raw(x: Any) -> memoryview:
    """The bytes of an array of any library as they lie in a file."""
    x = local(x)
    code = code_of(x.dtype)
    if hasattr(x, "detach"):
        x = x.detach().contiguous().cpu()
        if code == "BF16":
            import torch as library  # noqa: PLC0415

            x = x.view(library.int16)
        x = x.numpy()
    x = np.asarray(x)
    if code == "BF16":
        x = x.view(np.uint16)
    held: Array = np.ascontiguousarray(x).astype(safetensors.DTYPES[code], copy=False)
    return held.reshape(-1).view(np.uint8).data


class Recorder:
    """Writes a recording into a folder, step by step.

    `tensors` are patterns of the names to record, `every` the stride of the steps. `places` says
    of tensors of which only a part is here the whole shape, and where the part begins. A folder
    that holds a recording is carried on with, behind its last step; if training goes back to a
    checkpoint, `resume` is the step where that stands, and what was recorded after it is dropped.
    `strict` lets an error of the recording stop the training. `sync` forces every step to the disk:
    without it a run that is killed loses no more, but a machine that stops may.
    """

    def __init__(  # noqa: PLR0913
        self,
        folder: str | Path,
        *,
        tensors: str | Collection[str] = "*",
        every: int = 1,
        resume: int | None = None,
        strict: bool = False,
        sync: bool = True,
        library: str = "",
        optimizer: str = "",
        places: Mapping[str, tuple[Collection[int], Collection[int]]] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.patterns = [tensors] if isinstance(tensors, str) else list(tensors)
        self.every, self.strict, self.sync = every, strict, sync
        self.places = dict(places or {})
        self.about: dict[str, Any] = {
            "format": FORMAT,
            "library": library,
            "optimizer": optimizer,
            "every": every,
            "tensors": {},
        }
        self.step, self.session, self.written = 0, 1, 0
        self.broken = ""
        """Why nothing is recorded any more, if so."""
        self.steps, self.seconds, self._born = 0, 0.0, time.perf_counter()
        self._left: dict[str, tuple[Any, ...]] = {}
        self._begun: tuple[int, list[Any]] | None = None
        self.closing: list[Callable[[], object]] = []
        self._guarded(self._open, resume)

    def before(
        self,
        grads: Tensors,
        params: Tensors,
        state: State,
        groups: Iterable[Mapping[str, Any]] = (),
        given: Tensors | None = None,
    ) -> None:
        """Record what a step begins with. A gradient may be None.

        `groups` are the hyper-parameters of each group of parameters; a parameter is of the first
        one, or of the one whose "params" has its name. `given` is what else the rule is given.
        """
        self.step += 1
        if not self.broken and (self.step - 1) % self.every == 0:
            self._guarded(self._before, grads, params, state, list(groups), given or {})

    def after(self, params: Tensors, state: State) -> None:
        """Record what a step has left."""
        if not self.broken and self._begun:
            self._guarded(self._after, params, state)

    def close(self) -> None:
        """End the recording, and tell what it has cost."""
        for end in self.closing:
            end()
        self.closing = []
        if not self.steps:
            return
        whole = time.perf_counter() - self._born
        share = self.seconds / max(whole - self.seconds, 1e-9)
        sys.stderr.write(
            f"goldstep: recorded {self.steps} steps in {self.folder}: "
            f"{self.written / 1e6:,.1f} MB, {1e3 * self.seconds / self.steps:.1f} ms a step, "
            f"{share:.0%} on top of the training\n"
        )
        self.steps = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _guarded(self, do: Callable[..., None], *given: Any) -> None:
        """Do something that may fail without harm to the training."""
        begin = time.perf_counter()
        try:
            do(*given)
        except Exception as error:
            if self.strict:
                raise
            self.give_up(f"{getattr(error, 'strerror', None) or error}")
        finally:
            self.seconds += time.perf_counter() - begin

    def give_up(self, why: str) -> None:
        """Record nothing any more, and say so; what has been recorded stays."""
        self.broken, self._begun = why, None
        sys.stderr.write(
            f"goldstep: the recording in {self.folder} ends before step {max(1, self.step)}: "
            f"{why}. The training goes on.\n"
        )

    def _open(self, resume: int | None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        journal = self.folder / JOURNAL
        if not journal.exists() and any(self.folder.iterdir()):
            msg = "it is not empty, and no recording: give a folder that is, or is not there yet"
            raise FileExistsError(msg)
        journal.touch()
        steps, whole = read_journal(self.folder)
        kept = [n for n in steps if resume is None or n <= resume]
        if len(kept) < len(steps) or whole < journal.stat().st_size:
            again = b"".join(line_of(_said(steps[n])) + b"\n" for n in kept)
            self._replace(journal, again)
        due = {file_name(n, half) for n in kept for half in ("before", "after")}
        for path in filter(lambda p: OURS.fullmatch(p.name), [*self.folder.iterdir()]):
            if path.name not in due:  # was being written when the run was killed, or is dropped
                path.unlink()
        if kept:
            about = json.loads((self.folder / ABOUT).read_text(encoding="utf-8"))
            self.about["tensors"] = about["tensors"]
            self.session = 1 + max(steps[n]["session"] for n in kept)
        self.step = max(kept, default=0) if resume is None else resume
        self._replace(self.folder / ABOUT, json.dumps(self.about, indent=1).encode())

    def _replace(self, path: Path, data: bytes) -> None:
        """Give a file other bytes, all of them or none."""
        whole = path.with_name(path.name + ".tmp")
        with whole.open("wb") as file:
            file.write(data)
            self._settle(file)
        whole.replace(path)

    def _settle(self, file: Any) -> None:
        """Hand over what has been written, and see it to the disk."""
        file.flush()
        if self.sync:
            os.fsync(file.fileno())

    def _wanted(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.patterns)

    def _named(self, params: Tensors, state: State) -> dict[str, Any]:
        """The parameters and the state that are wanted, by the names of their arrays."""
        held = {f"theta/{n}": x for n, x in params.items() if self._wanted(n)}
        for n, slots in state.items():
            if self._wanted(n):
                held |= {f"state/{slot}/{n}": x for slot, x in slots.items()}
        return held

    def _before(
        self,
        grads: Tensors,
        params: Tensors,
        state: State,
        groups: list[Mapping[str, Any]],
        given: Tensors,
    ) -> None:
        self._note(params, groups)
        held = self._named(params, state)
        sums = {name: (crc(raw(x)), *kind(x)) for name, x in held.items()}
        arrays = {f"grad/{n}": g for n, g in grads.items() if g is not None and self._wanted(n)}
        for name, x in given.items():
            if isinstance(x, Mapping):
                arrays |= {f"given/{name}/{n}": y for n, y in x.items() if self._wanted(n)}
            else:
                arrays[f"given/{name}"] = x
        # What is as the last step left it is not written again.
        arrays |= {name: x for name, x in held.items() if self._left.get(name) != sums[name]}
        hyper = [{k: v for k, v in group.items() if k != "params"} for group in groups]
        said = {
            "groups": hyper,
            "gone": sorted(self._left.keys() - held.keys()),
            "whole": not self._left,
        }
        self._begun = self.step, self._write("before", arrays, said)[0]

    def _after(self, params: Tensors, state: State) -> None:
        assert self._begun is not None
        step, begun = self._begun
        arrays = self._named(params, state)
        self._begun = None
        left, sums = self._write("after", arrays, {})
        said = {"step": step, "session": self.session, "before": begun, "after": left}
        with (self.folder / JOURNAL).open("ab") as file:
            place = file.tell()
            try:
                self.written += file.write(line_of(said) + b"\n")
                self._settle(file)
            except OSError:
                os.truncate(file.fileno(), place)
                raise
        self._left = {name: (sums[name], *kind(x)) for name, x in arrays.items()}
        self.steps += 1

    def _note(self, params: Tensors, groups: list[Mapping[str, Any]]) -> None:
        """Put the tensors that are new into `run.json`."""
        new = [n for n in params if self._wanted(n) and n not in self.about["tensors"]]
        for name in new:
            x = params[name]
            shape, at = self.places.get(name) or place(x)
            of = [i for i, group in enumerate(groups) if name in group.get("params", ())]
            info = {"shape": list(shape), "at": list(at), "group": of[0] if of else 0}
            self.about["tensors"][name] = info
        if new:
            self._replace(self.folder / ABOUT, json.dumps(self.about, indent=1).encode())

    def _write(
        self, half: str, arrays: Tensors, said: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, str]]:
        """Write one file of a step, one array after the other; its size, and checksums."""
        kinds = {name: kind(x) for name, x in arrays.items()}
        order = safetensors.ordered(kinds)
        sums = dict.fromkeys(order, "0" * 8)  # as long as what will stand there

        def head() -> bytes:
            told = json.dumps({"step": self.step, "crc32": sums, **said}, separators=(",", ":"))
            return safetensors.head(kinds, told)

        path = self.folder / file_name(self.step, half)
        whole = path.with_name(path.name + ".tmp")
        try:
            with whole.open("wb") as file:
                file.write(head())
                for name in order:
                    data = raw(arrays[name])
                    sums[name] = crc(data)
                    file.write(data)
                begin = head()
                size = file.tell()
                file.seek(0)
                file.write(begin)
                self._settle(file)
            whole.replace(path)
        except BaseException:
            whole.unlink(missing_ok=True)
            raise
        self.written += size
        return [size, crc(begin)], sums


def _said(line: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in line.items() if k != "crc32"}


def place(x: Any) -> tuple[list[int], list[int]]:
    """The shape of a whole tensor, and where in it the part begins that is here."""
    if not hasattr(x, "placements"):
        return list(kind(x)[1]), [0] * len(kind(x)[1])
    from torch.distributed.tensor._utils import (  # noqa: PLC0415
        compute_local_shape_and_global_offset,
    )

    _, at = compute_local_shape_and_global_offset(x.shape, x.device_mesh, x.placements)
    return list(x.shape), [int(n) for n in at]


def torch(
    optimizer: Any,
    folder: str | Path,
    names: Iterable[tuple[str, Any]] | None = None,
    **options: Any,
) -> Recorder:
    """Record every step that a torch optimizer takes from here on, until the recorder is closed.

    `names` is `model.named_parameters()`; other parameters are called by group and number. The
    gradients are those that the optimizer is given, after whatever clips or scales them. Where
    torch.distributed runs, each rank records what it holds in a folder of its own. The other
    options are those of `Recorder`.
    """
    import torch as library  # noqa: PLC0415

    folder, spread = Path(folder), library.distributed
    if spread.is_available() and spread.is_initialized() and spread.get_world_size() > 1:
        folder /= f"rank-{spread.get_rank():05}"
    about = {"library": f"torch {library.__version__}", "optimizer": type(optimizer).__name__}
    recorder = Recorder(folder, **(about | options))
    hooks = _Hooks(recorder, optimizer, names or ())
    recorder.closing += [
        optimizer.register_step_pre_hook(hooks.before).remove,
        optimizer.register_step_post_hook(hooks.after).remove,
    ]
    return recorder


class _Hooks:
    """What torch calls before and after each step of an optimizer."""

    def __init__(
        self, recorder: Recorder, optimizer: Any, names: Iterable[tuple[str, Any]]
    ) -> None:
        self.recorder, self.optimizer = recorder, optimizer
        self.called = {id(p): name for name, p in names}

    def name(self, p: Any) -> str:
        if id(p) not in self.called:
            for i, group in enumerate(self.optimizer.param_groups):
                given = group.get("param_names") or [
                    f"{i}.{j}" for j in range(len(group["params"]))
                ]
                for q, name in zip(group["params"], given, strict=True):
                    self.called.setdefault(id(q), name)
        return self.called[id(p)]

    def params(self) -> dict[str, Any]:
        return {self.name(p): p for group in self.optimizer.param_groups for p in group["params"]}

    def state(self) -> dict[str, dict[str, Any]]:
        held = self.optimizer.state
        return {name: _slots(held[p]) for name, p in self.params().items() if p in held}

    def before(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self.recorder.broken:
            return
        if any(callable(x) for x in (*args[1:], *kwargs.values())):
            why = "the step is given a closure, and has no gradients before it begins"
            self.recorder.give_up(why)
            return
        params = self.params()
        groups = []
        for group in self.optimizer.param_groups:
            plain = {k: _plain(v) for k, v in group.items() if k not in {"params", "param_names"}}
            groups.append(plain | {"params": {self.name(p) for p in group["params"]}})
        grads = {name: p.grad for name, p in params.items()}
        self.recorder.before(grads, params, self.state(), groups)

    def after(self, *_: Any) -> None:
        self.recorder.after(self.params(), self.state())


def _slots(held: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """What of an optimizer's state is an array or a number."""
    found: dict[str, Any] = {}
    for key, x in held.items():
        name = f"{within}{key}"
        if isinstance(x, Mapping):
            found |= _slots(x, f"{name}.")
        elif hasattr(x, "dtype") or isinstance(x, int | float):
            found[name] = x
    return found


def _plain(value: Any) -> Any:
    """A hyper-parameter as JSON can say it."""
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and math.prod(value.shape) == 1:
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, int | float | str | None) else str(value)


def optax(
    transformation: Any,
    folder: str | Path,
    hyper: Mapping[str, Any] | None = None,
    **options: Any,
) -> tuple[Any, Recorder]:
    """An optax transformation that records what it does, and its recorder.

    optax does not see what becomes of an update: the parameters after a step are those that the
    next one is given, and after the last step those before it plus the update. It hides what it was
    made with: `hyper` says it, but for what `inject_hyperparams` shows. It may be jitted.
    """
    import jax  # noqa: PLC0415
    import optax as library  # noqa: PLC0415

    made = {"library": f"optax {library.__version__}", "optimizer": "optax"} | options
    watch = _Watch(Recorder(folder, **made), hyper or {}, library.apply_updates)

    def update(grads: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        updates, new = transformation.update(grads, state, params, **extra)
        seen = (grads, state, params, updates, new)
        jax.experimental.io_callback(watch.note, None, *seen, ordered=True)
        return updates, new

    watch.recorder.closing.append(watch.finish)
    return library.GradientTransformationExtraArgs(transformation.init, update), watch.recorder


class _Watch:
    """What an optax transformation tells of each update. A step ends when the next one begins."""

    def __init__(self, recorder: Recorder, hyper: Mapping[str, Any], apply: Any) -> None:
        self.recorder, self.hyper, self.apply = recorder, dict(hyper), apply
        self.last: tuple[Any, Any, Any] | None = None

    def note(self, grads: Any, old: Any, params: Any, updates: Any, new: Any) -> None:
        self.end(params)
        theta = dict(_leaves(params))
        before, shown = _of_each(old, theta)
        self.recorder.before(dict(_leaves(grads)), theta, before, [self.hyper | shown])
        self.last = params, updates, new

    def end(self, params: Any) -> None:
        if self.last:
            theta = dict(_leaves(params))
            self.recorder.after(theta, _of_each(self.last[2], theta)[0])
            self.last = None

    def finish(self) -> None:
        if self.last:
            self.end(self.apply(*self.last[:2]))


def _leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    """The arrays of a tree, each with its path; a tree that is an array is called `theta`."""
    import jax  # noqa: PLC0415

    for path, x in jax.tree_util.tree_flatten_with_path(tree)[0]:
        yield ".".join(map(_key, path)) or "theta", x


def _of_each(tree: Any, names: Collection[str]) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The state by parameter and slot, and the hyper-parameters that the state holds."""
    import jax  # noqa: PLC0415

    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    shown: dict[str, Any] = {}
    for path, x in jax.tree_util.tree_flatten_with_path(tree)[0]:
        keys = [_key(k) for k in path]
        last = max((i for i, k in enumerate(path) if hasattr(k, "name")), default=-1)
        slot, rest = keys[last] if last >= 0 else "state", ".".join(keys[last + 1 :]) or "theta"
        if slot == "hyperparams":
            shown[keys[-1]] = _plain(x)
            continue
        for name in [rest] if rest in found else names:  # a number is one for all
            found[name].setdefault(slot, x)
    return found, shown


def _key(part: Any) -> str:
    for field in ("name", "key", "idx"):
        if hasattr(part, field):
            return str(getattr(part, field))
    return str(part)

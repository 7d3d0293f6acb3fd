"""An implementation in any language: a program that reads requests and writes answers, as lines.

`--impl="cmd:./program"` starts it, once for each optimizer that lives at one time. docs/protocol.md
is the protocol. The program never sees an expected answer.
"""

import base64
import contextlib
import json
import math
import os
import selectors
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

import numpy as np

from goldstep.oracle import pipeline
from goldstep.oracle.observe import ContractError
from goldstep.oracle.replay import Slots, Tensors
from goldstep.oracle.rules import Hyper

PROTOCOL = 1
START = 30.0
"""How many seconds a program has until it answers its first request."""
LIMIT = 10.0
"""How many seconds it has for each request after that. GOLDSTEP_LIMIT changes both."""
ERRORS = 500
"""How many bytes of its standard error are shown, at most."""
DTYPES = {"float64": "<f8", "float32": "<f4"}


class SlowStartError(ContractError):
    verdict = "slow start"


class HangError(ContractError):
    verdict = "hangs"


class CrashError(ContractError):
    verdict = "crashes"


class GarbageError(ContractError):
    verdict = "garbage"


class RefusedError(ContractError):
    verdict = "reports an error"


class Line:
    """One running program, and the lines between it and us."""

    def __init__(self, command: list[str]) -> None:
        self.command, self.held = command, b""
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the program
        try:
            self.child = subprocess.Popen(  # noqa: S603 - the user's own program
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                start_new_session=True,
            )
        except OSError as error:
            msg = f"{command[0]} cannot be started: {error.strerror}"
            raise CrashError(msg) from error
        self.limit = limit(START)
        self.slow: type[ContractError] = SlowStartError

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its answer. Whatever goes wrong ends the program."""
        try:
            return self._ask(request)
        except (ContractError, KeyboardInterrupt):
            self.end()
            raise

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(request, separators=(",", ":"))
        self._write(text.encode() + b"\n", request["op"])
        line = self._read(request["op"])
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            msg = (
                f"the answer to {request['op']} is no JSON object: {_shown(line)}; what is no "
                "answer belongs on standard error"
            )
            raise GarbageError(msg)
        if self.held:
            msg = f"more than one line answers {request['op']}; the second is {_shown(self.held)}"
            raise GarbageError(msg)
        self.limit = limit(LIMIT)
        self.slow = HangError
        if unsupported := answer.get("unsupported"):
            raise NotImplementedError(unsupported)
        if error := answer.get("error"):
            msg = f"the program answers {request['op']} with an error: {error}"
            raise RefusedError(msg)
        return answer

    def _write(self, data: bytes, op: str) -> None:
        assert self.child.stdin is not None
        os.set_blocking(self.child.stdin.fileno(), False)
        until = time.monotonic() + self.limit
        with selectors.DefaultSelector() as selector:
            selector.register(self.child.stdin, selectors.EVENT_WRITE)
            while data:
                if not selector.select(max(0.0, until - time.monotonic())):
                    msg = f"the program does not read {op}: {self.limit:g} s have passed"
                    raise self.slow(msg)
                try:
                    data = data[os.write(self.child.stdin.fileno(), data) :]
                except BrokenPipeError:
                    raise self._crash(op) from None

    def _read(self, op: str) -> bytes:
        assert self.child.stdout is not None
        until = time.monotonic() + self.limit
        with selectors.DefaultSelector() as selector:
            selector.register(self.child.stdout, selectors.EVENT_READ)
            while b"\n" not in self.held:
                left = until - time.monotonic()
                if left < 0 or not selector.select(left):
                    said = self._begun() or "Does it flush each line?"
                    msg = f"the program does not answer {op}: {self.limit:g} s have passed. {said}"
                    raise self.slow(msg)
                found = os.read(self.child.stdout.fileno(), 1 << 20)
                if not found:
                    raise self._crash(op)
                self.held += found
        line, _, self.held = self.held.partition(b"\n")
        return line

    def _crash(self, op: str) -> CrashError:
        try:
            code = self.child.wait(self.limit)
        except subprocess.TimeoutExpired:
            return CrashError(f"the program shut its output instead of an answer to {op}")
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        self.errors.seek(0)
        said = self.errors.read()
        if len(said) > ERRORS:  # from where a line begins
            said = said[-ERRORS:].partition(b"\n")[2]
        words = [self._begun(), said.decode(errors="replace").strip()]
        msg = f"the program ended instead of an answer to {op}: {how}."
        return CrashError(" ".join([msg, *filter(None, words)]))

    def _begun(self) -> str:
        """What there is of a line that never ended."""
        return f"It wrote {_shown(self.held)}, and no line feed." if self.held else ""

    def end(self) -> None:
        """End the program and whatever it started."""
        with contextlib.suppress(OSError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        for stream in (self.child.stdin, self.child.stdout, self.errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def limit(usual: float) -> float:
    """How many seconds a program is given. Raises ValueError."""
    said = os.environ.get("GOLDSTEP_LIMIT") or usual
    try:
        seconds = float(said)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        msg = f"GOLDSTEP_LIMIT={said}: that is no number of seconds, as 60 is one"
        raise ValueError(msg)
    return min(seconds, 1e6)


def _shown(line: bytes) -> str:
    return repr(line.partition(b"\n")[0][:80].decode(errors="replace"))


def _strings(x: Any) -> bool:
    return isinstance(x, list) and all(isinstance(one, str) for one in x)


def _object(x: Any) -> bool:
    return isinstance(x, dict) and all(isinstance(one, str) for one in x.values())


KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "rules": ("a list of names", _strings),
    "level": ("0, 1 or 2", lambda x: x in (0, 1, 2)),
    "dtypes": ("a list of float64, float32", lambda x: _strings(x) and set(x) <= DTYPES.keys()),
    "arrays": ("base64 or hex", lambda x: x in ("base64", "hex")),
    "dialects": ("an object of names", _object),
    "scalar": ("the name of a type, or an object of them", lambda x: _object(x) or _strings([x])),
    "iteration": ("the name of a type", lambda x: _strings([x])),
    "capabilities": ("a list of names", _strings),
}
"""What a program may say of itself, and how."""


def _check(said: Mapping[str, Any]) -> None:
    """Raise GarbageError if what a program says of itself is not as docs/protocol.md has it."""
    for key in said.keys() & KINDS.keys():
        kind, fits = KINDS[key]
        if not fits(said[key]):
            msg = f"the answer to hello has {json.dumps(said[key])} as {key!r}, which is {kind}"
            raise GarbageError(msg)
    for rule in said.get("rules", ()):
        try:
            pipeline(rule)
        except (LookupError, ValueError) as error:
            msg = f"the answer to hello offers {rule!r}: {error.args[0]}"
            raise GarbageError(msg) from error


class Program:
    """What `cmd:PROGRAM` stands for: what the program says of itself, and `make`."""

    def __init__(self, command: str) -> None:
        self.idle: list[Line] = []
        try:
            self.command = shlex.split(command)
        except ValueError as error:
            msg = f"cmd:{command} is no command: {error}"
            raise CrashError(msg) from error
        if not self.command:
            msg = "cmd: names no program, as cmd:./program does"
            raise CrashError(msg)
        first = self._line()
        try:
            said = first.ask({"op": "hello", "protocol": PROTOCOL})
        except NotImplementedError as error:
            first.end()
            msg = f"the program does not take hello: {error}"
            raise RefusedError(msg) from error
        self.idle.append(first)
        if "protocol" not in said:
            msg = f'the answer to hello does not say "protocol":{PROTOCOL}'
            raise GarbageError(msg)
        if said["protocol"] != PROTOCOL:
            msg = f"the program speaks protocol {json.dumps(said['protocol'])}, not {PROTOCOL}"
            raise GarbageError(msg)
        _check(said)
        self.version: str = str(said.get("version", ""))
        self.rules: Collection[str] | None = said.get("rules")
        self.dialects: Mapping[str, str] = said.get("dialects", {})
        self.dtypes: Collection[str] = said.get("dtypes", tuple(DTYPES))
        self.scalar: str | Mapping[str, str] | None = said.get("scalar")
        self.iteration: str | None = said.get("iteration")
        self.capabilities: Collection[str] = said.get("capabilities", ())
        self.level = int(said.get("level", 0))
        self.hexadecimal: bool = said.get("arrays", "base64") == "hex"

    def _line(self) -> Line:
        return self.idle.pop() if self.idle else Line(self.command)

    def make(self, rule: str, hyper: Hyper, params: Tensors, **more: Any) -> Any:
        if self.rules is not None and rule not in self.rules:
            raise NotImplementedError(rule)
        made = STEPS[self.level](self, self._line())
        made.begin(rule, hyper, params, more)
        return made

    def close(self) -> None:
        while self.idle:
            line = self.idle.pop()
            with contextlib.suppress(ContractError, NotImplementedError):
                line.ask({"op": "close"})
            line.end()

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.close()


class Step0:
    def __init__(self, program: Program, line: Line) -> None:
        self.program, self.line = program, line

    def begin(self, rule: str, hyper: Hyper, params: Tensors, more: Mapping[str, Any]) -> None:
        given = {"rule": rule, "hyper": hyper, "params": self.written(params)}
        self.line.ask({"op": "make", **given, **more})

    def __call__(self, grads: Mapping[str, Any], **also: Any) -> Tensors:
        request: dict[str, Any] = {"op": "step", "grads": self.written(grads)}
        if also:
            request["also"] = {
                k: x if isinstance(x, int | float) else self.written(x) for k, x in also.items()
            }
        return self.read(self.line.ask(request), "params", "step")

    def save(self) -> Any:
        answer = self.line.ask({"op": "save"})
        if "saved" not in answer:
            self._garbage("save", "it has no 'saved'")
        return answer["saved"]

    def restore(self, saved: Any) -> None:
        self.line.ask({"op": "restore", "saved": saved})

    def __del__(self) -> None:
        # The program goes back to whoever needs one next.
        if self.line.child.returncode is None:
            self.program.idle.append(self.line)

    def written(self, arrays: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [self._array(name, x) for name, x in arrays.items()]

    def _array(self, name: str, x: Any) -> dict[str, Any]:
        if x is None:
            return {"name": name, "data": None}
        if isinstance(x, int | float):
            return {"name": name, "data": x}
        x = np.asarray(x)
        flat = x.astype(DTYPES[x.dtype.name]).tobytes()
        data: Any = base64.b64encode(flat).decode()
        if self.program.hexadecimal:
            data = [float(v).hex() for v in x.ravel()]
        return {"name": name, "dtype": x.dtype.name, "shape": list(x.shape), "data": data}

    def read(self, answer: dict[str, Any], key: str, op: str) -> dict[str, Any]:
        listed = answer.get(key)
        if not isinstance(listed, list):
            self._garbage(op, f"it has no list {key!r}")
        found: dict[str, Any] = {}
        for one in listed:
            name = one.get("name") if isinstance(one, dict) else None
            if not isinstance(name, str):
                self._garbage(op, f"in {key!r} is no array with a name: {str(one)[:80]}")
            if name in found:
                self._garbage(op, f"{name!r} is there twice")
            try:
                found[name] = self._value(one)
            except (TypeError, ValueError, OverflowError) as error:
                self._garbage(op, f"{name!r}: {error}")
        return found

    def _garbage(self, op: str, why: str) -> NoReturn:
        self.line.end()
        msg = f"the answer to {op} is not as docs/protocol.md has it: {why}"
        raise GarbageError(msg)

    def _value(self, one: dict[str, Any]) -> Any:
        data, shape, named = one.get("data"), one.get("shape"), one.get("dtype")
        if "shape" not in one and isinstance(data, int | float):
            return int(data) if float(data).is_integer() else float(data)
        if named not in DTYPES:
            msg = f"its dtype is {named!r}; there is {', '.join(DTYPES)}"
            raise ValueError(msg)
        if isinstance(data, str):
            flat = np.frombuffer(base64.b64decode(data, validate=True), DTYPES[named])
        elif isinstance(data, list):
            flat = np.array([_number(v) for v in data], DTYPES[named])
        else:
            msg = "its data is neither base64 nor a list of numbers"
            raise TypeError(msg)
        sizes: list[Any] = shape if isinstance(shape, list) else [None]
        whole = all(type(n) is int and n >= 0 for n in sizes)
        if not whole or math.prod(sizes) != flat.size:
            msg = f"it has {flat.size} elements, and shape {shape}"
            raise ValueError(msg)
        return flat.reshape(sizes).astype(DTYPES[named][1:])


def _number(v: Any) -> float:
    if not isinstance(v, str):
        return float(v)
    # Without this, 1.5 in digits would be read as if they were hexadecimal.
    if "0x" in v.lower() or v.strip("+-").lower() in {"inf", "infinity", "nan"}:
        return float.fromhex(v)
    msg = f"{v!r} is no hexadecimal number, as 0x1.8p+1 is one"
    raise ValueError(msg)


class Step1(Step0):
    def state(self) -> Slots:
        answer = self.line.ask({"op": "state"})
        if not isinstance(answer.get("state"), dict):
            self.line.end()
            msg = "the answer to state has no object 'state' of lists by parameter"
            raise GarbageError(msg)
        return {name: self.read(answer["state"], name, "state") for name in answer["state"]}


class Step2(Step1):
    def load(self, params: Tensors, state: Slots) -> None:
        held = {name: self.written(slots) for name, slots in state.items()}
        self.line.ask({"op": "load", "params": self.written(params), "state": held})


STEPS = (Step0, Step1, Step2)

"""An implementation in any language: a program that reads requests and writes answers, as lines.

`--impl="cmd:./program"` starts it, once for each optimizer that lives at one time. docs/protocol.md
is the protocol. The program never sees an expected answer.
"""

import base64
import contextlib
import json
import os
import selectors
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from goldstep.oracle.observe import ContractError
from goldstep.oracle.replay import Slots, Tensors
from goldstep.oracle.rules import Hyper

PROTOCOL = 1
START = 30.0
"""How many seconds a program has until it answers its first request."""
LIMIT = 10.0
"""How many seconds it has for each request after that. GOLDSTEP_LIMIT changes both."""
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
        self.limit = float(os.environ.get("GOLDSTEP_LIMIT", START))
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
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            shown = line[:80].decode(errors="replace")
            msg = f"the answer to {request['op']} is no JSON object: {shown!r}"
            raise GarbageError(msg)
        self.limit = float(os.environ.get("GOLDSTEP_LIMIT", LIMIT))
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
                if not selector.select(max(0.0, until - time.monotonic())):
                    msg = f"the program does not answer {op}: {self.limit:g} s have passed"
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
        said = self.errors.read()[-500:].decode(errors="replace").strip()
        return CrashError(f"the program ended instead of an answer to {op}: {how}. {said}".strip())

    def end(self) -> None:
        """End the program and whatever it started."""
        with contextlib.suppress(OSError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        for stream in (self.child.stdin, self.child.stdout, self.errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


class Program:
    """What `cmd:PROGRAM` stands for: what the program says of itself, and `make`."""

    def __init__(self, command: str) -> None:
        self.command = shlex.split(command)
        self.idle: list[Line] = []
        first = self._line()
        said = first.ask({"op": "hello", "protocol": PROTOCOL})
        self.idle.append(first)
        if said.get("protocol") != PROTOCOL:
            msg = f"the program speaks protocol {said.get('protocol')!r}, not {PROTOCOL}"
            raise GarbageError(msg)
        self.version: str = str(said.get("version", ""))
        self.rules: Collection[str] | None = said.get("rules")
        self.dialects: Mapping[str, str] = said.get("dialects", {})
        self.dtypes: Collection[str] = said.get("dtypes", tuple(DTYPES))
        self.scalar: str | Mapping[str, str] | None = said.get("scalar")
        self.iteration: str | None = said.get("iteration")
        self.capabilities: Collection[str] = said.get("capabilities", ())
        self.level: int = said.get("level", 0)
        self.hexadecimal: bool = said.get("arrays", "base64") == "hex"

    def _line(self) -> Line:
        return self.idle.pop() if self.idle else Line(self.command)

    def make(self, rule: str, hyper: Hyper, params: Tensors) -> Any:
        if self.rules is not None and rule not in self.rules:
            raise NotImplementedError(rule)
        made = STEPS[self.level](self, self._line())
        made.begin(rule, hyper, params)
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

    def begin(self, rule: str, hyper: Hyper, params: Tensors) -> None:
        request = {"op": "make", "rule": rule, "hyper": hyper, "params": self.written(params)}
        self.line.ask(request)

    def __call__(self, grads: Mapping[str, Any], **also: Any) -> Tensors:
        request: dict[str, Any] = {"op": "step", "grads": self.written(grads)}
        if also:
            request["also"] = {
                k: x if isinstance(x, int | float) else self.written(x) for k, x in also.items()
            }
        return self.read(self.line.ask(request), "params", "step")

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
        try:
            return {one["name"]: self._value(one) for one in answer[key]}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.line.end()
            msg = f"the answer to {op} is not as docs/protocol.md has it: {error!r}"
            raise GarbageError(msg) from error

    def _value(self, one: dict[str, Any]) -> Any:
        data = one["data"]
        if "shape" not in one:
            return int(data) if float(data).is_integer() else float(data)
        dtype = DTYPES[one["dtype"]]
        if isinstance(data, str):
            flat = np.frombuffer(base64.b64decode(data, validate=True), dtype)
        else:
            flat = np.array([float.fromhex(v) if isinstance(v, str) else v for v in data], dtype)
        return flat.reshape(one["shape"]).astype(dtype[1:])


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

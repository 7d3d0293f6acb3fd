"""Another place for arrays: an array library and a device, where an implementation is asked.

The truth and its bound are computed once, on the host, in long double where float64 is under test.
What an implementation does is seen, kept and compared where it is; one number comes back.
"""

import importlib
from types import ModuleType
from typing import Any

import array_api_compat
import numpy as np

from .replay import Make, Slots, Step, Tensors
from .rounding import LIMIT, Bounded
from .truth import Moment

INSTALLED = {
    "cupy": "cupy-cuda12x, or cupy-cuda13x where `nvidia-smi` shows CUDA 13",
    "array_api_strict": "array-api-strict",
}
"""The packages of libraries that are not called as they are imported."""


class Place:
    """The library and device that `NAME` or `NAME:DEVICE` says, as in `torch:cuda`.

    Raises ModuleNotFoundError or ValueError, with what to do.
    """

    def __init__(self, name: str) -> None:
        library, _, device = name.partition(":")
        self.name, self.xp = name, namespace(library)
        self.device: Any = int(device) if device.isdigit() else device or None
        if device and hasattr(self.xp, "Device"):  # array_api_strict takes no name for it
            self.device = self.xp.Device(device)
        self.cpu = self.xp.Device("CPU_DEVICE") if hasattr(self.xp, "Device") else "cpu"
        self.array(0.0)  # whatever is wrong with the device is said at once

    def array(self, x: Any) -> Any:
        """A copy there of an array that is here."""
        return self.xp.asarray(np.asarray(x), device=self.device, copy=True)

    def taken(self, x: Any) -> Any:
        """What an implementation gives back, there: without a copy, unless it is of the host."""
        if isinstance(x, np.ndarray | np.generic):
            return self.array(x)
        own = array_api_compat.is_array_api_obj(x) and self.xp is array_api_compat.array_namespace(
            x
        )
        return x if own else self.xp.from_dlpack(x)

    def host(self, x: Any) -> Any:
        """A copy here of an array that is there."""
        if isinstance(x, np.ndarray | np.generic):
            return np.array(x)
        return np.array(array_api_compat.to_device(self.taken(x), self.cpu))

    def stack(self, xs: list[Any]) -> Any:
        return self.xp.stack([self.taken(x) for x in xs])

    def turned(self, x: Any, like: Any) -> Any:
        """A matrix of which the columns have arbitrary signs, with those nearer to another."""
        x, xp = self.taken(x), self.xp
        along = xp.sum(x * self.array(like.astype(str(x.dtype).rpartition(".")[2])), axis=-2)
        return xp.where(xp.expand_dims(along, axis=-2) < 0, -x, x)

    def excess(self, got: Any, true: Bounded) -> Any:
        """The largest |error| over its bound of what was got there, as a number there.

        A long double is moved as two numbers: what is near the one leaves an exact rest.
        """
        xp = self.xp
        high = true.value.astype(np.float64)
        low = (true.value - high).astype(np.float64)
        bound = np.asarray(LIMIT * true.error, np.float64)
        high, low, bound = map(self.array, (high, low, bound))
        with np.errstate(
            invalid="ignore", over="ignore", divide="ignore"
        ):  # of what NumPy computes
            off = xp.abs(xp.astype(got, xp.float64) - high - low)
            ratio = xp.where(off == 0, xp.zeros_like(off), off / bound)
        ratio = xp.where(xp.isfinite(off), ratio, xp.full_like(off, xp.inf))
        return xp.max(xp.where(xp.isfinite(bound), ratio, xp.zeros_like(off)))


def described(place: Place) -> str:
    """The device that a place is, in words."""
    if array_api_compat.is_cupy_namespace(place.xp):
        device = place.xp.cuda.Device()
        said = place.xp.cuda.runtime.getDeviceProperties(device.id)["name"]
        return said.decode() if isinstance(said, bytes) else str(said)
    if array_api_compat.is_torch_namespace(place.xp) and "cuda" in place.name:
        return str(place.xp.cuda.get_device_name())
    return "the CPU"


def namespace(library: str) -> ModuleType:
    """The namespace of an array library, by the name that it is imported by."""
    try:
        module = importlib.import_module(library)
    except ModuleNotFoundError as error:
        package = INSTALLED.get(library, library)
        msg = f"{library} is not installed: pip install {package}"
        raise ModuleNotFoundError(msg, name=error.name) from error
    if not hasattr(module, "asarray"):
        msg = f"{library} is no array library: it has no function asarray"
        raise ValueError(msg)
    return array_api_compat.array_namespace(module.asarray([0.0]))


def each(f: Any, x: Any) -> Any:
    """`f` of every array in what goes into a step or comes out of it; numbers stay as they are."""
    if isinstance(x, dict):
        return {k: each(f, v) for k, v in x.items()}
    return f(x) if hasattr(x, "dtype") else x


def here(moments: list[Moment], place: Place | None) -> list[Moment]:
    """What was seen there, on the host."""
    if place is None:
        return moments
    return [Moment(each(place.host, m.params), each(place.host, m.state)) for m in moments]


class Step0:
    """A step there, given arrays that are here; `back` is what becomes of those it gives back."""

    def __init__(self, step: Any, place: Place, back: Any) -> None:
        self._step, self._there, self._back = step, place.array, back

    def __call__(self, grads: Any, /, **also: Any) -> Tensors:
        given = each(self._there, dict(grads)), each(self._there, also)
        params: Tensors = each(self._back, self._step(given[0], **given[1]))
        return params

    def __getattr__(self, name: str) -> Any:  # what more it offers takes no arrays
        return getattr(self._step, name)


class Step1(Step0):
    def state(self) -> Slots:
        slots: Slots = each(self._back, self._step.state())
        return slots


class Step2(Step1):
    def load(self, params: Tensors, state: Slots, /) -> None:
        self._step.load(each(self._there, params), each(self._there, state))


def asked(make: Make, place: Place, *, there: bool) -> Make:
    """An implementation that is given arrays there. What it gives back stays, or comes here."""
    back = place.taken if there else place.host

    def made(rule: str, hyper: Any, params: Tensors, **more: Any) -> Step:
        step = make(rule, hyper, each(place.array, params), **more)
        kind = Step2 if hasattr(step, "load") else Step1 if hasattr(step, "state") else Step0
        return kind(step, place, back) if callable(step) else step

    return made

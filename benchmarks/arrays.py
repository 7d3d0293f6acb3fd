"""Arrays for what is measured, of NumPy or of the library that `--xp` names."""

from types import ModuleType
from typing import Any

import numpy as np

from goldstep.oracle.place import Place

from .timing import Run


def drawn(place: Place | None, shape: tuple[int, ...], dtype: str, many: int = 1) -> list[Any]:
    """So many arrays of normal numbers."""
    random = np.random.default_rng(0)
    found = [random.standard_normal(shape, dtype) for _ in range(many)]
    return [place.array(x) for x in found] if place else found


def waiting(place: Place | None) -> Run | None:
    """What waits until a GPU has done all that it was given; None where there is none."""
    library = place.xp.__name__.rpartition(".")[2] if place else ""
    if place and library == "cupy":
        done: Run = place.xp.cuda.Device().synchronize
        return done
    if place and library == "torch" and "cuda" in place.name:
        waits: Run = place.xp.cuda.synchronize
        return waits
    return None


def copying(place: Place | None, x: Any) -> Run:
    """One copy of an array into memory that is there: it reads as many bytes as it writes."""
    if place:
        return lambda: place.xp.asarray(x, copy=True)
    to = np.empty_like(x)
    return lambda: np.copyto(to, x)


def torch_device(place: Place | None, torch: ModuleType) -> str:
    """Where torch is to compute beside it."""
    on_cuda = place and torch.cuda.is_available() and "cpu" not in place.name
    return "cuda" if on_cuda else "cpu"

"""Matrix iterations, beside their products alone

The time of an iteration on a square matrix, and the part of it that its products of matrices would
take by themselves: as many as it was seen to take, in the same type, and of a matrix with its own
transpose, which NumPy computes by half, where it takes such. The rate counts each as a whole
product. Iterations that decompose a matrix are left out: LAPACK has their time.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from goldstep.oracle import module
from goldstep.oracle.examples import arguments
from goldstep.oracle.place import Place

from .arrays import waiting
from .timing import least

LARGEST = {"newton_schulz": 2048, "coupled_newton": 512, "coupled_root": 512}
"""By iteration, up to how many rows: what ends when it is near enough takes many products."""

SIZES, ON_A_DEVICE = (64, 128, 256, 512, 1024, 2048), (64, 512, 2048, 4096, 8192)


class Counted(np.ndarray):
    """A matrix of whose products is noted whether they are with its own transpose."""

    products: list[bool] = []  # noqa: RUF012 - they are those of one call

    def __matmul__(self, other: Any) -> Any:
        self.products.append(np.shares_memory(self, other) and self.strides != other.strides)
        return (np.asarray(self) @ np.asarray(other)).view(Counted)


def counted(call: Callable[..., Any], given: dict[str, Any]) -> list[bool]:
    """The products that a call takes, as `Counted` notes them."""
    Counted.products.clear()
    call(**{k: x.view(Counted) for k, x in given.items()})
    return list(Counted.products)


def rows(*, quick: bool, place: Place | None = None) -> Iterator[dict[str, object]]:
    for name, largest in LARGEST.items():
        call = getattr(module(name), name)
        for n in (64, 128) if quick else ON_A_DEVICE if place else SIZES:
            if n > largest * (4 if place else 1):
                continue
            for dtype in ("float32", "float64"):
                random = np.random.default_rng(0)
                given = arguments(name, random, random.standard_normal((n, n)) / math.sqrt(n))
                given = {k: x.astype(dtype) for k, x in given.items()}
                taken = counted(call, given)
                if place:
                    given = {k: place.array(x) for k, x in given.items()}
                # Numbers of the size that iterations have: none of the products is of denormals.
                unit = next(iter(given.values())) / n

                def alone(unit: Any = unit, taken: Any = taken) -> None:
                    for own in taken:
                        unit @ (unit.mT if own else unit)

                def whole(call: Any = call, given: Any = given) -> Any:
                    return call(**given)

                seconds = 0.01 if quick else 0.4
                all_, products = least(whole, alone, seconds=seconds, wait=waiting(place))
                yield {
                    "iteration": name,
                    "n": n,
                    "dtype": dtype,
                    "products": len(taken),
                    "ms": f"{1e3 * all_:.3g}",
                    "share of its products": f"{products / all_:.0%}",
                    "Gflop/s": f"{2 * n**3 * len(taken) / products / 1e9:.3g}",
                }

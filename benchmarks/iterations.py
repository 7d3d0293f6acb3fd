"""Matrix iterations, beside their products alone

The time of an iteration on a square matrix, and the part of it that its products of matrices would
take by themselves: as many as it was seen to take, of the same shapes, in the same type. The rate
is that of those products. Iterations that decompose a matrix are left out: LAPACK has their time.
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
    """A matrix whose products are counted."""

    products: list[tuple[int, int, int]] = []  # noqa: RUF012 - they are those of one call

    def __matmul__(self, other: Any) -> Any:
        self.products.append((*self.shape, other.shape[-1]))
        return (np.asarray(self) @ np.asarray(other)).view(Counted)


def counted(call: Callable[..., Any], given: dict[str, Any]) -> list[tuple[int, int, int]]:
    """The shapes of the products that a call takes."""
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
                many = len(counted(call, given))
                if place:
                    given = {k: place.array(x) for k, x in given.items()}
                # Numbers of the size that iterations have: none of the products is of denormals.
                unit = next(iter(given.values())) / n

                def alone(unit: Any = unit, many: int = many) -> None:
                    for _ in range(many):
                        unit @ unit

                def whole(call: Any = call, given: Any = given) -> Any:
                    return call(**given)

                seconds = 0.01 if quick else 0.4
                all_, products = least(whole, alone, seconds=seconds, wait=waiting(place))
                yield {
                    "iteration": name,
                    "n": n,
                    "dtype": dtype,
                    "products": many,
                    "ms": f"{1e3 * all_:.3g}",
                    "share of its products": f"{products / all_:.0%}",
                    "Gflop/s": f"{2 * n**3 * many / products / 1e9:.3g}",
                }

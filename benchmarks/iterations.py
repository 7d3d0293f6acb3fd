"""Matrix iterations, beside their products alone

The time of an iteration on a square matrix, and the part of it that its products of matrices would
take by themselves: as many, of the same shapes, in the same type. A decomposition has no such part.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from goldstep.oracle import module

from .timing import least

# By iteration: how it is called, and its products, as how many of (n, n) @ (n, n).
PRODUCTS: dict[str, tuple[Callable[..., Any], int]] = {
    "newton_schulz": (lambda f, x: f(x, 5), 15),
}


def rows(*, quick: bool) -> Iterator[dict[str, object]]:
    random = np.random.default_rng(0)
    for name, (call, products) in PRODUCTS.items():
        iteration = getattr(module(name), name)
        for n in (64, 128) if quick else (64, 128, 256, 512, 1024, 2048):
            for dtype in ("float32", "float64"):
                x = random.standard_normal((n, n)).astype(dtype)
                unit = x / np.linalg.norm(x)

                def alone(unit: Any = unit, products: int = products) -> None:
                    for _ in range(products):
                        unit @ unit

                def whole(iteration: Any = iteration, call: Any = call, x: Any = x) -> None:
                    call(iteration, x)

                all_, part = least(whole, alone)
                yield {
                    "iteration": name,
                    "n": n,
                    "dtype": dtype,
                    "products": products,
                    "ms": f"{1e3 * all_:.3g}",
                    "share of its products": f"{part / all_:.0%}",
                }

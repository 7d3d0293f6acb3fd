"""A bound, beside a step

One step of a rule on a million numbers that carry their error, beside the same step of NumPy in
float64, and how many arrays of so many numbers it takes: a result is two, its value and its error,
so that four results are eight. What is taken `beside` the results is that of one block of 65536,
whatever the length. In float64 the truth is two doubles.
"""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np

from goldstep import spec
from goldstep.oracle import Arithmetic, module
from goldstep.oracle.truth import in_blocks

from .timing import least

RULES = [
    name
    for name in spec.names("optimizers")
    if (rule := spec.load("optimizers", name))["scope"] == "element" and not rule["given"]
]


def rows(*, quick: bool) -> Iterator[dict[str, object]]:
    random, n = np.random.default_rng(0), 100_000 if quick else 1_000_000
    for name in RULES:
        rule = module(name)
        hyper, (theta, first, g) = rule.Hyper(), random.normal(size=(3, n))
        theta, state = rule.update(theta, first, rule.init(theta, hyper), hyper)
        for dtype in ("float32", "float64"):
            own = Arithmetic(dtype).long()

            def lifted(x: Any, own: Arithmetic = own) -> Any:
                return own.tensor(x) if isinstance(x, np.ndarray) else x

            scalars = type(hyper)(*(own.scalar(h) if isinstance(h, float) else h for h in hyper))
            held = type(state)(*map(lifted, state))
            x, dx, blocks = lifted(theta), lifted(g), in_blocks(rule)

            def bound(x: Any = x, dx: Any = dx, held: Any = held, h: Any = scalars) -> Any:
                return blocks.update(x, dx, held, h)  # noqa: B023 - it is called at once

            def step(state: Any = state, theta: Any = theta, g: Any = g) -> Any:
                return rule.update(theta, g, state, hyper)  # noqa: B023

            slow, fast = least(bound, step)
            tracemalloc.start()
            kept = bound()
            left, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            size = 12 if dtype == "float64" else 8  # bytes of a value and its error, on average
            del kept
            yield {
                "rule": name,
                "bound for": dtype,
                "ms": f"{1e3 * slow:.3g}",
                "steps": f"{slow / fast:.1f}",
                "arrays": f"{most / size / n:.1f}",
                "beside": f"{(most - left) / size / n:.1f}",
            }

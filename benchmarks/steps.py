"""A step of the reference

One step as `reference/` has it, beside one of torch (single-tensor, foreach, fused; on a GPU also
capturable) and of optax under jit. The time is ours; a ratio is ours over theirs, and a dash means
that the library does not have it. `of copy` is the time in which what a step has to read and write
(parameters, gradient, state) would be copied once, over ours: 100 % is as fast as memory. Torch's
Muon iterates in bfloat16, ours in the type of the tensor. The reference writes each line into a new
array, and torch into its own: with 1e7 elements much of our time is that in which the system finds
and clears fresh memory.
"""

import functools
import math
from collections.abc import Iterator
from typing import Any

import jax
import optax
import optax.contrib
import torch
from torch import optim

from goldstep.oracle import module, pipeline
from goldstep.oracle.place import Place
from goldstep.spec import names

from .arrays import copying, drawn, torch_device, waiting
from .timing import Run, least

jax.config.update("jax_enable_x64", True)  # noqa: FBT003
torch.set_num_threads(1)

TORCH: dict[str, Any] = {
    "sgd": optim.SGD,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "adafactor": optim.Adafactor,
    "muon": optim.Muon,
}
PATHS = {
    "torch": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
    "capturable": {"foreach": False, "capturable": True},
}
LACKS = {"muon": {*PATHS} - {"torch"}, "adafactor": {"fused", "capturable"}, "sgd": {"capturable"}}
"""The paths that torch does not have."""

OPTAX: dict[str, Any] = {
    "sgd": optax.sgd,
    "adam": optax.adam,
    "adamw": optax.adamw,
    "lion": optax.lion,
    "adafactor": functools.partial(optax.adafactor, min_dim_size_to_factor=1),
    "muon": optax.contrib.muon,
}
RULES = ("sgd", "adam", "adamw", "lion", "adafactor", "muon", "shampoo", "soap")
MATRICES = {"adafactor", "muon", "shampoo", "soap"}
SIZES, ON_A_DEVICE = (10**4, 10**6, 10**7), (10**4, 10**6, 10**7, 10**8, 10**9)
LARGEST = {"muon": 10**6, "shampoo": 10**4, "soap": 10**4}
"""Beyond this products and decompositions take minutes."""


def ours(rule: str, theta: Any, g: Any) -> tuple[Run, int]:
    """A step, and the bytes that it has to read and to write."""
    reference = module(rule)
    hyper = reference.Hyper(**pipeline(rule).profile("default"))
    held = [theta, reference.init(theta, hyper)]

    def run() -> None:
        held[:] = reference.update(held[0], g, held[1], hyper)

    size = math.prod(theta.shape)
    kept = [math.prod(x.shape) / size for x in held[1] if hasattr(x, "shape")]
    return run, 3 + 2 * sum(kept)


def with_torch(rule: str, path: str, theta: Any, g: Any, device: str) -> Run | None:
    if rule not in TORCH or path in LACKS.get(rule, ()):
        return None
    if path == "capturable" and device == "cpu":
        return None
    p = torch.nn.Parameter(torch.from_dlpack(theta).clone().to(device))
    p.grad = torch.from_dlpack(g).clone().to(device)
    options = PATHS[path] if rule != "muon" else {}
    run: Run = TORCH[rule]([p], lr=1e-3, **options).step
    return run


def with_optax(rule: str, theta: Any, g: Any) -> Run | None:
    if rule not in OPTAX:
        return None
    optimizer = OPTAX[rule](1e-3)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, state: Any, grads: Any) -> Any:
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    params, grads = jax.numpy.array(theta), jax.numpy.array(g)
    held = [params, optimizer.init(params)]

    def run() -> None:
        held[:] = jax.block_until_ready(step(*held, grads))

    return run


def rows(*, quick: bool, place: Place | None = None) -> Iterator[dict[str, object]]:
    device = torch_device(place, torch)
    for rule in (r for r in RULES if r in names("optimizers")):
        for n in [10**4] if quick else ON_A_DEVICE if place else SIZES:
            if n > LARGEST.get(rule, n) * (100 if place else 1):
                continue
            for dtype in ("float32", "float64"):
                side = math.isqrt(n)
                theta, g = drawn(place, (side, side) if rule in MATRICES else (n,), dtype, 2)
                step, arrays = ours(rule, theta, g)
                runs: dict[str, Run | None] = {"copy": copying(place, theta), "ours": step}
                runs |= {path: with_torch(rule, path, theta, g, device) for path in PATHS}
                if not place:
                    runs["optax"] = with_optax(rule, theta, g)
                there = {k: run for k, run in runs.items() if run}
                took = least(*there.values(), seconds=0.01 if quick else 0.4, wait=waiting(place))
                times = dict(zip(there, took, strict=True))
                mine, copied = times["ours"], times["copy"]
                yield {
                    "rule": rule,
                    "elements": f"{n:.0e}",
                    "dtype": dtype,
                    "ms": f"{1e3 * mine:.3g}",
                    "of copy": f"{arrays / 2 * copied / mine:.0%}",
                } | {
                    k: f"{mine / times[k]:.2f}" if k in times else "-"
                    for k in [*PATHS, "optax"]
                    if (k != "capturable" or device != "cpu") and (k != "optax" or not place)
                }

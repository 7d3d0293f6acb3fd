"""A step of the reference

One step of NumPy, as `reference/` has it, beside one of torch (single-tensor, foreach, fused) and
of optax under jit. The time is ours; a ratio is ours over theirs, and a dash means that the library
does not have it. Torch's Muon iterates in bfloat16, ours in the type of the tensor.
"""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import optax
import optax.contrib
import torch
from torch import optim

from goldstep.oracle import module, pipeline
from goldstep.spec import names

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
SIDES = {10**4: 100, 10**6: 1000, 10**7: 3162}
LARGEST = {"muon": 10**6, "shampoo": 10**4, "soap": 10**4}
"""Beyond this the decompositions take minutes."""


def ours(rule: str, theta: Any, g: Any) -> Run:
    reference = module(rule)
    hyper = reference.Hyper(**pipeline(rule).profile("default"))
    held = [theta, reference.init(theta, hyper)]

    def run() -> None:
        held[:] = reference.update(held[0], g, held[1], hyper)

    return run


def with_torch(rule: str, theta: Any, g: Any, **path: bool) -> Run | None:
    if rule not in TORCH or (path.get("fused") and rule in {"adafactor", "muon"}):
        return None
    if path and rule == "muon":
        return None
    p = torch.nn.Parameter(torch.tensor(theta))
    p.grad = torch.tensor(g)
    run: Run = TORCH[rule]([p], lr=1e-3, **path).step
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


def rows(*, quick: bool) -> Iterator[dict[str, object]]:
    random = np.random.default_rng(0)
    for rule in (r for r in RULES if r in names("optimizers")):
        for n in [10**4] if quick else SIDES:
            if n > LARGEST.get(rule, n):
                continue
            for dtype in ("float32", "float64"):
                shape = (SIDES[n], SIDES[n]) if rule in MATRICES else (n,)
                theta, g = random.standard_normal((2, *shape)).astype(dtype)
                runs = {
                    "ours": ours(rule, theta, g),
                    "torch": with_torch(rule, theta, g, foreach=False)
                    if rule != "muon"
                    else with_torch(rule, theta, g),
                    "foreach": with_torch(rule, theta, g, foreach=True),
                    "fused": with_torch(rule, theta, g, fused=True),
                    "optax": with_optax(rule, theta, g),
                }
                there = {k: run for k, run in runs.items() if run}
                times = dict(zip(there, least(*there.values()), strict=True))
                ratios = {k: f"{times['ours'] / times[k]:.2f}" if k in times else "-" for k in runs}
                del ratios["ours"]
                yield {
                    "rule": rule,
                    "elements": f"{n:.0e}",
                    "dtype": dtype,
                    "ms": f"{1e3 * times['ours']:.3g}",
                } | ratios

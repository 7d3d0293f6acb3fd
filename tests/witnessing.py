"""How an independent implementation is run beside the reference.

Each module of `witnesses/` holds the rows of one library, WITNESSES; adding one is adding a row.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from goldstep.oracle import make, pipeline

STEPS, SHAPE = 50, (5, 3)


class Witness(NamedTuple):
    rule: str
    """The rule, or the pipeline, that it is a witness of."""
    what: str
    """What its `[[witness]]` in the specification calls it."""
    make: Callable[[dict[str, Any], Any], Callable[..., Any]]
    """From hyper-parameters and a parameter to a step, step(g, **given) -> parameter."""
    dialect: str = ""
    hyper: dict[str, Any] = {}  # noqa: RUF012 - never changed
    """Hyper-parameters in place of the amplified ones."""
    rates: bool = False
    """Whether the learning rate, step(g, lr=...), is another one at each step."""
    given: Callable[[np.random.Generator], dict[str, Any]] = lambda _: {}
    """What the rule is given beside the gradient, drawn anew for each step."""
    shape: tuple[int, ...] = SHAPE
    steps: int = STEPS
    after: int = 0
    """So many steps are taken before the first that is compared."""
    tolerance: float = 1e-12


def difference(witness):
    """The largest difference of an update from the reference's, relative to the largest update."""
    rule = witness.rule.rpartition("+")[2]
    hyper = pipeline(witness.rule).profile("amplified") | witness.hyper
    random = np.random.default_rng(0)
    theta = random.normal(size=witness.shape)
    meant = {rule: witness.dialect} if witness.dialect else None
    ours = make(witness.rule, hyper, {"w": theta.copy()}, meant)
    theirs = witness.make(dict(hyper), theta.copy())
    worst, largest = 0.0, 0.0
    mine = its = theta
    for t in range(witness.steps):
        g, given = random.normal(size=witness.shape), witness.given(random)
        if witness.rates:
            given["lr"] = hyper["lr"] * (1, 0.5, 0.25)[t % 3]
        named = {k: {"w": x} if np.ndim(x) else x for k, x in given.items()}
        before, mine = mine, ours({"w": g.copy()}, **named)["w"]
        old, its = its, np.asarray(theirs(g.copy(), **given), np.float64)
        if t >= witness.after:
            worst = max(worst, float(np.abs((its - old) - (mine - before)).max()))
            largest = max(largest, float(np.abs(mine - before).max()))
    assert largest > 0, "nothing moved"
    return worst / largest


def torch_optimizer(factory):
    """A row's `make` from `factory([parameter], hyper)`, which gives a torch.optim.Optimizer."""
    import torch  # noqa: PLC0415

    def made(hyper, theta):
        p = torch.nn.Parameter(torch.tensor(theta))
        optimizer = factory([p], hyper)

        def step(g, lr=None):
            if lr is not None:
                optimizer.param_groups[0]["lr"] = lr
            p.grad = torch.tensor(g)
            kept = torch.get_default_dtype()
            torch.set_default_dtype(torch.float64)  # of the numbers that it keeps on the host
            optimizer.step()
            torch.set_default_dtype(kept)
            return p.detach().numpy().copy()

        return step

    return made


def optax_transformation(factory):
    """A row's `make` from `factory(hyper)`, which gives an optax.GradientTransformation."""
    import jax  # noqa: PLC0415
    import optax  # noqa: PLC0415

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - else there is no float64

    def made(hyper, theta):
        transformation = factory(hyper)
        params, state = theta, transformation.init(theta)
        update = jax.jit(
            transformation.update, compiler_options={"xla_backend_optimization_level": 0}
        )

        def step(g, **given):
            nonlocal params, state
            updates, state = update(g, state, params, **given)
            params = np.asarray(optax.apply_updates(params, updates))
            return params

        return step

    return made

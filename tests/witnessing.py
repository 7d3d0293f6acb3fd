"""How an independent implementation is run beside the reference.

Each module of `witnesses/` holds the rows of one library, WITNESSES; adding one is adding a row.
"""

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from goldstep import spec
from goldstep.oracle import make, pipeline

STEPS, SHAPE = 50, (5, 3)
MODEL = {"w": (5, 3), "b": (4,)}
"""The shapes of a rule that couples tensors, or tells them apart."""

MATRICES = {"square": (4, 4), "wide": (3, 5), "tall": (5, 3), "row": (1, 6), "column": (6, 1)}


class Witness(NamedTuple):
    rule: str
    """The rule, or the pipeline, that it is a witness of."""
    what: str
    """What its `[[witness]]` in the specification calls it."""
    make: Callable[[dict[str, Any], Any], Callable[..., Any]]
    """From hyper-parameters and a parameter to a step, step(g, **given) -> parameter."""
    dialect: str = ""
    iteration: str = ""
    """The dialect of the iteration of Newton and Schulz within it."""
    hyper: dict[str, Any] = {}  # noqa: RUF012 - never changed
    """Hyper-parameters in place of the amplified ones."""
    rates: bool = False
    """Whether the learning rate, step(g, lr=...), is another one at each step."""
    given: Callable[[np.random.Generator], dict[str, Any]] = lambda _: {}
    """What the rule is given beside the gradient, drawn anew for each step."""
    shape: tuple[int, ...] | dict[str, tuple[int, ...]] = SHAPE
    """Of the parameter; of several by name, which are then given by name."""
    steps: int = STEPS
    after: int = 0
    """So many steps are taken before the first that is compared."""
    tolerance: float = 1e-12
    of: str = ""
    """Of which part of the pipeline it is a witness, if not of its last."""
    slot: str = ""
    """What of the state is compared, if not the parameters."""
    struck: bool = False
    """Whether one element of every third gradient is no number."""

    @property
    def about(self) -> str:
        """The rule in whose specification it stands."""
        return self.of or self.rule.rpartition("+")[2]


@functools.cache
def every():
    """All rows, by library."""
    libraries = sorted(p.stem for p in (Path(__file__).parent / "witnesses").glob("*.py"))
    return {name: importlib.import_module(f"witnesses.{name}").WITNESSES for name in libraries}


def rows(witness):
    """Which of the `[[witness]]` of its rule it is: where it is of no dialect, none is named."""
    s = spec.load(spec.kind_of(witness.about), witness.about)
    for i, row in enumerate(s["witness"]):
        said = f"{row['what']} {row['over']}"
        plain = not any(d["name"] in said for d in s["dialect"])
        if witness.what in said and (witness.dialect in said if witness.dialect else plain):
            yield i


def run_again(name):
    """How many of the witnesses of a rule are run again."""
    about = [w for library in every().values() for w in library if w.about == name]
    return len({i for w in about for i in rows(w)})


def difference(witness):
    """The largest difference of an update from the reference's, relative to the largest update."""
    hyper = pipeline(witness.rule).profile("amplified") | witness.hyper
    random = np.random.default_rng(0)
    by_name = isinstance(witness.shape, dict)
    shapes = witness.shape if by_name else {"w": witness.shape}

    def drawn():
        return {name: random.normal(size=shape) for name, shape in shapes.items()}

    def handed(arrays):
        arrays = {name: x.copy() for name, x in arrays.items()}
        return arrays if by_name else arrays["w"]

    theta = drawn()
    dialects = {witness.about: witness.dialect, "newton_schulz": witness.iteration}
    meant = {name: dialect for name, dialect in dialects.items() if dialect}
    ours = make(witness.rule, hyper, theta, meant)
    theirs = witness.make(dict(hyper), handed(theta))
    worst, largest = 0.0, 0.0
    mine = its = theta
    for t in range(witness.steps):
        g, given = drawn(), witness.given(random)
        if witness.struck and t % 3 == 2:
            np.ravel(g["w"])[t % g["w"].size] = (np.nan, np.inf, -np.inf)[t // 3 % 3]
        if witness.rates:
            given["lr"] = hyper["lr"] * (1, 0.5, 0.25)[t % 3]
        named = {k: {"w": x} if np.ndim(x) else x for k, x in given.items()}
        before, mine = mine, ours(g, **named)
        if witness.slot:
            mine = {name: slots[witness.slot] for name, slots in ours.state().items()}
        old, its = its, theirs(handed(g), **given)
        its = its if by_name else {"w": its}
        for name in shapes if t >= witness.after else ():
            update, its_own = mine[name] - before[name], np.float64(its[name]) - old[name]
            worst = max(worst, float(np.abs(its_own - update).max()))
            largest = max(largest, float(np.abs(update).max()))
    assert largest > 0, "nothing moved"
    return worst / largest


def torch_optimizer(factory, before=None, schedule=None, seen=None):
    """A row's `make` from `factory(parameters, hyper)`, which gives a torch.optim.Optimizer.

    `before(parameters, hyper)` changes their gradients, `schedule(optimizer, hyper)` is stepped
    after it, and `seen(module, hyper)` gives an average of the parameters, which is then what is
    seen.
    """
    import torch  # noqa: PLC0415

    def made(hyper, theta):
        by_name = isinstance(theta, dict)
        arrays = theta if by_name else {"w": theta}
        module = torch.nn.ParameterDict({k: torch.tensor(x) for k, x in arrays.items()})
        optimizer = factory(list(module.parameters()), hyper)
        after = [schedule(optimizer, hyper)] if schedule else []
        average = seen(module, hyper) if seen else None

        def step(g, lr=None):
            if lr is not None:
                optimizer.param_groups[0]["lr"] = lr
            for k, x in (g if by_name else {"w": g}).items():
                module[k].grad = torch.tensor(x)
            if before:
                before(list(module.parameters()), hyper)
            kept = torch.get_default_dtype()
            torch.set_default_dtype(torch.float64)  # of the numbers that it keeps on the host
            optimizer.step()
            torch.set_default_dtype(kept)
            for each in after:
                each.step()
            if average:
                average.update(module)
            out = average.module if average else module
            found = {k: x.detach().numpy().copy() for k, x in out.items()}
            return found if by_name else found["w"]

        return step

    return made


def widened(make, owner, name, wide):
    """A row's `make` whose steps find `wide` in `owner` under a name: a cast to float64, say."""

    def made(hyper, theta):
        step = make(hyper, theta)

        def patched(g, **given):
            with mock.patch.object(owner, name, wide):
                return step(g, **given)

        return patched

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
            params = jax.tree.map(np.asarray, optax.apply_updates(params, updates))
            return params

        return step

    return made


def scheduled(factor):
    """A row's `make` from `factor(hyper)`, a function of the count of steps: gradient descent."""

    def made(hyper, theta):
        f, taken = factor(hyper), 0

        def step(g):
            nonlocal theta, taken
            theta, taken = theta - hyper["lr"] * float(f(taken)) * g, taken + 1
            return theta

        return step

    return made

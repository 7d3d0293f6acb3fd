"""What optax has around its optimizers: schedules and wrappers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

COUNTED = 256
"""So many steps of a schedule are computed at once."""


def restarts(h):
    def cycle(steps):
        return {
            "init_value": 1.0,
            "peak_value": 1.0,
            "warmup_steps": 0,
            "decay_steps": steps,
            "end_value": h["end"],
        }

    lengths = (h["period"] * h["mult"] ** i for i in itertools.count())
    return optax.sgdr_schedule([cycle(n) for n in itertools.islice(lengths, 16)])


# By name: from hyper-parameters to a function of the count.
SCHEDULES = {
    "constant": lambda h: optax.join_schedules(
        [optax.constant_schedule(h["share"]), optax.constant_schedule(1.0)], [h["total"]]
    ),
    "linear_warmup": lambda h: optax.linear_schedule(h["start"], 1.0, h["warmup"]),
    "linear": lambda h: optax.linear_schedule(1.0, h["end"], h["total"]),
    "cosine": lambda h: optax.cosine_decay_schedule(1.0, h["total"], h["end"]),
    "cosine_restarts": restarts,
    "polynomial": lambda h: optax.polynomial_schedule(1.0, h["end"], h["power"], h["total"]),
    "exponential": lambda h: optax.exponential_decay(1.0, 1, h["gamma"]),
    "step_decay": lambda h: optax.exponential_decay(1.0, h["period"], h["gamma"], staircase=True),
    "multi_step": lambda h: optax.piecewise_constant_schedule(
        1.0, {h["first"]: h["gamma"], h["second"]: h["gamma"]}
    ),
    "one_cycle": lambda h: optax.cosine_onecycle_schedule(
        h["total"], 1.0, h["share"], h["div"], h["final_div"]
    ),
}


def sam(inner, h):
    uphill = optax.chain(optax.contrib.normalize(), optax.sgd(h["rho"]))
    return optax.contrib.sam(inner, uphill, sync_period=2)


# By name: from what is wrapped and hyper-parameters to what wraps it.
WRAPPERS = {
    "lookahead": lambda inner, h: optax.lookahead(inner, h["k"], h["alpha"]),
    "sam": sam,
    "accumulate": lambda inner, h: optax.MultiSteps(inner, h["k"]).gradient_transformation(),
    "skip_nonfinite": lambda inner, _: optax.apply_if_finite(inner, 2**30),
}


def scheduled(name, hyper):
    """The learning rate under a schedule, as a function of the count."""
    if name not in SCHEDULES:
        raise NotImplementedError(name)
    factor = SCHEDULES[name](hyper)
    return lambda count: hyper["lr"] * factor(count)


def parted(first, second):
    """Matrices through a mask, and everything else through one part of two: both are judged."""

    def matrices(params):
        return jax.tree.map(lambda x: x.ndim == 2, params)

    def side(params):
        return jax.tree.map(lambda x: "matrix" if x.ndim == 2 else "rest", params)

    rest = optax.partition({"matrix": optax.identity(), "rest": second}, side)
    return optax.chain(optax.masked(first, matrices), rest)


class Schedule:
    """A schedule by itself: a function of the count."""

    def __init__(self, name, hyper, params):
        self.name, x = next(iter(params.items()))
        self.taken = 0
        counts = jnp.arange(COUNTED)  # of 64 bits: of 32, optax would compute in float32
        self.factors = np.asarray(jax.vmap(SCHEDULES[name](hyper))(counts)).astype(x.dtype)

    def __call__(self, _):
        self.taken += 1
        return {self.name: np.array(self.factors[self.taken - 1])}

    def state(self):
        return {self.name: {"step": self.taken}}

    def load(self, _, state):
        self.taken = state[self.name]["step"]

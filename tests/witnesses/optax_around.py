"""What optax has around its optimizers: schedules, transforms and wrappers."""

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from witnessing import MODEL, STEPS, Witness, optax_transformation, scheduled


def schedule(rule, made, what, **options):
    """A schedule of a count of 64 bits: of 32, optax computes it in float32."""

    def factor(h):
        factors = jax.vmap(made(h))(jnp.arange(STEPS))
        return lambda t: factors[t]

    return Witness(f"sgd@{rule}", f"optax.{what}", scheduled(factor), of=rule, **options)


def trace(h):
    return optax.chain(optax.trace(h["momentum"]), optax.scale_by_learning_rate(h["lr"]))


def around(rule, what, factory, *, inner="heavy_ball", **options):
    made = optax_transformation(factory)
    return Witness(f"{rule}+{inner}", f"optax.{what}", made, of=rule, **options)


def transform(rule, what, made, **options):
    return around(rule, what, lambda h: optax.chain(made(h), trace(h)), **options)


def sam(h):
    uphill = optax.chain(optax.contrib.normalize(), optax.sgd(h["rho"]))
    return optax.contrib.sam(trace(h), uphill, sync_period=2)


def lookahead(h, theta):
    made = optax.lookahead(trace(h), h["k"], h["alpha"])
    params = optax.LookaheadParams.init_synced(theta)
    state = made.init(params)

    def step(g):
        nonlocal params, state
        updates, state = made.update(g, state, params)
        params = optax.apply_updates(params, updates)
        return params.fast

    return step


def adam(h):
    return optax.scale_by_adam(h["beta1"], h["beta2"], h["eps"])


def decoupled(h):
    decay, rate = optax.add_decayed_weights(h["weight_decay"]), h["lr"]
    return optax.chain(adam(h), decay, optax.scale_by_learning_rate(rate))


def parted(h):
    signs = optax.signum(h["lr"], h["beta"])
    rest = optax.adam(h["lr"], h["beta1"], h["beta2"], h["eps"])
    return optax.partition({"matrix": signs, "rest": rest}, {"w": "matrix", "b": "rest"})


WITNESSES = [
    schedule(
        "constant",
        lambda h: optax.join_schedules(
            [optax.constant_schedule(h["share"]), optax.constant_schedule(1.0)], [h["total"]]
        ),
        what="constant_schedule",
    ),
    schedule(
        "linear_warmup",
        lambda h: optax.linear_schedule(h["start"], 1.0, h["warmup"]),
        what="linear_schedule",
    ),
    schedule(
        "linear",
        lambda h: optax.linear_schedule(1.0, h["end"], h["total"]),
        what="linear_schedule",
    ),
    schedule(
        "cosine",
        lambda h: optax.cosine_decay_schedule(1.0, h["total"], h["end"]),
        what="cosine_decay_schedule",
    ),
    schedule(
        "polynomial",
        lambda h: optax.polynomial_schedule(1.0, h["end"], h["power"], h["total"]),
        what="polynomial_schedule",
    ),
    schedule(
        "exponential",
        lambda h: optax.exponential_decay(1.0, 1, h["gamma"]),
        what="exponential_decay",
    ),
    schedule(
        "step_decay",
        lambda h: optax.exponential_decay(1.0, h["period"], h["gamma"], staircase=True),
        what="exponential_decay",
    ),
    schedule(
        "multi_step",
        lambda h: optax.piecewise_constant_schedule(
            1.0, {h["first"]: h["gamma"], h["second"]: h["gamma"]}
        ),
        what="piecewise_constant_schedule",
    ),
    schedule(
        "one_cycle",
        lambda h: optax.cosine_onecycle_schedule(
            h["total"], 1.0, h["share"], h["div"], h["final_div"]
        ),
        what="cosine_onecycle_schedule",
        dialect="t-plus-one-rates",
        hyper={"total": 60},
    ),
    transform("centralize", "centralize", lambda _: optax.centralize()),
    transform(
        "clip_by_global_norm",
        "clip_by_global_norm",
        lambda h: optax.clip_by_global_norm(h["max_norm"]),
        shape=MODEL,
    ),
    transform(
        "clip_by_rms",
        "clip_by_block_rms",
        lambda h: optax.clip_by_block_rms(h["max_rms"]),
        shape=MODEL,
    ),
    transform("clip_by_value", "clip", lambda h: optax.clip(h["max_value"])),
    transform("l2", "add_decayed_weights", lambda h: optax.add_decayed_weights(h["weight_decay"])),
    transform("maximize", "scale", lambda _: optax.scale(-1.0)),
    around("decoupled_decay", "add_decayed_weights", decoupled, inner="adam"),
    around(
        "decay_in_direction",
        "add_decayed_weights behind trace",
        lambda h: optax.chain(
            optax.trace(h["momentum"]),
            optax.add_decayed_weights(h["weight_decay"]),
            optax.scale_by_learning_rate(h["lr"]),
        ),
    ),
    around("sam", "contrib.sam", sam, shape=MODEL),
    around(
        "skip_nonfinite",
        "apply_if_finite",
        lambda h: optax.apply_if_finite(trace(h), 2**30),
        shape=MODEL,
        struck=True,
    ),
    Witness("lookahead+heavy_ball", "optax.lookahead", lookahead, of="lookahead"),
    Witness(
        "signum|adam", "optax.partition", optax_transformation(parted), of="route", shape=MODEL
    ),
]

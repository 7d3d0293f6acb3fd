"""optax."""

import optax
from witnessing import Witness, optax_transformation


def row(rule, what, factory, **options):
    return Witness(rule, what, optax_transformation(factory), **options)


WITNESSES = [
    row(
        "adam",
        "optax.adam",
        lambda h: optax.adam(h["lr"], h["beta1"], h["beta2"], eps=h["eps"]),
    ),
    row(
        "adam",
        "optax.adam",
        lambda h: optax.adam(h["lr"], h["beta1"], h["beta2"], eps=0, eps_root=h["eps"]),
        dialect="epsilon-inside-the-root",
    ),
    row(
        "ema_momentum",
        "optax.ema",
        lambda h: optax.chain(
            optax.ema(h["momentum"], debias=False), optax.scale_by_learning_rate(h["lr"])
        ),
    ),
    row(
        "optimistic_gd",
        "optax.optimistic_gradient_descent",
        lambda h: optax.optimistic_gradient_descent(h["lr"], h["alpha"], h["beta"]),
    ),
]

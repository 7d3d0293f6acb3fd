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
]

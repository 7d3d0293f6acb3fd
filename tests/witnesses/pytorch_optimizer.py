"""pytorch_optimizer."""

import pytorch_optimizer as po
from witnessing import Witness, torch_optimizer


def row(rule, what, factory, **options):
    return Witness(rule, what, torch_optimizer(factory), **options)


def betas(h):
    return {"lr": h["lr"], "betas": (h["beta1"], h["beta2"])}


WITNESSES = [
    row(
        "lion",
        "pytorch_optimizer 4.1.0, Lion",
        lambda p, h: po.Lion(p, **betas(h), weight_decay=h["weight_decay"], fixed_decay=True),
        dialect="not-times-lr",
    ),
]

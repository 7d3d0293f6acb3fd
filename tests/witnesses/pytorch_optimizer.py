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
    row(
        "radam",
        "pytorch_optimizer 4.1.0, RAdam",
        lambda p, h: po.RAdam(p, **betas(h), eps=h["eps"]),
        dialect="waits",
    ),
    row(
        "adabelief",
        "pytorch_optimizer 4.1.0, AdaBelief",
        lambda p, h: po.AdaBelief(p, **betas(h), eps=h["eps"], rectify=False),
    ),
    row(
        "yogi",
        "pytorch_optimizer 4.1.0, Yogi",
        lambda p, h: po.Yogi(p, **betas(h), eps=h["eps"], initial_accumulator=h["initial"]),
        dialect="bias-corrected",
        hyper={"initial": 0.0},
    ),
    row(
        "adan",
        "pytorch_optimizer 4.1.0, Adan",
        lambda p, h: po.Adan(
            p,
            h["lr"],
            betas=(h["beta1"], h["beta2"], h["beta3"]),
            eps=h["eps"],
            weight_decay=h["weight_decay"],
        ),
    ),
    row(
        "sm3",
        "pytorch_optimizer 4.1.0, SM3",
        lambda p, h: po.SM3(p, h["lr"], momentum=h["momentum"], eps=h["eps"]),
    ),
    row(
        "came",
        "pytorch_optimizer 4.1.0, CAME",
        lambda p, h: po.CAME(
            p,
            h["lr"],
            betas=(h["beta1"], h["beta2"], h["beta3"]),
            clip_threshold=h["clip"],
            eps1=h["eps1"],
            eps2=h["eps2"],
        ),
    ),
]

"""torch.optim."""

from torch import optim
from witnessing import Witness, torch_optimizer


def betas(h):
    return {"lr": h["lr"], "betas": (h["beta1"], h["beta2"]), "eps": h["eps"]}


def row(rule, what, factory, **options):
    return Witness(rule, what, torch_optimizer(factory), **options)


WITNESSES = [
    row("adam", "torch.optim.Adam", lambda p, h: optim.Adam(p, **betas(h))),
    row(
        "adamw",
        "torch.optim.AdamW",
        lambda p, h: optim.AdamW(p, **betas(h), weight_decay=h["weight_decay"]),
    ),
    row(
        "rmsprop",
        "torch.optim.RMSprop",
        lambda p, h: optim.RMSprop(p, h["lr"], alpha=h["rho"], eps=h["eps"]),
    ),
    row(
        "ema_momentum",
        "torch.optim.SGD",
        lambda p, h: optim.SGD(p, h["lr"] * (1 - h["momentum"]), momentum=h["momentum"]),
    ),
    row(
        "damped_momentum",
        "torch.optim.SGD",
        lambda p, h: optim.SGD(p, h["lr"], h["momentum"], h["dampening"]),
    ),
    row(
        "nesterov_lookahead",
        "torch.optim.SGD",
        lambda p, h: optim.SGD(p, h["lr"], momentum=h["momentum"]),
    ),
]

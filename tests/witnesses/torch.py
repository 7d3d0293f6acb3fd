"""torch.optim."""

from torch import optim
from witnessing import Witness, torch_optimizer


def betas(h):
    return {"lr": h["lr"], "betas": (h["beta1"], h["beta2"]), "eps": h["eps"]}


def row(rule, what, factory, **options):
    return Witness(rule, what, torch_optimizer(factory), **options)


WITNESSES = [
    row(
        "adafactor",
        "torch.optim.Adafactor",
        lambda p, h: optim.Adafactor(
            p,
            h["lr"],
            beta2_decay=-h["beta2_decay"],
            eps=(h["eps1"], h["eps2"]),
            d=h["clip"],
        ),
        dialect="floors-as-clamps",
        rates=True,
    ),
    row("sgd", "torch.optim.SGD", lambda p, h: optim.SGD(p, h["lr"]), rates=True),
    *(
        row(
            rule,
            f"torch.optim.SGD{said}",
            lambda p, h, named=named: optim.SGD(p, h["lr"], momentum=h["momentum"], **named),
            dialect="rate-outside",
            rates=True,
        )
        for rule, said, named in [
            ("heavy_ball", "", {}),
            ("nesterov", ", nesterov=True", {"nesterov": True}),
        ]
    ),
    row(
        "adagrad",
        "torch.optim.Adagrad",
        lambda p, h: optim.Adagrad(
            p, h["lr"], eps=h["eps"], initial_accumulator_value=h["initial_accumulator"]
        ),
    ),
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
    row(
        "rmsprop_momentum",
        "torch.optim.RMSprop",
        lambda p, h: optim.RMSprop(
            p, h["lr"], alpha=h["rho"], eps=h["eps"], momentum=h["momentum"]
        ),
    ),
    row(
        "rmsprop_centered",
        "torch.optim.RMSprop",
        lambda p, h: optim.RMSprop(
            p, h["lr"], alpha=h["rho"], eps=h["eps"], momentum=h["momentum"], centered=True
        ),
        dialect="epsilon-and-rate-outside",
    ),
    row("adamax", "torch.optim.Adamax", lambda p, h: optim.Adamax(p, **betas(h))),
    row("amsgrad", "torch.optim.Adam", lambda p, h: optim.Adam(p, **betas(h), amsgrad=True)),
    row(
        "adadelta",
        "torch.optim.Adadelta",
        lambda p, h: optim.Adadelta(p, h["lr"], rho=h["rho"], eps=h["eps"]),
    ),
    row(
        "nadam",
        "torch.optim.NAdam",
        lambda p, h: optim.NAdam(p, **betas(h), momentum_decay=h["momentum_decay"]),
    ),
    row(
        "radam",
        "torch.optim.RAdam",
        lambda p, h: optim.RAdam(p, **betas(h)),
        dialect="threshold-five",
    ),
    row(
        "rprop",
        "torch.optim.Rprop",
        lambda p, h: optim.Rprop(
            p,
            h["lr"],
            etas=(h["eta_minus"], h["eta_plus"]),
            step_sizes=(h["step_min"], h["step_max"]),
        ),
    ),
    row(
        "asgd",
        "torch.optim.ASGD",
        lambda p, h: optim.ASGD(p, h["lr"], lambd=h["decay"], alpha=h["alpha"], t0=h["t0"]),
    ),
]

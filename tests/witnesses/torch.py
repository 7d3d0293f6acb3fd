"""torch.optim."""

import torch
from torch import optim
from witnessing import MATRICES, Witness, torch_optimizer, widened


def betas(h):
    return {"lr": h["lr"], "betas": (h["beta1"], h["beta2"]), "eps": h["eps"]}


def row(rule, what, factory, **options):
    return Witness(rule, what, torch_optimizer(factory), **options)


def sparse(p, h):
    """Gradients of which every row is present."""
    del h
    for x in p:
        x.grad = x.grad.to_sparse(1)


def muon(what, dialect="", **options):
    """It iterates on a copy in bfloat16, here on one in float64."""
    made = torch_optimizer(
        lambda p, h: optim.Muon(
            p,
            h["lr"],
            h["weight_decay"],
            h["momentum"],
            options.get("nesterov", True),
            ns_steps=h["steps"],
            adjust_lr_fn=options.get("adjust_lr_fn"),
        )
    )
    return Witness(
        "muon",
        f"torch 2.13.0, torch.optim.Muon{what}",
        widened(made, torch.Tensor, "bfloat16", torch.Tensor.clone),
        dialect,
        iteration="clamped-norm",
        shape=MATRICES,
    )


WITNESSES = [
    muon(""),
    muon(" with adjust_lr_fn='match_rms_adamw'", "match-rms-adamw", adjust_lr_fn="match_rms_adamw"),
    muon(" with nesterov=False", "no-nesterov", nesterov=False),
    Witness(
        "adam",
        "torch.optim.SparseAdam",
        torch_optimizer(lambda p, h: optim.SparseAdam(p, **betas(h)), sparse),
        dialect="epsilon-hat",
    ),
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

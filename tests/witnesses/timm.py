"""timm.optim."""

import functools
import operator

import torch
from witnessing import MODEL, Witness, torch_optimizer, widened

from goldstep.conformance.adapters._timm import timm  # before any part of it

from timm.scheduler import CosineLRScheduler  # isort: skip
from timm.optim import muon as of_muon  # isort: skip
from timm.utils.agc import adaptive_clip_grad  # isort: skip

optim = timm.optim
NEWTON_SCHULZ = "zeropower_via_newtonschulz"
IN_FLOAT64 = functools.partial(getattr(of_muon, NEWTON_SCHULZ), dtype=torch.float64)
MATRICES = {"square": (4, 4), "wide": (4, 5), "tall": (5, 4)}
KERNELS = {"kernel": (4, 2, 3, 3), "wide": (24, 4, 2, 2), "matrix": (6, 5)}


def rms(h):
    named = {"alpha": h["rho"], "momentum": h["momentum"], "eps": h["eps"]}
    return {"lr": h["lr"], **named}


def betas(h):
    return {"lr": h["lr"], "betas": (h["beta1"], h["beta2"]), "eps": h["eps"]}


def decayed(h):
    return betas(h) | {"weight_decay": h["weight_decay"]}


def adan(h):
    named = {"eps": h["eps"], "weight_decay": h["weight_decay"]}
    return {"lr": h["lr"], "betas": (h["beta1"], h["beta2"], h["beta3"]), **named}


def big_vision(p, h):
    return optim.AdafactorBigVision(
        p,
        h["lr"],
        min_dim_size_to_factor=1,
        decay_rate=h["beta2_decay"],
        momentum=h["beta1"],
        momentum_dtype=torch.float64,
        eps=h["eps1"],
        clipping_threshold=h["clip"],
    )


def sgdw(p, h, **options):
    return optim.SGDW(p, h["lr"], momentum=h["momentum"], **options)


def sgdc(p, h):
    """Its largest rate is the one that it is made with."""
    decay = {"weight_decay": h["weight_decay"], "corrected_weight_decay": True}
    made = optim.SGDW(p, h["max_lr"], momentum=h["momentum"], **decay)
    made.param_groups[0]["lr"] = h["lr"]
    return made


def clip(p, h):
    adaptive_clip_grad(p, h["clipping"], h["eps"])


class Cosine:
    """timm's schedulers are told the count of steps."""

    def __init__(self, optimizer, h):
        named = {"lr_min": h["end"] * h["lr"], "t_in_epochs": False}
        self.made, self.taken = CosineLRScheduler(optimizer, h["total"], **named), 0

    def step(self):
        self.taken += 1
        self.made.step_update(self.taken)


def muon(rule, said, shape, dialect="", **options):
    """It iterates in bfloat16, here in float64."""

    def made(p, h):
        return optim.Muon(
            p,
            h["lr"],
            h["weight_decay"],
            h["momentum"],
            nesterov=True,
            ns_steps=h["steps"],
            ns_coefficients="original",
            **{name: each(h) if callable(each) else each for name, each in options.items()},
        )

    return Witness(
        rule,
        f"Muon with {said}nesterov=True and ns_coefficients='original'",
        widened(torch_optimizer(made), of_muon, NEWTON_SCHULZ, IN_FLOAT64),
        dialect,
        iteration="clamped-norm",
        shape=shape,
    )


WITNESSES = [
    muon(
        "muon",
        "adjust_lr_fn='rms_to_rms', ",
        MATRICES,
        "unclamped-ratio",
        adjust_lr_fn="rms_to_rms",
    ),
    muon("muon_conv", "", KERNELS),
    muon(
        "muon_conv",
        "adjust_lr_fn='original', ",
        KERNELS,
        "ratio-of-the-flat",
        adjust_lr_fn="original",
    ),
    muon(
        "adamuon",
        "algo='adamuon', ",
        MATRICES,
        "without-sign",
        algo="adamuon",
        betas=lambda h: (h["momentum"], h["momentum"]),
        eps=operator.itemgetter("eps"),
    ),
    Witness(
        "adaptive_clip+heavy_ball",
        "timm 1.0.31, timm.utils.agc.adaptive_clip_grad",
        torch_optimizer(sgdw, clip),
        of="adaptive_clip",
        shape=MODEL,
    ),
    Witness(
        "cautious+heavy_ball",
        "timm 1.0.31, timm.optim.SGDW with caution=True",
        torch_optimizer(lambda p, h: sgdw(p, h, caution=True)),
        of="cautious",
        dialect="mean-with-a-floor",
        shape=MODEL,
    ),
    Witness(
        "corrected_decay+heavy_ball",
        "timm 1.0.31, timm.optim.SGDW with corrected_weight_decay=True",
        torch_optimizer(sgdc),
        of="corrected_decay",
    ),
    Witness(
        "sgd@cosine",
        "timm 1.0.31, timm.scheduler.CosineLRScheduler",
        torch_optimizer(lambda p, h: torch.optim.SGD(p, h["lr"]), schedule=Cosine),
        of="cosine",
    ),
    Witness(
        "adafactor_momentum",
        "timm 1.0.31, timm.optim.AdafactorBigVision",
        torch_optimizer(big_vision),
        dialect="big-vision",
        rates=True,
        shape=(4, 2, 3),
    ),
    Witness(
        "adopt",
        "timm 1.0.31, timm.optim.Adopt",
        torch_optimizer(lambda p, h: optim.Adopt(p, **betas(h), clip_exp=0.333)),
        dialect="cube-root",
    ),
    Witness(
        "mars",
        "timm 1.0.31, timm.optim.Mars",
        torch_optimizer(
            lambda p, h: optim.Mars(p, **betas(h), gamma=h["gamma"], weight_decay=h["weight_decay"])
        ),
        dialect="first-gradient-uncorrected",
    ),
    Witness(
        "lars",
        "timm 1.0.31, timm.optim.Lars",
        torch_optimizer(
            lambda p, h: optim.Lars(
                p,
                h["lr"],
                momentum=h["momentum"],
                weight_decay=h["weight_decay"],
                trust_coeff=h["trust"],
                eps=0.0,
                always_adapt=True,
            )
        ),
        dialect="rate-outside",
    ),
    Witness(
        "lamb",
        "timm 1.0.31, timm.optim.Lamb",
        torch_optimizer(lambda p, h: optim.Lamb(p, **decayed(h), max_grad_norm=None)),
    ),
    Witness(
        "lamb",
        "timm 1.0.31, timm.optim.Lamb",
        torch_optimizer(lambda p, h: optim.Lamb(p, **decayed(h), max_grad_norm=None)),
        hyper={"weight_decay": 0.0},
        dialect="no-decay-no-ratio",
    ),
    Witness(
        "novograd",
        "timm 1.0.31, timm.optim.NvNovoGrad",
        torch_optimizer(lambda p, h: optim.NvNovoGrad(p, **decayed(h))),
        dialect="starts-at-the-first-gradient",
        tolerance=1e-6,  # its second moment is in float32, whatever the parameter is
    ),
    Witness(
        "novograd",
        "timm 1.0.31, timm.optim.NvNovoGrad",
        torch_optimizer(lambda p, h: optim.NvNovoGrad(p, **decayed(h), grad_averaging=True)),
        dialect="averaged",
        tolerance=1e-6,
    ),
    Witness(
        "lion",
        "timm 1.0.31, timm.optim.Lion",
        torch_optimizer(
            lambda p, h: optim.Lion(
                p, h["lr"], betas=(h["beta1"], h["beta2"]), weight_decay=h["weight_decay"]
            )
        ),
    ),
    Witness(
        "rmsprop_tf",
        "timm 1.0.31, timm.optim.RMSpropTF",
        torch_optimizer(lambda p, h: optim.RMSpropTF(p, **rms(h))),
    ),
    Witness(
        "rmsprop_tf",
        "timm 1.0.31, timm.optim.RMSpropTF",
        torch_optimizer(lambda p, h: optim.RMSpropTF(p, **rms(h), lr_in_momentum=False)),
        dialect="rate-outside",
    ),
    Witness(
        "nadam_constant",
        "timm 1.0.31, timm.optim.NAdamW",
        torch_optimizer(lambda p, h: optim.NAdamW(p, **betas(h), weight_decay=0.0)),
        dialect="one-correction",
    ),
    Witness(
        "adabelief",
        "timm 1.0.31, timm.optim.AdaBelief",
        torch_optimizer(lambda p, h: optim.AdaBelief(p, **betas(h), rectify=False)),
    ),
    Witness(
        "adan",
        "timm 1.0.31, timm.optim.Adan",
        torch_optimizer(lambda p, h: optim.Adan(p, **adan(h))),
    ),
    Witness(
        "adan",
        "timm 1.0.31, timm.optim.Adan",
        torch_optimizer(lambda p, h: optim.Adan(p, **adan(h), no_prox=True)),
        dialect="decay-before-the-step",
    ),
    Witness(
        "adafactor",
        "timm 1.0.31, timm.optim.Adafactor",
        torch_optimizer(
            lambda p, h: optim.Adafactor(
                p,
                eps=h["eps1"],
                eps_scale=h["eps2"],
                clip_threshold=h["clip"],
                decay_rate=-h["beta2_decay"],
                min_dim_size_to_factor=1,
            )
        ),
        hyper={"lr": 0.01},  # its own
        dialect="leading-axes",
        shape=(4, 2, 3),
    ),
]

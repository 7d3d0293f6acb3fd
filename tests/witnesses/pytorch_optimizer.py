"""pytorch_optimizer."""

import functools

import pytorch_optimizer as po
import torch
from pytorch_optimizer.optimizer.muon import base
from witnessing import MATRICES, Witness, torch_optimizer, widened

NEWTON_SCHULZ = "zero_power_via_newton_schulz_5"
IN_FLOAT64 = functools.partial(getattr(base, NEWTON_SCHULZ), dtype=torch.float64)


def row(rule, what, factory, **options):
    return Witness(rule, what, torch_optimizer(factory), **options)


def betas(h):
    return {"lr": h["lr"], "betas": (h["beta1"], h["beta2"])}


def sophia(h, theta):
    """It clips at p what is divided by the curvature, and has no gamma: here p is gamma."""
    w, gamma = torch.nn.Parameter(torch.tensor(theta)), h["gamma"]
    optimizer = po.SophiaH(
        [w],
        h["lr"] / gamma,
        (h["beta1"], h["beta2"]),
        weight_decay=h["weight_decay"] * gamma,
        p=gamma,
        update_period=h["interval"],
        eps=h["eps"] / gamma,
    )
    taken = 0

    def step(g, hessian):
        nonlocal taken
        w.grad = torch.tensor(g)
        asked = taken % h["interval"] == 0
        optimizer.step(hessian=[torch.tensor(hessian)] if asked else None)
        taken += 1
        return w.detach().numpy().copy()

    return step


def muon_clip(h, theta):
    """Around its AdamW; it takes the threshold by the head, here of one row each."""
    w, adam = torch.nn.Parameter(torch.tensor(theta)), {"betas": (h["beta1"], h["beta2"])}
    clip = {"qk_clip": "query", "attention_name": "all"}
    clip |= {"qk_clip_threshold": h["threshold"], "qk_clip_alpha": h["share"]}
    group = {"params": [w], "use_muon": False, "lr": h["lr"], "eps": h["eps"], **adam, **clip}
    optimizer = po.MuonClip([group], adamw_eps=h["eps"])

    def step(g, logits):
        w.grad = torch.tensor(g)
        optimizer.step(attention_max_logits={"all": torch.tensor(logits[:, 0])})
        return w.detach().numpy().copy()

    return step


def muon(p, h):
    named = {"momentum": h["momentum"], "ns_steps": h["steps"], "weight_decay": h["weight_decay"]}
    return po.Muon([{"params": p, "use_muon": True, "lr": h["lr"], **named}])


WITNESSES = [
    Witness(
        "muon",
        "pytorch_optimizer 4.1.0, Muon",
        widened(torch_optimizer(muon), base, NEWTON_SCHULZ, IN_FLOAT64),
        iteration="clamped-norm",
        shape=MATRICES,
    ),
    row(
        "signsgd",
        "pytorch_optimizer 4.1.0, SignSGD, momentum=0",
        lambda p, h: po.SignSGD(p, h["lr"], momentum=0.0),
    ),
    Witness(
        "qk_clip+adam",
        "pytorch_optimizer 4.1.0, MuonClip",
        muon_clip,
        hyper={"share": 0.5},
        given=lambda random: {"logits": 4.0 ** random.integers(-2, 3, size=(5, 1))},
        of="qk_clip",
    ),
    row(
        "ademamix",
        "pytorch_optimizer 4.1.0, AdEMAMix",
        lambda p, h: po.AdEMAMix(
            p,
            h["lr"],
            betas=(h["beta1"], h["beta2"], h["beta3"]),
            alpha=h["alpha"],
            eps=h["eps"],
            weight_decay=h["weight_decay"],
            weight_decouple=True,
        ),
    ),
    row(
        "adopt",
        "pytorch_optimizer 4.1.0, ADOPT",
        lambda p, h: po.ADOPT(p, **betas(h), eps=h["eps"]),
        dialect="counts-the-first",
    ),
    row(
        "grams",
        "pytorch_optimizer 4.1.0, Grams",
        lambda p, h: po.Grams(p, **betas(h), eps=h["eps"], weight_decay=h["weight_decay"]),
    ),
    row(
        "mars",
        "pytorch_optimizer 4.1.0, MARS",
        lambda p, h: po.MARS(
            p, **betas(h), gamma=h["gamma"], eps=h["eps"], weight_decay=h["weight_decay"]
        ),
        dialect="epsilon-hat",
    ),
    Witness(
        "sophia",
        "pytorch_optimizer 4.1.0, SophiaH",
        sophia,
        given=lambda random: {"hessian": random.normal(size=(5, 3))},
    ),
    row(
        "prodigy",
        "pytorch_optimizer 4.1.0, Prodigy",
        lambda p, h: po.Prodigy(
            p,
            **betas(h),
            eps=h["eps"],
            weight_decay=h["weight_decay"],
            d0=h["d0"],
            d_coef=h["d_coef"],
        ),
        tolerance=1e-6,  # what it sums, it sums in float32
    ),
    row(
        "dadapt_adam",
        "pytorch_optimizer 4.1.0, DAdaptAdam",
        lambda p, h: po.DAdaptAdam(
            p,
            **betas(h),
            eps=h["eps"],
            weight_decay=h["weight_decay"],
            weight_decouple=True,
            d0=h["d0"],
        ),
        tolerance=1e-6,  # likewise
    ),
    row(
        "lars",
        "pytorch_optimizer 4.1.0, LARS",
        lambda p, h: po.LARS(
            p,
            h["lr"],
            momentum=h["momentum"],
            weight_decay=h["weight_decay"],
            trust_coefficient=h["trust"],
        ),
        dialect="rate-outside",
    ),
    row(
        "novograd",
        "pytorch_optimizer 4.1.0, NovoGrad",
        lambda p, h: po.NovoGrad(p, **betas(h), eps=h["eps"]),
        hyper={"weight_decay": 0.0},
    ),
    row(
        "amos",
        "pytorch_optimizer 4.1.0, Amos",
        lambda p, h: po.Amos(
            p,
            h["lr"],
            beta=h["beta"],
            c_coef=h["c_coef"],
            d_coef=h["d_coef"],
            eps=h["eps"],
        ),
        hyper={"eta": (2 / 3) ** 0.5},  # its own, for this shape
        dialect="floor-added",
    ),
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
    row(
        "shampoo",
        "pytorch_optimizer 4.1.0, Shampoo",
        lambda p, h: po.Shampoo(p, h["lr"], matrix_eps=h["eps"]),
        tolerance=1e-9,
    ),
    row(
        "tiger",
        "pytorch_optimizer 4.1.0, Tiger",
        lambda p, h: po.Tiger(p, h["lr"], h["beta"], weight_decay=h["weight_decay"]),
        dialect="without-the-size",
    ),
]

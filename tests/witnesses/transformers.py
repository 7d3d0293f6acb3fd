"""transformers.optimization: Adafactor, and the schedules that it has beside torch's."""

import torch
from transformers import optimization
from transformers.optimization import Adafactor
from witnessing import Witness, torch_optimizer


def adafactor(p, h):
    floors, decay = (h["eps1"], h["eps2"]), -h["beta2_decay"]
    beta1 = h.get("beta1")
    return Adafactor(p, eps=floors, clip_threshold=h["clip"], decay_rate=decay, beta1=beta1)


def schedule(rule, what, made, **options):
    return Witness(
        f"sgd@{rule}",
        f"transformers 5.23.0, {what}",
        torch_optimizer(lambda p, h: torch.optim.SGD(p, h["lr"]), schedule=made),
        of=rule,
        **options,
    )


def wsd(kind):
    def made(o, h):
        phases = {f"num_{k}_steps": h[k] for k in ("warmup", "stable", "decay")}
        return optimization.get_wsd_schedule(o, **phases, decay_type=kind)

    return made


WITNESSES = [
    schedule(
        "inverse_sqrt",
        "get_inverse_sqrt_schedule",
        lambda o, h: optimization.get_inverse_sqrt_schedule(o, h["warmup"]),
        dialect="counted-from-zero",
    ),
    schedule(
        "linear",
        "get_linear_schedule_with_warmup",
        lambda o, h: optimization.get_linear_schedule_with_warmup(o, 0, h["total"]),
        hyper={"end": 0.0},
    ),
    schedule(
        "linear_warmup",
        "get_constant_schedule_with_warmup",
        lambda o, h: optimization.get_constant_schedule_with_warmup(o, h["warmup"]),
        hyper={"start": 0.0},
    ),
    schedule(
        "cosine",
        "get_cosine_schedule_with_warmup",
        lambda o, h: optimization.get_cosine_schedule_with_warmup(o, 0, h["total"]),
        dialect="oscillates",
        hyper={"end": 0.0},
    ),
    schedule(
        "polynomial",
        "get_polynomial_decay_schedule_with_warmup",
        lambda o, h: optimization.get_polynomial_decay_schedule_with_warmup(
            o, 0, h["total"], h["end"] * h["lr"], h["power"]
        ),
    ),
    schedule("wsd", "get_wsd_schedule with decay_type 1-sqrt", wsd("1-sqrt")),
    schedule(
        "wsd",
        "get_wsd_schedule with decay_type linear",
        wsd("linear"),
        dialect="linear-cooldown",
    ),
    schedule(
        "wsd",
        "get_wsd_schedule with decay_type cosine",
        wsd("cosine"),
        dialect="cosine-cooldown",
    ),
    *(
        Witness(
            rule,
            "transformers 5.23.0, transformers.optimization.Adafactor",
            torch_optimizer(adafactor),
            **options,
            shape=shape,
        )
        for rule, options in [
            ("adafactor", {"dialect": "fixed-cap"}),
            ("adafactor_momentum", {"hyper": {"lr": 0.01}}),
        ]
        for shape in [(5, 3), (7,), (4, 2, 3)]
    ),
]

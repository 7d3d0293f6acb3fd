"""timm.optim."""

from timm import optim
from witnessing import Witness, torch_optimizer


def rms(h):
    named = {"alpha": h["rho"], "momentum": h["momentum"], "eps": h["eps"]}
    return {"lr": h["lr"], **named}


WITNESSES = [
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

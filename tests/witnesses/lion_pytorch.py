"""lion-pytorch."""

from lion_pytorch import Lion
from witnessing import Witness, torch_optimizer


def lion(p, h, **options):
    betas = h["beta1"], h["beta2"]
    return Lion(p, h["lr"], betas, weight_decay=h["weight_decay"], **options)


WITNESSES = [
    Witness("lion", "lion-pytorch 0.2.5, Lion", torch_optimizer(lion)),
    Witness(
        "lion",
        "lion-pytorch 0.2.5, Lion, decoupled_weight_decay=True",
        torch_optimizer(lambda p, h: lion(p, h, decoupled_weight_decay=True)),
        dialect="not-times-lr",
    ),
]

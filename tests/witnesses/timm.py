"""timm.optim."""

from timm import optim
from witnessing import Witness, torch_optimizer

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
]

"""lion-pytorch."""

from lion_pytorch import Lion
from witnessing import Witness, torch_optimizer

WITNESSES = [
    Witness(
        "lion",
        "lion-pytorch 0.2.5, Lion",
        torch_optimizer(
            lambda p, h: Lion(
                p, h["lr"], betas=(h["beta1"], h["beta2"]), weight_decay=h["weight_decay"]
            )
        ),
    ),
]

"""came-pytorch, of the authors."""

from came_pytorch import CAME
from witnessing import Witness, torch_optimizer

WITNESSES = [
    Witness(
        "came",
        "came-pytorch 0.1.3, CAME",
        torch_optimizer(
            lambda p, h: CAME(
                p,
                h["lr"],
                eps=(h["eps1"], h["eps2"]),
                clip_threshold=h["clip"],
                betas=(h["beta1"], h["beta2"], h["beta3"]),
            )
        ),
        shape=shape,
    )
    for shape in [(5, 3), (7,)]
]

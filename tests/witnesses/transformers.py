"""transformers.optimization."""

from transformers.optimization import Adafactor
from witnessing import Witness, torch_optimizer

WITNESSES = [
    Witness(
        "adafactor",
        "transformers 5.23.0, transformers.optimization.Adafactor",
        torch_optimizer(
            lambda p, h: Adafactor(
                p,
                eps=(h["eps1"], h["eps2"]),
                clip_threshold=h["clip"],
                decay_rate=-h["beta2_decay"],
            )
        ),
        dialect="fixed-cap",
        shape=shape,
    )
    for shape in [(5, 3), (7,), (4, 2, 3)]
]

"""transformers.optimization."""

from transformers.optimization import Adafactor
from witnessing import Witness, torch_optimizer


def adafactor(p, h):
    floors, decay = (h["eps1"], h["eps2"]), -h["beta2_decay"]
    beta1 = h.get("beta1")
    return Adafactor(p, eps=floors, clip_threshold=h["clip"], decay_rate=decay, beta1=beta1)


WITNESSES = [
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
]

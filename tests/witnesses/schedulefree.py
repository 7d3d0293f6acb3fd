"""schedulefree, of the authors."""

import schedulefree
from witnessing import Witness, torch_optimizer


def trained(factory):
    def made(p, h):
        optimizer = factory(p, h)
        optimizer.train()
        return optimizer

    return torch_optimizer(made)


WITNESSES = [
    Witness(
        "schedule_free_sgd",
        "schedulefree 1.4.1, SGDScheduleFreeReference",
        trained(
            lambda p, h: schedulefree.SGDScheduleFreeReference(
                p, h["lr"], h["momentum"], h["weight_decay"], h["warmup"]
            )
        ),
        rates=True,
    ),
    Witness(
        "schedule_free_sgd",
        "schedulefree 1.4.1, SGDScheduleFree",
        trained(
            lambda p, h: schedulefree.SGDScheduleFree(
                p, h["lr"], h["momentum"], h["weight_decay"], h["warmup"]
            )
        ),
        rates=True,
    ),
    Witness(
        "schedule_free_adamw",
        "schedulefree 1.4.1, AdamWScheduleFreeReference",
        trained(
            lambda p, h: schedulefree.AdamWScheduleFreeReference(
                p,
                h["lr"],
                (h["beta1"], h["beta2"]),
                h["eps"],
                h["weight_decay"],
                h["warmup"],
            )
        ),
        rates=True,
    ),
    Witness(
        "schedule_free_adamw",
        "schedulefree 1.4.1, AdamWScheduleFree",
        trained(
            lambda p, h: schedulefree.AdamWScheduleFree(
                p,
                h["lr"],
                (h["beta1"], h["beta2"]),
                h["eps"],
                h["weight_decay"],
                h["warmup"],
            )
        ),
        rates=True,
    ),
]

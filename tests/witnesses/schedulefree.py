"""schedulefree, of the authors."""

import schedulefree
from witnessing import Witness, torch_optimizer


def trained(cls, arguments):
    def made(p, h):
        optimizer = cls(p, *arguments(h))
        optimizer.train()
        return optimizer

    return torch_optimizer(made)


def sgd(h):
    return h["lr"], h["momentum"], h["weight_decay"], h["warmup"]


def adamw(h):
    return h["lr"], (h["beta1"], h["beta2"]), h["eps"], h["weight_decay"], h["warmup"]


WITNESSES = [
    Witness(
        "schedule_free_sgd",
        "schedulefree 1.4.1, SGDScheduleFreeReference",
        trained(schedulefree.SGDScheduleFreeReference, sgd),
        rates=True,
    ),
    Witness(
        "schedule_free_sgd",
        "schedulefree 1.4.1, SGDScheduleFree",
        trained(schedulefree.SGDScheduleFree, sgd),
        rates=True,
    ),
    Witness(
        "schedule_free_adamw",
        "schedulefree 1.4.1, AdamWScheduleFreeReference",
        trained(schedulefree.AdamWScheduleFreeReference, adamw),
        rates=True,
    ),
    Witness(
        "schedule_free_adamw",
        "schedulefree 1.4.1, AdamWScheduleFree",
        trained(schedulefree.AdamWScheduleFree, adamw),
        rates=True,
    ),
]

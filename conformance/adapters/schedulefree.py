"""schedulefree as it ships, always in training."""

import importlib.metadata

from ._torch import Table, scalar

version = importlib.metadata.version("schedulefree")
dialects = {}
capabilities = {"changes", "saves"}  # it counts the steps of a group, not of each parameter
make = Table(
    {
        "schedule_free_adamw": "schedulefree.AdamWScheduleFree(warmup_steps=warmup)",
        "schedule_free_sgd": "schedulefree.SGDScheduleFree(warmup_steps=warmup)",
    },
    dialects,
).make

__all__ = ["capabilities", "dialects", "make", "scalar", "version"]

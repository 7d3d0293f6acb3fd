"""bitsandbytes as it ships, on the processor, with 32 bits of state."""

import bitsandbytes

from ._torch import Table, scalar

version = bitsandbytes.__version__
dialects = {"heavy_ball": "rate-outside"}
capabilities = {"changes", "absences", "saves"}
dtypes = ("float32",)
make = Table(
    {
        "adam": "bitsandbytes.optim.Adam",
        "adamw": "bitsandbytes.optim.AdamW",
        "lion": "bitsandbytes.optim.Lion",
        "rmsprop": "bitsandbytes.optim.RMSprop",
        "heavy_ball": "bitsandbytes.optim.SGD(momentum=momentum)",
        "adagrad": "bitsandbytes.optim.Adagrad(initial_accumulator=0.0)",
        "l2+adam": "bitsandbytes.optim.Adam",
        "l2+heavy_ball": "bitsandbytes.optim.SGD(momentum=momentum)",
    },
    dialects,
).make

__all__ = ["capabilities", "dialects", "dtypes", "make", "scalar", "version"]

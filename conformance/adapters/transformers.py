"""The one optimizer that transformers still has of its own: Adafactor."""

import transformers

from ._torch import Table, scalar

version = transformers.__version__
dialects = {"adafactor": "fixed-cap"}
capabilities = {"changes", "absences", "saves"}
make = Table(
    {
        "adafactor": "transformers.optimization.Adafactor(lr=lr and None, eps=(eps1, eps2),"
        " clip_threshold=clip, decay_rate=-beta2_decay)",
    },
    dialects,
).make

__all__ = ["capabilities", "dialects", "make", "scalar", "version"]

"""lion-pytorch as it ships."""

import importlib.metadata

from ._torch import Table, scalar

version = importlib.metadata.version("lion-pytorch")
dialects = {}
dtypes = ("float64", "float32", "bfloat16")
capabilities = {"changes", "absences", "saves"}
make = Table(
    {
        "lion": "lion_pytorch.Lion",
    },
    dialects,
).make

__all__ = ["capabilities", "dialects", "dtypes", "make", "scalar", "version"]

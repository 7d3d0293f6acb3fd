"""torch.optim on its fused path: every step is one kernel."""

import torch

from ._torch import Table

version = torch.__version__
dialects = {
    "heavy_ball": "rate-outside",
    "nesterov": "rate-outside",
}
scalar = {"float64": "float64", "float32": "float32"}  # the kernel's own numbers
capabilities = {"changes", "absences", "saves"}
make = Table(
    {
        "sgd": "torch.optim.SGD(fused=True)",
        "heavy_ball": "torch.optim.SGD(momentum=momentum, fused=True)",
        "nesterov": "torch.optim.SGD(momentum=momentum, nesterov=True, fused=True)",
        "adagrad": "torch.optim.Adagrad(fused=True)",
        "adam": "torch.optim.Adam(fused=True)",
        "adamw": "torch.optim.AdamW(fused=True)",
        "amsgrad": "torch.optim.Adam(amsgrad=True, fused=True)",
        "l2+heavy_ball": "torch.optim.SGD(momentum=momentum, fused=True)",
        "l2+adam": "torch.optim.Adam(fused=True)",
        "decoupled_decay+adam": "torch.optim.AdamW(fused=True)",
    },
    dialects,
).make

__all__ = ["capabilities", "dialects", "make", "scalar", "version"]

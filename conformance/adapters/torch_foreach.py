"""torch.optim on its foreach path: every operation is one call for all parameters."""

import torch

from ._torch import Table, scalar

version = torch.__version__
dialects = {
    "heavy_ball": "rate-outside",
    "nesterov": "rate-outside",
    "radam": "threshold-five",
}
dtypes = ("float64", "float32", "bfloat16")
capabilities = {"changes", "absences", "saves"}
make = Table(
    {
        "sgd": "torch.optim.SGD(foreach=True)",
        "heavy_ball": "torch.optim.SGD(momentum=momentum, foreach=True)",
        "nesterov": "torch.optim.SGD(momentum=momentum, nesterov=True, foreach=True)",
        "adagrad": "torch.optim.Adagrad(foreach=True)",
        "rmsprop": "torch.optim.RMSprop(foreach=True)",
        "rmsprop_momentum": "torch.optim.RMSprop(foreach=True)",
        "adadelta": "torch.optim.Adadelta(foreach=True)",
        "adamax": "torch.optim.Adamax(foreach=True)",
        "adam": "torch.optim.Adam(foreach=True)",
        "adamw": "torch.optim.AdamW(foreach=True)",
        "amsgrad": "torch.optim.Adam(amsgrad=True, foreach=True)",
        "nadam": "torch.optim.NAdam(foreach=True)",
        "radam": "torch.optim.RAdam(foreach=True)",
        "l2+heavy_ball": "torch.optim.SGD(momentum=momentum, foreach=True)",
        "l2+adam": "torch.optim.Adam(foreach=True)",
        "decoupled_decay+adam": "torch.optim.AdamW(foreach=True)",
    },
    dialects,
).make

__all__ = ["capabilities", "dialects", "dtypes", "make", "scalar", "version"]

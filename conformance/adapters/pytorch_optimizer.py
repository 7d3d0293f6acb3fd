"""pytorch_optimizer as it ships; what it takes from torch.optim is judged there."""

import importlib.metadata

from ._torch import Table, scalar

version = importlib.metadata.version("pytorch_optimizer")
dialects = {
    "heavy_ball": "rate-outside",
    "lars": "not-for-vectors",
    "lamb": "norm-at-most-ten",
    "radam": "waits",
    "yogi": "bias-corrected",
}
capabilities = {"changes", "saves"}  # it counts the steps of a group, not of each parameter
make = Table(
    {
        "lion": "pytorch_optimizer.Lion",
        "signsgd": "pytorch_optimizer.SignSGD(momentum=0.0)",
        "signum": "pytorch_optimizer.SignSGD(momentum=beta)",
        "adamax": "pytorch_optimizer.AdaMax",
        "adabelief": "pytorch_optimizer.AdaBelief",
        "yogi": "pytorch_optimizer.Yogi(initial_accumulator=initial)",
        "adan": "pytorch_optimizer.Adan",
        "radam": "pytorch_optimizer.RAdam",
        "lars": "pytorch_optimizer.LARS(trust_coefficient=trust)",
        "lamb": "pytorch_optimizer.Lamb",
        "came": "pytorch_optimizer.CAME(clip_threshold=clip)",
        "sm3": "pytorch_optimizer.SM3",
        "prodigy": "pytorch_optimizer.Prodigy",
        "novograd": "pytorch_optimizer.NovoGrad",
        "heavy_ball": "pytorch_optimizer.SGDW(momentum=momentum)",
    },
    dialects,
).make

__all__ = ["capabilities", "dialects", "make", "scalar", "version"]

"""timm.optim as it ships; what it takes from torch.optim is judged there."""

from ._timm import timm
from ._torch import Table, scalar

version = timm.__version__
dialects = {
    "heavy_ball": "rate-outside",
    "nesterov": "rate-outside",
    "nadam_constant": "one-correction",
    "radam": "threshold-five",
    "lamb": "no-decay-no-ratio",
    "lars": "rate-outside",
    "novograd": "starts-at-the-first-gradient",
}
capabilities = {"changes", "absences", "saves"}
make = Table(
    {
        "heavy_ball": "timm.optim.SGDW(momentum=momentum)",
        "nesterov": "timm.optim.SGDW(momentum=momentum, nesterov=True)",
        "adam": "timm.optim.AdamWLegacy(weight_decay=0.0)",
        "adamw": "timm.optim.AdamWLegacy",
        "lion": "timm.optim.Lion",
        "rmsprop_tf": "timm.optim.RMSpropTF",
        "decoupled_decay+adam": "timm.optim.AdamWLegacy",
        "adabelief": "timm.optim.AdaBelief(rectify=False, weight_decay=0.0)",
        "adan": "timm.optim.Adan",
        "nadam": "timm.optim.NAdamLegacy(schedule_decay=momentum_decay)",
        "nadam_constant": "timm.optim.NAdamW(weight_decay=0.0)",
        "radam": "timm.optim.RAdamLegacy",
        "lamb": "timm.optim.Lamb(max_grad_norm=None)",
        "lars": "timm.optim.Lars(always_adapt=True, eps=0.0, trust_coeff=trust)",
        "novograd": "timm.optim.NvNovoGrad",
    },
    dialects,
).make

__all__ = ["capabilities", "dialects", "make", "scalar", "version"]

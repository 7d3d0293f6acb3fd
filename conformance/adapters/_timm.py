"""timm, beside whatever torchvision there is.

Of torchvision timm's optimizers need nothing, but `import timm` needs its operators to be declared,
and a wheel built for CUDA declares none beside a torch built for CPU.
"""

import torch

try:
    import timm.optim
except RuntimeError:
    for name in ("nms", "qnms"):
        schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        torch.library.define(f"torchvision::{name}", schema)
    import timm.optim

__all__ = ["timm"]

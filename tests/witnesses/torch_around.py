"""What torch has around its optimizers: schedules, clipping, averages and decay."""

import copy

import torch
from torch import optim
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import lr_scheduler, swa_utils
from witnessing import MODEL, Witness, torch_optimizer


def plain(p, h):
    return optim.SGD(p, h["lr"])


def heavy_ball(p, h):
    return optim.SGD(p, h["lr"], momentum=h["momentum"])


def adam(p, h, **options):
    return optim.Adam(p, h["lr"], (h["beta1"], h["beta2"]), h["eps"], **options)


def schedule(rule, what, made, **options):
    return Witness(
        f"sgd@{rule}",
        f"torch.optim.lr_scheduler.{what}",
        torch_optimizer(plain, schedule=made),
        of=rule,
        **options,
    )


def one_cycle(o, h):
    named = {"pct_start": h["share"], "div_factor": h["div"], "final_div_factor": h["final_div"]}
    return lr_scheduler.OneCycleLR(o, h["lr"], h["total"], cycle_momentum=False, **named)


class Average:
    """AveragedModel, updated at the end of every cycle."""

    def __init__(self, module, cycle, average=None):
        self.model, self.cycle, self.taken = module, cycle, 0
        self.averaged = swa_utils.AveragedModel(module, multi_avg_fn=average)
        self.module = copy.deepcopy(module)  # which it is before the first update

    def update(self, module):
        self.taken += 1
        if self.taken % self.cycle == 0:
            self.averaged.update_parameters(module)
            self.module = self.averaged.module


def ema(module, h):
    return Average(module, 1, swa_utils.get_ema_multi_avg_fn(h["decay"]))


def gathered(h, theta):
    """The gradients of k losses, each over k, add up where autograd puts them."""
    p = torch.nn.Parameter(torch.tensor(theta))
    optimizer, seen = heavy_ball([p], h), 0

    def step(g):
        nonlocal seen
        (torch.sum(p * torch.tensor(g)) / h["k"]).backward()
        seen += 1
        if seen % h["k"] == 0:
            optimizer.step()
            optimizer.zero_grad()
        return p.detach().numpy().copy()

    return step


WITNESSES = [
    schedule(
        "constant",
        "ConstantLR",
        lambda o, h: lr_scheduler.ConstantLR(o, h["share"], h["total"]),
    ),
    schedule(
        "linear_warmup",
        "LinearLR",
        lambda o, h: lr_scheduler.LinearLR(o, h["start"], 1.0, h["warmup"]),
    ),
    schedule(
        "linear", "LinearLR", lambda o, h: lr_scheduler.LinearLR(o, 1.0, h["end"], h["total"])
    ),
    schedule(
        "cosine",
        "CosineAnnealingLR",
        lambda o, h: lr_scheduler.CosineAnnealingLR(o, h["total"], h["end"] * h["lr"]),
        dialect="oscillates",
    ),
    schedule(
        "cosine_restarts",
        "CosineAnnealingWarmRestarts",
        lambda o, h: lr_scheduler.CosineAnnealingWarmRestarts(
            o, h["period"], h["mult"], h["end"] * h["lr"]
        ),
    ),
    schedule(
        "exponential", "ExponentialLR", lambda o, h: lr_scheduler.ExponentialLR(o, h["gamma"])
    ),
    schedule("step_decay", "StepLR", lambda o, h: lr_scheduler.StepLR(o, h["period"], h["gamma"])),
    schedule(
        "multi_step",
        "MultiStepLR",
        lambda o, h: lr_scheduler.MultiStepLR(o, [h["first"], h["second"]], h["gamma"]),
    ),
    schedule(
        "polynomial",
        "PolynomialLR",
        lambda o, h: lr_scheduler.PolynomialLR(o, h["total"], h["power"]),
        hyper={"end": 0.0},
    ),
    schedule("one_cycle", "OneCycleLR", one_cycle, hyper={"total": 60}),
    Witness(
        "clip_by_global_norm+heavy_ball",
        "torch.nn.utils.clip_grad_norm_",
        torch_optimizer(heavy_ball, lambda p, h: clip_grad_norm_(p, h["max_norm"])),
        of="clip_by_global_norm",
        dialect="epsilon-in-the-norm",
        shape=MODEL,
    ),
    Witness(
        "clip_by_norm+heavy_ball",
        "torch.nn.utils.clip_grad_norm_",
        torch_optimizer(heavy_ball, lambda p, h: [clip_grad_norm_(x, h["max_norm"]) for x in p]),
        of="clip_by_norm",
        dialect="epsilon-in-the-norm",
        shape=MODEL,
    ),
    Witness(
        "clip_by_value+heavy_ball",
        "torch.nn.utils.clip_grad_value_",
        torch_optimizer(heavy_ball, lambda p, h: clip_grad_value_(p, h["max_value"])),
        of="clip_by_value",
    ),
    Witness(
        "l2+adam",
        "torch.optim.Adam",
        torch_optimizer(lambda p, h: adam(p, h, weight_decay=h["weight_decay"])),
        of="l2",
    ),
    Witness(
        "decoupled_decay+adam",
        "torch.optim.AdamW",
        torch_optimizer(
            lambda p, h: adam(p, h, weight_decay=h["weight_decay"], decoupled_weight_decay=True)
        ),
        of="decoupled_decay",
    ),
    Witness(
        "maximize+sgd",
        "torch.optim.SGD",
        torch_optimizer(lambda p, h: optim.SGD(p, h["lr"], maximize=True)),
        of="maximize",
    ),
    Witness(
        "ema+heavy_ball",
        "torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn",
        torch_optimizer(heavy_ball, seen=ema),
        of="ema",
        dialect="first-copied",
        slot="average",
    ),
    Witness(
        "swa+heavy_ball",
        "torch.optim.swa_utils.AveragedModel",
        torch_optimizer(heavy_ball, seen=lambda module, h: Average(module, h["cycle"])),
        of="swa",
        dialect="first-copied",
        slot="mean",
    ),
    Witness("accumulate+heavy_ball", "torch.autograd, .grad", gathered, of="accumulate"),
]

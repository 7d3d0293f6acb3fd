"""torch.optim as it ships, in one parameter group, on the path that it picks itself."""

import numpy as np
import torch
from torch import nn, optim

from . import _torch
from . import _torch_around as around
from ._torch import array, copied, seen, shared, tensor

torch.set_num_threads(1)  # tensors this small lose more in hand-over than they gain

version = torch.__version__
dialects = {
    "adafactor": "floors-as-clamps",
    "heavy_ball": "rate-outside",
    "nesterov": "rate-outside",
    "rmsprop_centered": "epsilon-and-rate-outside",
    "radam": "threshold-five",
    "clip_by_global_norm": "epsilon-in-the-norm",
    "clip_by_norm": "epsilon-in-the-norm",
    "cosine": "oscillates",
    "ema": "first-copied",
    "swa": "first-copied",
    "newton_schulz": "clamped-norm",
}
dtypes = ("float64", "float32", "bfloat16")
scalar = "float64"  # Python's own numbers
iteration = "bfloat16"  # whatever the type of the parameter
capabilities = {"changes", "absences", "groups", "saves", "maximize", "mixed"}


def adafactor(h):
    # The floor is squared, and float32 must hold that: below this it is never met.
    eps = (max(h["eps1"], 1e-18), h["eps2"])
    return {"beta2_decay": -h["beta2_decay"], "eps": eps, "d": h["clip"]}


def betas(h):
    return {"betas": (h["beta1"], h["beta2"]), "eps": h["eps"]}


# By rule: the class, its arguments beside lr and weight_decay, and where it keeps its state; None
# where it does not keep all of it, and can only be watched.
OPTIMIZERS = {
    "sgd": (optim.SGD, lambda _: {}, {}),
    "heavy_ball": (
        optim.SGD,
        lambda h: {"momentum": h["momentum"]},
        {"v": "momentum_buffer"},
    ),
    "nesterov": (
        optim.SGD,
        lambda h: {"momentum": h["momentum"], "nesterov": True},
        {"v": "momentum_buffer"},
    ),
    "damped_momentum": (
        optim.SGD,
        lambda h: {"momentum": h["momentum"], "dampening": h["dampening"]},
        None,
    ),
    "adagrad": (
        optim.Adagrad,
        lambda h: {
            "eps": h["eps"],
            "initial_accumulator_value": h["initial_accumulator"],
        },
        {"G": "sum"},
    ),
    "rmsprop": (
        optim.RMSprop,
        lambda h: {"alpha": h["rho"], "eps": h["eps"]},
        {"v": "square_avg"},
    ),
    "rmsprop_momentum": (
        optim.RMSprop,
        lambda h: {"alpha": h["rho"], "eps": h["eps"], "momentum": h["momentum"]},
        {"v": "square_avg", "b": "momentum_buffer"},
    ),
    "rmsprop_centered": (
        optim.RMSprop,
        lambda h: {
            "alpha": h["rho"],
            "eps": h["eps"],
            "momentum": h["momentum"],
            "centered": True,
        },
        {"v": "square_avg", "m": "grad_avg", "b": "momentum_buffer"},
    ),
    "adadelta": (
        optim.Adadelta,
        lambda h: {"rho": h["rho"], "eps": h["eps"]},
        {"v": "square_avg", "u": "acc_delta"},
    ),
    "adamax": (optim.Adamax, betas, {"m": "exp_avg", "u": "exp_inf", "t": "step"}),
    "amsgrad": (
        optim.Adam,
        lambda h: betas(h) | {"amsgrad": True},
        {"m": "exp_avg", "v": "exp_avg_sq", "v_max": "max_exp_avg_sq", "t": "step"},
    ),
    "nadam": (
        optim.NAdam,
        lambda h: betas(h) | {"momentum_decay": h["momentum_decay"]},
        {"m": "exp_avg", "v": "exp_avg_sq", "prod": "mu_product", "t": "step"},
    ),
    "radam": (optim.RAdam, betas, {"m": "exp_avg", "v": "exp_avg_sq", "t": "step"}),
    "adam": (optim.Adam, betas, {"m": "exp_avg", "v": "exp_avg_sq", "t": "step"}),
    "adamw": (optim.AdamW, betas, {"m": "exp_avg", "v": "exp_avg_sq", "t": "step"}),
    "rprop": (
        lambda params, lr, weight_decay, **more: optim.Rprop(params, lr, **more),  # noqa: ARG005
        lambda h: {
            "etas": (h["eta_minus"], h["eta_plus"]),
            "step_sizes": (h["step_min"], h["step_max"]),
        },
        {"h": "prev", "s": "step_size"},
    ),
    "asgd": (
        optim.ASGD,
        lambda h: {"lambd": h["decay"], "alpha": h["alpha"], "t0": h["t0"]},
        {"a": "ax", "r": "eta", "mu": "mu", "t": "step"},
    ),
    "adafactor": (
        optim.Adafactor,
        adafactor,
        {"r": "row_var", "c": "col_var", "v": "variance", "t": "step"},
    ),
    "muon": (
        optim.Muon,
        lambda h: {"momentum": h["momentum"], "ns_steps": h["steps"]},
        {"m": "momentum_buffer"},
    ),
}
NUMBERS = {"mu_product": 1.0, "eta": 0.0, "mu": 1.0}  # kept for a whole tensor, and at first
# What keeps its first learning rate takes it at its first step, where it may be another one.
FIRST = {
    "rprop": lambda p, lr: {"prev": torch.zeros_like(p), "step_size": torch.full_like(p, lr)},
    "asgd": lambda p, lr: {
        "ax": torch.zeros_like(p),
        "eta": torch.tensor(lr, dtype=torch.float64),
        "mu": torch.ones((), dtype=torch.float64),
    },
}
# What only some tensors have, and what it begins with; nothing for the others.
PARTS = {
    "row_var": lambda p: torch.zeros_like(p[..., :1] if p.ndim > 1 else p.flatten()[:0]),
    "col_var": lambda p: torch.zeros_like(p[..., :1, :] if p.ndim > 1 else p.flatten()[:0]),
    "variance": lambda p: torch.zeros_like(p if p.ndim < 2 else p.flatten()[:0]),
}
SAME = {"decoupled_decay+adam": "adamw"}
DECAYED_OUTSIDE = {"adafactor", "adamw", "muon"}  # their weight_decay is not the gradient's


def has(p, key):
    """Whether the optimizer keeps this of a tensor."""
    return key not in PARTS or PARTS[key](p).numel() > 0


# By rule: what is done to the gradients before the step.
CLIPS = {
    "clip_by_global_norm": lambda ps, h: nn.utils.clip_grad_norm_(ps, h["max_norm"]),
    "clip_by_norm": lambda ps, h: [nn.utils.clip_grad_norm_([p], h["max_norm"]) for p in ps],
    "clip_by_value": lambda ps, h: nn.utils.clip_grad_value_(ps, h["max_value"]),
}
FLAGS = {"l2", "maximize"}  # options of the optimizers


class Params(_torch.Params):
    def __init__(self, optimizer, keys, params, clip):
        self.optimizer, self.keys, self.params, self.clip = optimizer, keys, params, clip
        self.seen = {name: seen(p) for name, p in params.items()}

    def __call__(self, grads, lr=None):
        if lr is not None:
            self.optimizer.param_groups[0]["lr"] = lr
        for name, p in self.params.items():
            p.grad = None if grads[name] is None else tensor(grads[name])
        self.clip(list(self.params.values()))
        kept = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # of NUMBERS, which would else be float32
        try:
            self.optimizer.step()
        finally:
            torch.set_default_dtype(kept)
        return {name: copied(x) for name, x in self.seen.items()}


class Step(Params):
    def state(self):
        return {name: self._read(p, self.optimizer.state[p]) for name, p in self.params.items()}

    def _read(self, p, held):
        found = {}
        for slot, key in self.keys.items():
            x = held.get(key)
            if slot == "t":
                found[slot] = 0 if x is None else int(x)
            elif key in NUMBERS:
                found[slot] = NUMBERS[key] if x is None else float(x)
            else:
                found[slot] = array(PARTS.get(key, torch.zeros_like)(p) if x is None else x)
        return found

    def load(self, params, state):
        for name, p in self.params.items():
            if isinstance(params[name], np.ndarray):
                self.seen[name][...] = params[name]
            else:
                p.data.copy_(shared(params[name]))
            held = {self.keys[slot]: x for slot, x in state[name].items()}
            self.optimizer.state[p] = {
                "step": torch.tensor(float(held.pop("step", 0))),
                **{key: tensor(x) for key, x in held.items() if has(p, key)},
            }


def stepped(rule, hyper, params, groups=(), **options):
    """The step of an optimizer with what stands before it."""
    *before, last = SAME.get(rule, rule).split("+")
    clips = [name for name in before if name in CLIPS]
    flags = [name for name in before if name in FLAGS]
    if "maximize" in flags:
        options["maximize"] = not options.get("maximize", False)
    if "maximize" in options and last == "muon":
        raise NotImplementedError("maximize")  # noqa: EM101
    if last not in OPTIMIZERS or len(clips) > 1 or before != clips + flags:
        raise NotImplementedError(rule)
    if (flags and last in DECAYED_OUTSIDE) or flags == ["l2", "maximize"]:
        raise NotImplementedError(rule)
    cls, arguments, keys = OPTIMIZERS[last]
    tensors = {name: torch.nn.Parameter(tensor(x)) for name, x in params.items()}
    given = {"lr": hyper["lr"], "weight_decay": hyper.get("weight_decay", 0.0)}
    given |= arguments(hyper) | options
    apart = [g | {"params": [tensors[name] for name in g["params"]]} for g in groups]
    others = tensors.keys() - {name for g in groups for name in g["params"]}
    rest = {"params": [p for name, p in tensors.items() if name in others]}
    optimizer = cls([rest, *apart], **given)
    for group in optimizer.param_groups if last in FIRST else []:
        for p in group["params"]:
            held = FIRST[last](p.detach(), group["lr"])
            optimizer.state[p] = {"step": torch.tensor(0.0), **held}

    def clip(ps):
        for name in clips:
            CLIPS[name](ps, hyper)

    return (Params if keys is None else Step)(optimizer, keys, tensors, clip)


def make(rule, hyper, params, groups=(), **options):
    chain, at, schedule = rule.partition("@")
    if chain in around.SCHEDULES:
        return around.Schedule(rule, hyper, params)
    first, _, inner = chain.partition("+")
    left, parted, right = chain.partition("|")
    if (at or parted or first in {"ema", "swa"}) and (groups or options):
        raise NotImplementedError(rule)
    if parted:
        step = around.Parted(stepped, left, right, hyper, params)
    elif first in {"ema", "swa"}:
        step = around.Averaged(stepped(inner, hyper, params), first, hyper, array, tensor)
    else:
        step = stepped(chain, hyper, params, groups, **options)
    return around.Scheduled(step, schedule, hyper) if at else step

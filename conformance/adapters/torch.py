"""torch.optim as it ships, in one parameter group, on the path that it picks itself."""

import ml_dtypes
import numpy as np
import torch
from torch import nn, optim

from . import _torch_around as around

torch.set_num_threads(1)  # tensors this small lose more in hand-over than they gain

version = torch.__version__
dialects = {
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
capabilities = {"changes", "absences"}


def tensor(x):
    """A tensor of its own, of what is in an array; NumPy's bfloat16 is not torch's."""
    if x.dtype == ml_dtypes.bfloat16:
        return torch.tensor(x.view(np.int16)).view(torch.bfloat16)
    return torch.tensor(x)


def array(x):
    """An array of its own, of what is in a tensor."""
    x = x.detach().clone()
    if x.dtype == torch.bfloat16:
        return x.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return x.numpy()


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
    "muon": (
        optim.Muon,
        lambda h: {"momentum": h["momentum"], "ns_steps": h["steps"]},
        {"m": "momentum_buffer"},
    ),
}
NUMBERS = {"mu_product": 1.0}  # kept for a whole tensor, and what they begin with
SAME = {"decoupled_decay+adam": "adamw"}
DECAYED_OUTSIDE = {"adamw", "muon"}  # their weight_decay is not the gradient's


# By rule: what is done to the gradients before the step.
CLIPS = {
    "clip_by_global_norm": lambda ps, h: nn.utils.clip_grad_norm_(ps, h["max_norm"]),
    "clip_by_norm": lambda ps, h: [nn.utils.clip_grad_norm_([p], h["max_norm"]) for p in ps],
    "clip_by_value": lambda ps, h: nn.utils.clip_grad_value_(ps, h["max_value"]),
}
FLAGS = {"l2", "maximize"}  # options of the optimizers


class Step:
    def __init__(self, optimizer, keys, params, clip):
        self.optimizer, self.keys, self.params, self.clip = optimizer, keys, params, clip

    def __call__(self, grads, lr=None):
        if lr is not None:
            self.optimizer.param_groups[0]["lr"] = lr
        for name, p in self.params.items():
            p.grad = None if grads[name] is None else tensor(grads[name])
        self.clip(list(self.params.values()))
        kept = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # of NUMBERS, which would else be float32
        self.optimizer.step()
        torch.set_default_dtype(kept)
        return {name: array(p) for name, p in self.params.items()}

    def state(self):
        return {
            name: {slot: self._read(p, slot, key) for slot, key in self.keys.items()}
            for name, p in self.params.items()
        }

    def _read(self, p, slot, key):
        held = self.optimizer.state[p].get(key)
        if slot == "t":
            return 0 if held is None else int(held)
        if key in NUMBERS:
            return NUMBERS[key] if held is None else float(held)
        return array(torch.zeros_like(p) if held is None else held)

    def load(self, params, state):
        with torch.no_grad():
            for name, p in self.params.items():
                p.copy_(tensor(params[name]))
                held = {self.keys[slot]: x for slot, x in state[name].items()}
                self.optimizer.state[p] = {
                    "step": torch.tensor(float(held.pop("step", 0))),
                    **{key: tensor(np.asarray(x)) for key, x in held.items()},
                }


def stepped(rule, hyper, params):
    """The step of an optimizer with what stands before it."""
    *before, last = SAME.get(rule, rule).split("+")
    clips = [name for name in before if name in CLIPS]
    flags = [name for name in before if name in FLAGS]
    if last not in OPTIMIZERS or len(clips) > 1 or before != clips + flags:
        raise NotImplementedError(rule)
    if (flags and last in DECAYED_OUTSIDE) or flags == ["l2", "maximize"]:
        raise NotImplementedError(rule)
    cls, arguments, keys = OPTIMIZERS[last]
    tensors = {name: torch.nn.Parameter(tensor(x)) for name, x in params.items()}
    options = {"weight_decay": hyper.get("weight_decay", 0.0), **arguments(hyper)}
    options |= {"maximize": True} if "maximize" in flags else {}
    optimizer = cls(tensors.values(), lr=hyper["lr"], **options)

    def clip(ps):
        for name in clips:
            CLIPS[name](ps, hyper)

    return Step(optimizer, keys, tensors, clip)


def make(rule, hyper, params):
    chain, at, schedule = rule.partition("@")
    if chain in around.SCHEDULES:
        return around.Schedule(rule, hyper, params)
    first, _, inner = chain.partition("+")
    left, parted, right = chain.partition("|")
    if parted:
        step = around.Parted(stepped, left, right, hyper, params)
    elif first in {"ema", "swa"}:
        step = around.Averaged(stepped(inner, hyper, params), first, hyper, array, tensor)
    else:
        step = stepped(chain, hyper, params)
        if step.keys is None:
            return step.__call__
    return around.Scheduled(step, schedule, hyper) if at else step

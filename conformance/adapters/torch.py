"""torch.optim as it ships, in one parameter group, on the path that it picks itself."""

import numpy as np
import torch
from torch import optim

from ._torch import array, tensor

torch.set_num_threads(1)  # tensors this small lose more in hand-over than they gain

version = torch.__version__
dialects = {
    "heavy_ball": "rate-outside",
    "nesterov": "rate-outside",
    "rmsprop_centered": "epsilon-and-rate-outside",
    "radam": "threshold-five",
    "clip_by_global_norm": "epsilon-in-the-norm",
    "newton_schulz": "clamped-norm",
}
dtypes = ("float64", "float32", "bfloat16")
scalar = "float64"  # Python's own numbers
iteration = "bfloat16"  # whatever the type of the parameter
capabilities = {"changes", "absences", "groups", "saves", "maximize", "mixed"}


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
SAME = {"decoupled_decay+adam": "adamw"}
DECAYED_OUTSIDE = {"adamw", "muon"}  # their weight_decay is not the gradient's


class Params:
    def __init__(self, optimizer, keys, params, max_norm):
        self.optimizer, self.keys, self.params, self.max_norm = optimizer, keys, params, max_norm

    def __call__(self, grads, lr=None):
        if lr is not None:
            self.optimizer.param_groups[0]["lr"] = lr
        for name, p in self.params.items():
            p.grad = None if grads[name] is None else tensor(grads[name])
        if self.max_norm is not None:
            torch.nn.utils.clip_grad_norm_(list(self.params.values()), self.max_norm)
        kept = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # of NUMBERS, which would else be float32
        self.optimizer.step()
        torch.set_default_dtype(kept)
        return {name: array(p) for name, p in self.params.items()}

    def save(self):
        """The parameters and the optimizer's own state_dict, as a checkpoint would have them."""
        return {k: p.detach().clone() for k, p in self.params.items()}, self.optimizer.state_dict()

    def restore(self, saved):
        params, held = saved
        with torch.no_grad():
            for name, p in self.params.items():
                p.copy_(params[name])
        self.optimizer.load_state_dict(held)


class Step(Params):
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


def make(rule, hyper, params, groups=(), **options):
    *transforms, last = SAME.get(rule, rule).split("+")
    if "maximize" in options and last == "muon":
        raise NotImplementedError("maximize")  # noqa: EM101
    if last not in OPTIMIZERS or {*transforms} - {"l2", "clip_by_global_norm"}:
        raise NotImplementedError(rule)
    if "l2" in transforms and last in DECAYED_OUTSIDE:
        raise NotImplementedError(rule)
    cls, arguments, keys = OPTIMIZERS[last]
    tensors = {name: torch.nn.Parameter(tensor(x)) for name, x in params.items()}
    decay = {"weight_decay": hyper.get("weight_decay", 0.0)}
    given = {"lr": hyper["lr"], **decay, **arguments(hyper), **options}
    apart = [g | {"params": [tensors[name] for name in g["params"]]} for g in groups]
    others = tensors.keys() - {name for g in groups for name in g["params"]}
    rest = {"params": [p for name, p in tensors.items() if name in others]}
    optimizer = cls([rest, *apart], **given)
    max_norm = hyper["max_norm"] if "clip_by_global_norm" in transforms else None
    for p in tensors.values() if last in FIRST else []:
        optimizer.state[p] = {"step": torch.tensor(0.0), **FIRST[last](p.detach(), hyper["lr"])}
    return (Params if keys is None else Step)(optimizer, keys, tensors, max_norm)

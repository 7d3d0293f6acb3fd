"""What torch has around its optimizers: schedules, averages of the weights, two at once."""

import warnings

import numpy as np
import torch
from torch.optim import lr_scheduler as schedulers
from torch.optim import swa_utils


def one_cycle(optimizer, h):
    return schedulers.OneCycleLR(
        optimizer,
        max_lr=optimizer.param_groups[0]["lr"],
        total_steps=h["total"],
        pct_start=h["share"],
        div_factor=h["div"],
        final_div_factor=h["final_div"],
        cycle_momentum=False,
    )


def polynomial(optimizer, h):
    if h["end"]:
        what = "PolynomialLR ends at zero"
        raise NotImplementedError(what)
    return schedulers.PolynomialLR(optimizer, h["total"], h["power"])


def warm_up(optimizer, h):
    return schedulers.LinearLR(optimizer, h["start"], 1.0, h["warmup"])


def end(optimizer, h):
    return h["end"] * optimizer.param_groups[0]["lr"]


# By name: from an optimizer and hyper-parameters to a scheduler.
SCHEDULES = {
    "constant": lambda o, h: schedulers.ConstantLR(o, h["share"], h["total"]),
    "linear_warmup": warm_up,
    "linear": lambda o, h: schedulers.LinearLR(o, 1.0, h["end"], h["total"]),
    "cosine": lambda o, h: schedulers.CosineAnnealingLR(o, h["total"], end(o, h)),
    "cosine_restarts": lambda o, h: schedulers.CosineAnnealingWarmRestarts(
        o, h["period"], h["mult"], end(o, h)
    ),
    "polynomial": polynomial,
    "exponential": lambda o, h: schedulers.ExponentialLR(o, h["gamma"]),
    "step_decay": lambda o, h: schedulers.StepLR(o, h["period"], h["gamma"]),
    "multi_step": lambda o, h: schedulers.MultiStepLR(o, [h["first"], h["second"]], h["gamma"]),
    "one_cycle": one_cycle,
}


def scheduler(rule, optimizer, hyper):
    """The scheduler of one name, or a chain of those that stand between @."""
    names = rule.split("@")
    if {*names} - SCHEDULES.keys():
        raise NotImplementedError(rule)
    made = [SCHEDULES[name](optimizer, hyper) for name in names]
    return made[0] if len(made) == 1 else schedulers.ChainedScheduler(made, optimizer)


class Schedule:
    """A scheduler around an optimizer of nothing, which steps before every step but the first."""

    def __init__(self, rule, hyper, params):
        self.rule, self.hyper = rule, hyper
        self.name, x = next(iter(params.items()))
        self.dtype = str(x.dtype).rpartition(".")[2]
        self.renew()

    def renew(self):
        self.optimizer, self.taken = torch.optim.SGD([torch.zeros(1)], lr=1.0), 0
        self.scheduler = scheduler(self.rule, self.optimizer, self.hyper)
        self.optimizer.step()

    def __call__(self, _):
        if self.taken:
            self.scheduler.step()
        self.taken += 1
        factor = self.optimizer.param_groups[0]["lr"]
        return {self.name: np.asarray(factor).astype(self.dtype)}

    def state(self):
        return {self.name: {"step": self.taken}}

    def load(self, params, state):
        taken = state[self.name]["step"]
        if taken < self.taken:
            self.renew()
        for _ in range(max(self.taken, 1), taken):
            self.scheduler.step()
        self.taken = taken
        if taken:  # the rate is computed from that of the step before
            self.optimizer.param_groups[0]["lr"] = float(params[self.name])

    def save(self):
        return self.optimizer.state_dict(), self.scheduler.state_dict(), self.taken

    def restore(self, saved):
        held, scheduled, self.taken = saved
        self.optimizer.load_state_dict(held)
        self.scheduler.load_state_dict(scheduled)


class Scheduled:
    """A step whose learning rate is under a scheduler."""

    def __init__(self, step, rule, hyper):
        self.inner, self.rule, self.hyper, self.taken = step, rule, hyper, 0
        self.scheduler = scheduler(rule, step.optimizer, hyper)

    def __call__(self, grads):
        out = self.inner(grads)
        self.scheduler.step()
        self.taken += 1
        return out

    def state(self):
        return {name: x | {"step": self.taken} for name, x in self.inner.state().items()}

    def load(self, params, state):
        held = {name: {k: x for k, x in s.items() if k != "step"} for name, s in state.items()}
        self.inner.load(params, held)
        taken = next(iter(state.values()))["step"]
        if taken < self.taken:  # it only goes on
            group, self.taken = self.inner.optimizer.param_groups[0], 0
            group["lr"] = group["initial_lr"]
            self.scheduler = scheduler(self.rule, self.inner.optimizer, self.hyper)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a scheduler that goes on before its optimizer
            for _ in range(self.taken, taken):
                self.scheduler.step()
        self.taken = taken

    def save(self):
        return self.inner.save(), self.scheduler.state_dict(), self.taken

    def restore(self, saved):
        held, scheduled, self.taken = saved
        self.inner.restore(held)
        self.scheduler.load_state_dict(scheduled)


class Averaged:
    """A step beside which AveragedModel keeps an average of the parameters."""

    def __init__(self, step, rule, hyper, array, tensor):
        self.inner, self.rule, self.array, self.tensor = step, rule, array, tensor
        self.cycle, self.taken = hyper.get("cycle", 1), 0
        self.slot = {"ema": "average", "swa": "mean"}[rule]
        self.module = torch.nn.ParameterList(step.params.values())
        how = swa_utils.get_ema_multi_avg_fn(hyper["decay"]) if rule == "ema" else None
        self.model = swa_utils.AveragedModel(self.module, multi_avg_fn=how)

    def __call__(self, grads, lr=None):
        if any(g is None for g in grads.values()):
            what = "AveragedModel averages parameters without a gradient too"
            raise NotImplementedError(what)
        out = self.inner(grads, lr)
        self.taken += 1
        if self.taken % self.cycle == 0:
            self.model.update_parameters(self.module)
        return out

    def state(self):
        held = self.inner.state()
        for slots, average in zip(held.values(), self.model.module, strict=True):
            slots |= {self.slot: self.array(average), f"{self.rule}_t": self.taken}
        return held

    def load(self, params, state):
        own = {self.slot, f"{self.rule}_t"}
        self.inner.load(
            params, {n: {k: x for k, x in s.items() if k not in own} for n, s in state.items()}
        )
        with torch.no_grad():
            for slots, average in zip(state.values(), self.model.module, strict=True):
                average.copy_(self.tensor(slots[self.slot]))
        self.taken = next(iter(state.values()))[f"{self.rule}_t"]
        self.model.n_averaged.fill_(self.taken // self.cycle)

    def save(self):
        averages = {k: x.clone() for k, x in self.model.state_dict().items()}
        return self.inner.save(), averages, self.taken

    def restore(self, saved):
        held, averages, self.taken = saved
        self.inner.restore(held)
        self.model.load_state_dict(averages)


class Parted:
    """Two steps, one of matrices and one of everything else."""

    def __init__(self, make, first, second, hyper, params):
        matrices = {name: x for name, x in params.items() if x.ndim == 2}
        others = {name: x for name, x in params.items() if x.ndim != 2}
        sides = [(first, matrices), (second, others)]
        self.steps = [(make(rule, hyper, x), x.keys()) for rule, x in sides if x]

    def __call__(self, grads, lr=None):
        out = {}
        for step, names in self.steps:
            out |= step({name: grads[name] for name in names}, lr)
        return out

    def state(self):
        return {name: x for step, _ in self.steps for name, x in step.state().items()}

    def load(self, params, state):
        for step, names in self.steps:
            step.load({n: params[n] for n in names}, {n: state[n] for n in names})

    def save(self):
        return [step.save() for step, _ in self.steps]

    def restore(self, saved):
        for (step, _), held in zip(self.steps, saved, strict=True):
            step.restore(held)

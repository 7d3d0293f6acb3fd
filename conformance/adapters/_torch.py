"""Any torch.optim.Optimizer, driven as the contract says: what adapters for such libraries share."""

import importlib

import numpy as np
import torch

from goldstep.conformance.mapping import Mapped, mapped, parse, placed
from goldstep.oracle import make as reference
from goldstep.oracle import pipeline

torch.set_num_threads(1)  # tensors this small lose more in hand-over than they gain


class Params:
    """Level 0: parameters and gradients in, parameters out."""

    def __init__(self, build, mapping, hyper, params):
        self.mapping, self.hyper = mapping, dict(hyper)
        self.params = {name: torch.nn.Parameter(torch.tensor(x)) for name, x in params.items()}
        self.optimizer = build(list(self.params.values()), **mapping.values(hyper))

    def __call__(self, grads, **changes):
        if changes:
            self.hyper |= changes
            for theirs, value in self.mapping.values(self.hyper).items():
                if theirs in self.optimizer.param_groups[0]:
                    for group in self.optimizer.param_groups:
                        group[theirs] = value
        for name, p in self.params.items():
            p.grad = None if grads[name] is None else torch.tensor(grads[name])
        self.optimizer.step()
        return {name: p.detach().numpy().copy() for name, p in self.params.items()}


class State(Params):
    """Level 2. `keys` says which entry of `optimizer.state[p]` each slot is."""

    def __init__(self, build, mapping, hyper, params, keys):
        super().__init__(build, mapping, hyper, params)
        self.keys = keys

    def state(self):
        return {
            name: {slot: self._read(p, slot, key) for slot, key in self.keys.items()}
            for name, p in self.params.items()
        }

    def _read(self, p, slot, key):
        group = key.removeprefix("group:")
        held = self.optimizer.state[p].get(key) if group == key else None
        if slot == "t":
            held = self.optimizer.param_groups[0].get(group) if group != key else held
            return 0 if held is None else int(held)
        return torch.zeros_like(p).numpy() if held is None else held.numpy().copy()

    def load(self, params, state):
        with torch.no_grad():
            for name, p in self.params.items():
                p.copy_(torch.from_numpy(params[name]))
                entry = self.optimizer.state[p] = {}
                for slot, key in self.keys.items():
                    x = state[name][slot]
                    if key.startswith("group:"):
                        self.optimizer.param_groups[0][key.removeprefix("group:")] = x
                    elif slot == "t":
                        entry[key] = torch.tensor(float(x)) if COUNTED[type(self)] else x
                    else:
                        entry[key] = torch.from_numpy(x)


COUNTED = {State: True}

"""Any torch.optim.Optimizer, driven as the contract says: what adapters of its kind share."""

import copy
import functools
import importlib

import ml_dtypes
import numpy as np
import torch

from goldstep.conformance.mapping import mapped, names, parse, placed, version_of
from goldstep.oracle import make as reference
from goldstep.oracle import pipeline

torch.set_num_threads(1)  # tensors this small lose more in hand-over than they gain

scalar = "float64"  # Python's own numbers
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def tensor(x):
    """A tensor of its own, of what is in an array; NumPy's bfloat16 is not torch's."""
    if hasattr(x, "__dlpack__") and not isinstance(x, np.ndarray):
        return shared(x).clone()
    x = np.array(x)
    if x.dtype == BFLOAT16:
        return torch.from_numpy(x.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(x)


def shared(x):
    """A tensor of what is in an array of another library, where it is, and not copied."""
    return torch.from_dlpack(x)


def array(x):
    """An array of its own, of what is in a tensor."""
    return copied(seen(x))


def copied(x):
    return x.copy() if isinstance(x, np.ndarray) else x.clone()


def seen(x):
    """What is in a tensor, as an array that changes as it does; on a GPU it is a tensor still."""
    x = x.detach()
    if x.device.type != "cpu":
        return x
    if x.dtype == torch.bfloat16:
        return x.view(torch.int16).numpy().view(BFLOAT16)
    return x.numpy()


class Params:
    """Level 0: parameters and gradients in, parameters out.

    `build` makes the optimizer of a list of parameters; `arguments` gives what it takes beside
    them, of our hyper-parameters.
    """

    def __init__(self, build, arguments, hyper, params, groups=()):
        self.arguments, self.hyper = arguments, dict(hyper)
        self.params = {name: torch.nn.Parameter(tensor(x)) for name, x in params.items()}
        apart = [g | {"params": [self.params[name] for name in g["params"]]} for g in groups]
        others = self.params.keys() - {name for g in groups for name in g["params"]}
        rest = [p for name, p in self.params.items() if name in others]
        every = [{"params": rest}, *apart] if groups else rest
        self.optimizer = build(every, **arguments(hyper))
        if callable(getattr(self.optimizer, "train", None)):
            self.optimizer.train()  # of those that show other parameters for evaluation

    def __call__(self, grads, **changes):
        if changes:
            self.hyper |= changes
            for group in param_groups(self.optimizer):
                group.update(entries(group, self.arguments(self.hyper), changes))
        for name, p in self.params.items():
            p.grad = None if grads[name] is None else tensor(grads[name])
        self.optimizer.step()
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


def param_groups(optimizer):
    """The groups of its parameters; none of what only steps."""
    return getattr(optimizer, "param_groups", [])


def entries(group, arguments, changes):
    """What changed hyper-parameters are in a group of parameters, under its own names."""
    found = {k: x for k, x in arguments.items() if k in group}
    for ours, value in changes.items():
        found |= dict.fromkeys([k for k in names(ours) if k in group][:1], value)
    return found


class State(Params):
    """Level 2. `keys` says by slot which entry of the state of a parameter it is.

    A count is a tensor, but in `int:step` a number, and in `group:step` or `tensor of group:step`
    one of the whole group.
    """

    keys: dict[str, str]
    idle: dict[str, object]
    """What is beside the rule's state, and has to be there."""
    begun: dict[str, dict[str, object]]
    """The state of the rule before its first step."""

    def state(self):
        return {
            name: {slot: self._held(name, p, slot, key) for slot, key in self.keys.items()}
            for name, p in self.params.items()
        }

    def _held(self, name, p, slot, key):
        found = read(self.optimizer, p, slot, key)
        return copy.deepcopy(self.begun[name][slot]) if found is None else found

    def load(self, params, state):
        with torch.no_grad():
            for name, p in self.params.items():
                p.copy_(tensor(params[name]))
                held = self.optimizer.state[p]
                held.clear()
                held.update(copy.deepcopy(self.idle))
                for slot, key in self.keys.items():
                    where, _, entry = key.rpartition(":")
                    x = state[name][slot]
                    if where.endswith("group"):
                        count = torch.tensor(float(x)) if where != "group" else x
                        self.optimizer.param_groups[0][entry] = count
                    elif slot == "t":
                        held[entry] = x if where == "int" else counted(x, p, self.optimizer)
                    else:
                        held[entry] = tensor(x)


def counted(x, p, optimizer):
    """A count, where the optimizer keeps it: beside the parameter, if one kernel takes both."""
    group = optimizer.param_groups[0]
    beside = group.get("fused") or group.get("capturable")
    return torch.tensor(float(x), device=p.device if beside else "cpu")


def read(optimizer, p, slot, key):
    """One slot of the state of a parameter; None where it is not there yet."""
    where, _, entry = key.rpartition(":")
    held = (optimizer.param_groups[0] if where.endswith("group") else optimizer.state[p]).get(entry)
    if slot == "t":
        return 0 if held is None else int(held)
    return None if held is None else array(held)


class Class:
    """`--impl=torch:pkg.module.Class --rule=R`: an optimizer class, judged without an adapter."""

    scalar, adapter = scalar, False

    def __init__(self, text, found, rule, dialects=None):
        path, said = parse(text)
        self.dialects = dialects or {}
        self.rule, self.found, self.version = rule, found, version_of(found)
        self.mapping = mapped(rule, found, said, f"torch:{path}", skip=1)
        self.keys, self.idle, self.group, self.capabilities = None, {}, {}, set()
        self.notes = [f"{rule} = {self.mapping.described()}"]
        for dtype in ("float64", "float32"):
            try:
                self.keys, seen = self._look(dtype)
            except Exception as error:  # noqa: BLE001 - it is the class's
                said = f"NOT TESTED in {dtype}: {type(error).__name__}: {error}"
                self.notes.append(said.partition("\n")[0])
                continue
            self.dtypes = ("float64", "float32") if dtype == "float64" else ("float32",)
            level = "its state is read" if self.keys is not None else "level 0"
            self.notes.append(f"{level}: {seen}")
            break
        else:  # it will say so itself
            del self.notes[1:]

    def make(self, rule, hyper, params, groups=(), **options):
        if rule != self.rule:
            raise NotImplementedError(rule)
        values, found = self.mapping.values, functools.partial(self.found, **options)
        own = [{k: x for k, x in g.items() if k != "params"} for g in groups]
        apart = [
            {"params": g["params"]} | entries(self.group, values(hyper | changes), changes)
            for g, changes in zip(groups, own, strict=True)
        ]
        if self.keys is None:
            return Params(found, values, hyper, params, apart)
        step = State(found, values, hyper, params, apart)
        step.keys, step.idle = self.keys, self.idle
        step.begun = reference(
            rule, hyper, {k: array(tensor(x)) for k, x in params.items()}
        ).state()
        return step

    def _look(self, dtype):
        """Which entries are which slots, as a short run shows; None where it cannot be told."""
        rule, stages = self.rule, pipeline(self.rule)
        hyper = stages.profile("dyadic") | self.mapping.built_in
        start = {"w": np.array([[1.0, -2.0], [0.5, 3.0], [-0.75, 0.25]], dtype)}
        theirs = Params(self.found, self.mapping.values, hyper, start)
        self.group = group = next(iter(param_groups(theirs.optimizer)), {})
        self.capabilities = {"absences", *self._able(theirs.optimizer, group)}
        rows = {k: row for stage in stages.stages for k, row in stage.spec["state"].items()}
        if stages.given or any(row["like"] not in {"theta", "1"} for row in rows.values()):
            return None, "the state of such a rule is not looked for"
        ours = reference(rule, hyper, dict(start), self.dialects)
        for k in (1, 2, 3):
            g = {"w": np.cos(k * np.arange(1.0, 7.0)).reshape(3, 2).astype(dtype)}
            out, want = theirs({"w": g["w"].copy()}), ours(g)
        grad = theirs.params["w"].grad
        if grad is not None and not np.array_equal(array(grad), g["w"]):
            self.notes.append("it writes into the gradients that it is given (p.grad)")
        within = 1e-6 if dtype == "float64" else 1e-4
        right = np.allclose(out["w"], want["w"], rtol=within)  # else it is for the judge to say
        due = {k: x for k, x in ours.state()["w"].items() if right}
        return self._placed(theirs.optimizer, theirs.params["w"], rows, due, within)

    def _placed(self, optimizer, p, rows, due, within):
        """Where each slot is, by its name or by what is due in it, and in words."""
        held = getattr(optimizer, "state", {}).get(p, {})
        known, keys = kinds(held, self.group, p.shape), {}
        for like, found in known.items():
            named = placed([k for k, row in rows.items() if row["like"] == like], found)
            keys |= {slot: found[name] for slot, name in named.items()}

        def has(slot, key):
            return np.allclose(read(optimizer, p, slot, key), due[slot], rtol=within)

        for slot in [k for k in due if k not in keys]:
            free = [key for key in known[rows[slot]["like"]].values() if key not in keys.values()]
            if same := [key for key in free if has(slot, key)]:
                keys[slot] = same[0]
        if any("group:" in key for key in keys.values()):
            self.capabilities.discard("absences")  # one count for all
        if missing := [slot for slot in rows if slot not in keys]:
            said = f"no entry of its state is known to be {', '.join(missing)}"
            return None, f"{said}; after three steps it has {shown(held)}"
        rest = held.keys() - {key.rpartition(":")[2] for key in keys.values()}
        if "t" not in rows:  # it counts, and the rule does not
            self.idle = {k: held[k] for k in rest & known["1"].keys()}
        if more := sorted(map(str, rest - self.idle.keys())):
            return None, f"its state has more than the rule's: {', '.join(more)}"
        if other := [slot for slot in due if not has(slot, keys[slot])]:
            return None, f"{keys[other[0]]} is not what the rule calls {other[0]}"
        return keys, ", ".join(f"{k} in {keys[k]}" for k in rows) or "there is none"

    def _able(self, optimizer, group):
        """The capabilities that follow from what it is, takes, and has in a group of parameters."""
        rows, found = pipeline(self.rule).rows(), set()
        for theirs, ours in self.mapping.says.items():
            if theirs in group or {*names(ours)} & group.keys():
                found |= {n for n in rows if n in ours.strip("()").split(", ")}
        yield from ["saves"] * hasattr(optimizer, "load_state_dict")
        yield from ["changes"] * ("lr" in found) + ["hypers"] * (found >= rows.keys())
        yield from ["groups"] * ("lr" in found and isinstance(optimizer, torch.optim.Optimizer))
        yield from ["maximize"] * ("maximize=False" in self.mapping.left)


def shown(held):
    """What is in a state, in words."""
    said = (f"{k} of {tuple(x.shape)}" if np.ndim(x) else f"{k} = {x}" for k, x in held.items())
    return ", ".join(said) or "none"


def kinds(held, group, shape):
    """The entries of a state after three steps: those of the parameter's shape, and the counts."""
    theta = {k: k for k, x in held.items() if torch.is_tensor(x) and x.shape == shape}
    counts = {k: f"group:{k}" for k, x in group.items() if type(x) is int and x == 3}
    of_tensors = [k for k, x in group.items() if torch.is_tensor(x) and x.ndim == 0 and x == 3]
    counts |= {k: f"tensor of group:{k}" for k in of_tensors}
    for k, x in held.items():
        if k not in theta and np.ndim(x) == 0 and x is not None and int(x) == 3:
            counts[k] = k if torch.is_tensor(x) else f"int:{k}"
    return {"theta": theta, "1": counts}


class Table:
    """An adapter that is a table: by rule, a class and its arguments, as on a command line."""

    def __init__(self, classes, dialects):
        self.classes, self.dialects = classes, dialects
        self.built = functools.cache(self._built)

    def _built(self, rule):
        path, _ = parse(self.classes[rule])
        module, _, name = path.rpartition(".")
        found = getattr(importlib.import_module(module), name)
        return Class(self.classes[rule], found, rule, self.dialects)

    def make(self, rule, hyper, params):
        if rule not in self.classes:
            raise NotImplementedError(rule)
        return self.built(rule).make(rule, hyper, params)

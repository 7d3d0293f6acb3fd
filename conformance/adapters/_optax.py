"""`--impl=optax:pkg.module.factory --rule=R`: a gradient transformation, without an adapter."""

import functools

import jax
import numpy as np
import optax

from goldstep.conformance.mapping import mapped, parse, placed, version_of
from goldstep.oracle import make as reference
from goldstep.oracle import pipeline

jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - else there is no float64

# The compiler's best would take a hundred times as long as the steps.
QUICK = {"xla_backend_optimization_level": 0}


class Step:
    """Level 0: parameters and gradients in, parameters out."""

    def __init__(self, factory, hyper, params):
        self.factory, self.hyper, self.params = factory, dict(hyper), params
        self.held = factory.made(hyper).init(params)

    def __call__(self, grads, **changes):
        self.hyper |= changes
        if changes and hasattr(self.held, "hyperparams"):  # optax.inject_hyperparams keeps them
            said = self.factory.mapping.values(self.hyper)
            held = {k: said.get(k, x) for k, x in self.held.hyperparams.items()}
            self.held = self.held._replace(hyperparams=held)
        self.params, self.held = self.factory.step(self.hyper, self.params, self.held, grads)
        return {name: np.array(x) for name, x in self.params.items()}

    def save(self):
        return self.params, self.held

    def restore(self, saved):
        self.params, self.held = saved


class State(Step):
    """Level 2: each slot is the leaves of the state whose path ends with its name."""

    def _places(self):
        leaves, tree = jax.tree_util.tree_flatten_with_path(self.held)
        paths = [jax.tree_util.keystr(path) for path, _ in leaves]
        ends = {
            (name, slot): f".{key}" + f"[{name!r}]" * (slot != "t")
            for name in self.params
            for slot, key in self.factory.keys.items()
        }
        found = {k: [i for i, p in enumerate(paths) if p.endswith(end)] for k, end in ends.items()}
        return found, [x for _, x in leaves], tree

    def state(self):
        places, leaves, _ = self._places()
        out = {name: {} for name in self.params}
        for (name, slot), at in places.items():
            x = leaves[at[0]]
            out[name][slot] = int(x) if slot == "t" else np.array(x)
        return out

    def load(self, params, state):
        places, leaves, tree = self._places()
        for (name, slot), at in places.items():
            for i in at:
                leaves[i] = np.int32(state[name][slot]) if slot == "t" else state[name][slot]
        self.params, self.held = params, tree.unflatten(leaves)


class Factory:
    adapter = False

    def __init__(self, text, found, rule):
        self.capabilities = {"changes", "hypers", "saves"}
        self.version = version_of(found)
        path, said = parse(text)
        self.rule, self.found = rule, found
        self.mapping = mapped(rule, found, said, f"optax:{path}")
        self.rows = {k: r for s in pipeline(rule).stages for k, r in s.spec["state"].items()}
        self.compiled = functools.cache(self._compiled)
        self.traced, self.keys = False, None
        try:
            self.traced = self._traces()
            self.keys, seen = self._look()
        except Exception as error:  # noqa: BLE001 - it is the factory's, and is met again
            seen = f"it raises {type(error).__name__}"
        level = f"its state is read: {seen}" if self.keys is not None else f"level 0: {seen}"
        self.notes = [f"{rule} = {self.mapping.described()}", level]

    def make(self, rule, hyper, params):
        if rule != self.rule:
            raise NotImplementedError(rule)
        return (Step if self.keys is None else State)(self, hyper, params)

    def made(self, hyper):
        return self.found(**self.mapping.values(hyper))

    def step(self, hyper, params, held, grads):
        fixed = {k: x for k, x in hyper.items() if not (self.traced and isinstance(x, float))}
        free = {k: x for k, x in hyper.items() if k not in fixed}
        return self.compiled(tuple(fixed.items()))(free, params, held, grads)

    def _compiled(self, fixed):
        """The step, its hyper-parameters arguments where the factory takes traced ones."""

        def step(free, params, held, grads):
            updates, held = self.made(free | dict(fixed)).update(grads, held, params)
            return optax.apply_updates(params, updates), held

        return jax.jit(step, compiler_options=QUICK)

    def _traces(self):
        hyper = pipeline(self.rule).profile("dyadic") | self.mapping.built_in
        self.traced, w = True, {"w": np.ones((3, 2))}
        try:
            self.step(hyper, w, self.made(hyper).init(w), w)
        except jax.errors.JAXTypeError:
            return False
        return True

    def _look(self):
        """Which leaves are which slots, as a short run shows; None where it cannot be told."""
        rows = self.rows
        if any(row["like"] not in {"theta", "1"} for row in rows.values()):
            return None, "the state of such a rule is not looked for"
        hyper = pipeline(self.rule).profile("dyadic") | self.mapping.built_in
        start = {"w": np.array([[1.0, -2.0], [0.5, 3.0], [-0.75, 0.25]])}
        ours, theirs = reference(self.rule, hyper, dict(start)), Step(self, hyper, start)
        for k in (1, 2, 3):
            g = {"w": np.cos(k * np.arange(1.0, 7.0)).reshape(3, 2)}
            out, want = theirs(g), ours(g)
        leaves, _ = jax.tree_util.tree_flatten_with_path(theirs.held)
        paths = {jax.tree_util.keystr(path): x for path, x in leaves}
        like = {p.rpartition("[")[0].rpartition(".")[2] for p in paths if p.endswith("['w']")}
        counts = {p.rpartition(".")[2] for p, x in paths.items() if np.ndim(x) == 0}
        slots = [k for k, row in rows.items() if row["like"] == "theta"]
        keys = placed(slots, like) | placed([k for k in rows if k not in slots], counts)
        if missing := [slot for slot in rows if slot not in keys]:
            return None, f"no part of its state is known to be {', '.join(missing)}"
        ends = [f".{key}" + "['w']" * (slot in slots) for slot, key in keys.items()]
        # A count that the rule does not have is no matter: it is kept for schedules.
        held = [p for p in paths if not p.startswith(".hyperparams")]
        rest = [p for p in held if not any(p.endswith(end) for end in ends)]
        if more := [p for p in rest if np.ndim(paths[p]) or slots != [*rows]]:
            return None, f"its state has more than the rule's: {', '.join(more)}"
        self.keys = keys
        probe = State(self, hyper, start)
        probe.held = theirs.held
        if np.allclose(out["w"], want["w"], rtol=1e-6):  # else it is for the judge to say
            for slot, x in probe.state()["w"].items():
                if not np.allclose(x, ours.state()["w"][slot], rtol=1e-5):
                    return None, f"{keys[slot]} is not what the rule calls {slot}"
        said = ", ".join(f"{slot} in {key}" for slot, key in keys.items()) or "there is none"
        return keys, said

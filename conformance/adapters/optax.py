"""optax as it ships, compiled by JAX, with its hyper-parameters as arguments.

With JAX_DISABLE_JIT=1 nothing is compiled.
"""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

from . import _optax_around as around

jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - else there is no float64

version = optax.__version__
dialects = {
    "adafactor": "two-largest-axes",
    "lars": "norm-of-the-sum",
    "prodigy": "corrected",
    "dadapt_adam": "corrected",
    "heavy_ball": "rate-outside",
    "nesterov": "rate-outside",
    "adagrad": "epsilon-inside-the-root",
    "rmsprop": "epsilon-inside-the-root",
    "rmsprop_momentum": "tensorflow",
    "radam": "threshold-five-and-adams-floor",
    "amsgrad": "maximum-of-the-corrected",
    "one_cycle": "t-plus-one-rates",
    "galore": "longer-side",
    "inverse_root": "relative-floor",
}
dtypes = ("float64", "float32", "bfloat16")
capabilities = {"changes"}

# Our names of hyper-parameters, and those of optax.
NAMES = {
    "lr": "learning_rate",
    "beta1": "b1",
    "beta2": "b2",
    "beta3": "b3",
    "rho": "decay",
    "initial_accumulator": "initial_accumulator_value",
    "steps": "ns_steps",
    "max_rms": "threshold",
    "max_value": "max_delta",
    "every": "update_proj_gap",
}


def muon(learning_rate, momentum, weight_decay, ns_steps):
    # Our matrices are (outputs, inputs); optax would take them to be (inputs, outputs).
    turned = optax.contrib.MuonDimensionNumbers(reduction_axis=1, output_axis=0)
    return optax.contrib.muon(
        learning_rate,
        beta=momentum,
        weight_decay=weight_decay,
        ns_steps=ns_steps,
        muon_weight_dimension_numbers=turned,
    )


def galore(learning_rate, b1, b2, eps, weight_decay, rank, update_proj_gap, scale):  # noqa: PLR0913, PLR0917
    base = optax.scale_by_adam(b1, b2, eps)
    return optax.contrib.galore(
        learning_rate, rank, update_proj_gap, scale, base, weight_decay=weight_decay
    )


def adabelief(learning_rate, b1, b2, eps):
    return optax.adabelief(learning_rate, b1, b2, eps, eps_root=eps)


def adafactor(learning_rate, beta2_decay, eps1, eps2, clip):
    # The parts of optax.adafactor, whose decay is in float32 whatever the type of the tensors.
    scale = optax.scale_by_factored_rms(
        decay_rate=beta2_decay,
        min_dim_size_to_factor=1,
        epsilon=eps1,
        decay_rate_fn=lambda i, p: 1 - (jnp.asarray(i, jnp.float64) + 1) ** -p,
    )
    clipped, rate = optax.clip_by_block_rms(clip), optax.scale_by_learning_rate(learning_rate)
    return optax.chain(scale, clipped, optax.scale_by_param_block_rms(eps2), rate)


def lars(learning_rate, momentum, weight_decay, trust):
    return optax.lars(learning_rate, weight_decay, trust_coefficient=trust, momentum=momentum)


def prodigy(learning_rate, b1, b2, eps, weight_decay, d0, d_coef):  # noqa: PLR0913, PLR0917
    return optax.contrib.prodigy(
        learning_rate,
        (b1, b2),
        eps=eps,
        estim_lr0=d0,
        estim_lr_coef=d_coef,
        weight_decay=weight_decay,
    )


def dadapt_adam(learning_rate, b1, b2, eps, weight_decay, d0):  # noqa: PLR0913, PLR0917
    return optax.contrib.dadapt_adamw(
        learning_rate, (b1, b2), eps=eps, estim_lr0=d0, weight_decay=weight_decay
    )


def ema_momentum(learning_rate, decay):
    average = optax.ema(decay, debias=False)
    return optax.chain(average, optax.scale_by_learning_rate(learning_rate))


def inverse_root(matrix, root, eps):
    found, _ = optax.matrix_inverse_pth_root(matrix, root, ridge_epsilon=eps, error_tolerance=0.0)
    return found


# By rule: the optimizer, and where it keeps its state; None where it does not keep all of it, and
# can only be watched.
MOMENTS = {"m": "mu", "v": "nu", "t": "count"}
OPTIMIZERS = {
    "sgd": (optax.sgd, {}),
    "heavy_ball": (optax.sgd, {"v": "trace"}),
    "nesterov": (functools.partial(optax.sgd, nesterov=True), {"v": "trace"}),
    "signsgd": (optax.sign_sgd, {}),
    "signum": (optax.signum, {"m": "ema"}),
    "ema_momentum": (ema_momentum, {"m": "ema"}),
    "optimistic_gd": (optax.optimistic_gradient_descent, None),
    "adagrad": (optax.adagrad, {"G": "sum_of_squares"}),
    "rmsprop": (optax.rmsprop, {"v": "nu"}),
    "rmsprop_momentum": (optax.rmsprop, None),  # its sum has the other sign
    "rmsprop_centered": (
        functools.partial(optax.rmsprop, centered=True),
        {"v": "nu", "m": "mu", "b": "trace"},
    ),
    "rmsprop_tf": (functools.partial(optax.rmsprop, initial_scale=1.0), None),
    "adadelta": (optax.adadelta, {"v": "e_g", "u": "e_x"}),
    "adamax": (optax.adamax, {"m": "mu", "u": "nu", "t": "count"}),
    "amsgrad": (optax.amsgrad, MOMENTS | {"v_max": "nu_max"}),
    "nadam_constant": (optax.nadam, MOMENTS),
    "radam": (optax.radam, MOMENTS),
    "adabelief": (adabelief, {"m": "mu", "s": "nu", "t": "count"}),
    "ademamix": (optax.contrib.ademamix, {"m": "m1", "n": "m2", "v": "nu", "t": "count"}),
    # Its second moment, g^2 + b2 (n - g^2), has lost bits that the bound of the equation keeps.
    "simplified_ademamix": (optax.contrib.simplified_ademamix, None),
    "adopt": (optax.contrib.adopt, MOMENTS),
    "adafactor": (adafactor, None),
    "lars": (lars, None),
    "lamb": (optax.lamb, MOMENTS),
    "novograd": (optax.novograd, MOMENTS),
    "prodigy": (prodigy, None),
    "dadapt_adam": (dadapt_adam, None),
    "adam": (optax.adam, MOMENTS),
    "adamw": (optax.adamw, MOMENTS),
    "lion": (optax.lion, {"m": "mu"}),
    "muon_debiased": (muon, {"m": "mu", "t": "count"}),
    "galore": (galore, MOMENTS | {"P": "projector"}),
}
TURNED = {"galore": {"m", "v"}}
"""Slots that lie on their side, but of wide matrices."""
SINGLE = {
    "accumulate": "MultiSteps gathers in float32, whatever the type of the gradients",
    "galore": "its singular vectors are those of float32, whatever the type of the gradients",
    "inverse_root": "matrix_inverse_pth_root iterates in float32, whatever the type of the matrix",
}
TRANSFORMS = {
    "l2": optax.add_decayed_weights,
    "clip_by_global_norm": optax.clip_by_global_norm,
    "clip_by_rms": optax.clip_by_block_rms,
    "clip_by_value": optax.clip,
    "centralize": optax.centralize,
    "maximize": lambda: optax.scale(-1.0),
}
# Decoupled decay is added to the direction, before the learning rate.
DIRECTIONS = {"heavy_ball": optax.trace, "adam": optax.scale_by_adam}

# The compiler's best would take a hundred times as long as the steps.
QUICK = {"xla_backend_optimization_level": 0}
QUICKER = QUICK | {"xla_cpu_use_fusion_emitters": False}


def taken(arrays):
    """What a step is given, in arrays of JAX: uncompiled, NumPy would compute with its own."""
    return jax.tree.map(jnp.array, arrays) if jax.config.jax_disable_jit else arrays


def chained(rule, hyper):
    """The chain that a pipeline is in optax."""
    chain, at, schedule = rule.partition("@")
    if at:
        return chained(chain, hyper | {"lr": around.scheduled(schedule, hyper)})
    first, _, inner = chain.partition("+")
    if first in around.WRAPPERS:
        return around.WRAPPERS[first](chained(inner, hyper), hyper)
    if "|" in chain:
        return around.parted(*(chained(side, hyper) for side in chain.split("|")))
    *transforms, last = chain.split("+")
    given = hyper | {NAMES.get(k, k): x for k, x in hyper.items()}
    given["decay"] = hyper.get("rho", hyper.get("momentum"))  # as optax.trace calls it, too

    def made(factory):
        taken = inspect.signature(factory).parameters.keys() & given.keys()
        return factory(**{k: given[k] for k in taken})

    if transforms in (["decoupled_decay"], ["decay_in_direction"]) and last in DIRECTIONS:
        decay = optax.add_decayed_weights(hyper["weight_decay"])
        return optax.chain(made(DIRECTIONS[last]), decay, made(optax.scale_by_learning_rate))
    if last not in OPTIMIZERS or {*transforms} - TRANSFORMS.keys():
        raise NotImplementedError(rule)
    before = [made(TRANSFORMS[t]) for t in transforms]
    if "l2" in transforms:
        del given["weight_decay"]  # which some optimizers would take for their own
    return optax.chain(*before, made(OPTIMIZERS[last][0]))


@functools.cache
def compiled(rule, whole):
    """The step of a rule, compiled once: its hyper-parameters are arguments, but `whole` ones."""

    def step(hyper, params, state, grads):
        updates, state = chained(rule, hyper | dict(whole)).update(grads, state, params)
        return optax.apply_updates(params, updates), state

    # Quicker still, norms and products of matrices would lose some ten units of their last place.
    return jax.jit(step, compiler_options=QUICK if whole else QUICKER)


@functools.cache
def places(rule, hyper, names):
    """Where each slot of each parameter lies in the state, flattened; a count lies in several."""
    keys = OPTIMIZERS[rule.rpartition("+")[2]][1]
    held = chained(rule, dict(hyper)).init(dict.fromkeys(names, np.zeros((1, 1))))
    leaves, tree = jax.tree_util.tree_flatten_with_path(held)
    paths = [jax.tree_util.keystr(path) for path, _ in leaves]

    def ending(end):
        return [i for i, path in enumerate(paths) if path.endswith(end)]

    found = {
        slot: {name: ending(f".{key}" + f"[{name!r}]" * (slot != "t")) for name in names}
        for slot, key in keys.items()
    }
    return found, tree


class Step:
    def __init__(self, rule, hyper, params):
        if rule.startswith("lookahead"):
            params = optax.LookaheadParams.init_synced(params)
        self.params = taken(params)
        self.held = chained(rule, hyper).init(self.params)
        if self.kept(rule):
            self.places, self.tree = places(rule, tuple(hyper.items()), tuple(params))
        self.lying = TURNED.get(rule, set())
        self.hyper = {k: x for k, x in hyper.items() if isinstance(x, float)}
        whole = tuple((k, x) for k, x in hyper.items() if isinstance(x, int))
        self.step = compiled(rule, whole)

    @staticmethod
    def kept(rule):
        plain = not {"@", "|"} & {*rule} and rule.partition("+")[0] not in around.WRAPPERS
        return plain and OPTIMIZERS[rule.rpartition("+")[2]][1] is not None

    def __call__(self, grads, lr=None):
        if lr is not None:
            self.hyper["lr"] = lr
        self.params, self.held = self.step(self.hyper, self.params, self.held, taken(grads))
        fast = getattr(self.params, "fast", self.params)
        return {name: np.array(x) for name, x in fast.items()}

    def state(self):
        leaves = jax.tree.leaves(self.held)
        return {
            name: {
                slot: int(leaves[at[name][0]])
                if slot == "t"
                else np.array(self.turned(name, slot, leaves[at[name][0]]))
                for slot, at in self.places.items()
            }
            for name in self.params
        }

    def turned(self, name, slot, x):
        rows, cols = self.params[name].shape if slot in self.lying else (0, 1)
        return x.T if rows >= cols else x

    def load(self, params, state):
        leaves = jax.tree.leaves(self.held)
        for slot, at in self.places.items():
            for name, indices in at.items():
                x = self.turned(name, slot, state[name][slot]) if slot != "t" else state[name][slot]
                for i in indices:
                    leaves[i] = np.int32(x) if slot == "t" else x
        self.params, self.held = taken(params), self.tree.unflatten(taken(leaves))


def make(rule, hyper, params):
    if rule in around.SCHEDULES:
        return around.Schedule(rule, hyper, params)
    types = {str(x.dtype) for x in params.values()}
    for part in rule.split("+"):
        if part in SINGLE and types != {"float32"}:
            raise NotImplementedError(SINGLE[part])
    if rule == "inverse_root":
        root = jax.jit(functools.partial(inverse_root, **hyper))
        return lambda grads: {name: np.array(root(g)) for name, g in grads.items()}
    step = Step(rule, hyper, params)
    return step if step.kept(rule) else step.__call__

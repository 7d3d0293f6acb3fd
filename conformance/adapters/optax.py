"""optax as it ships, compiled by JAX, with its hyper-parameters as arguments."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - else there is no float64

version = optax.__version__
dialects = {
    "heavy_ball": "rate-outside",
    "nesterov": "rate-outside",
    "adagrad": "epsilon-inside-the-root",
    "rmsprop": "epsilon-inside-the-root",
}
capabilities = {"changes"}


# The compiler's best would take a hundred times as long as the steps.
QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


def adam(lr, beta1, beta2, eps):
    return optax.adam(lr, beta1, beta2, eps)


# By rule, in the rule's own hyper-parameters: the optimizer, and where it keeps its state.
OPTIMIZERS = {
    "sgd": (lambda lr: optax.sgd(lr), {}),
    "heavy_ball": (lambda lr, momentum: optax.sgd(lr, momentum), {"v": "trace"}),
    "nesterov": (lambda lr, momentum: optax.sgd(lr, momentum, nesterov=True), {"v": "trace"}),
    "signsgd": (lambda lr: optax.sign_sgd(lr), {}),
    "signum": (lambda lr, beta: optax.signum(lr, beta), {"m": "mu"}),
    "adagrad": (
        lambda lr, initial_accumulator, eps: optax.adagrad(lr, initial_accumulator, eps),
        {"G": "sum_of_squares"},
    ),
    "rmsprop": (lambda lr, rho, eps: optax.rmsprop(lr, rho, eps), {"v": "nu"}),
    "adam": (adam, {"m": "mu", "v": "nu", "t": "count"}),
    "adamw": (
        lambda lr, beta1, beta2, eps, weight_decay: optax.adamw(
            lr, beta1, beta2, eps, weight_decay=weight_decay
        ),
        {"m": "mu", "v": "nu", "t": "count"},
    ),
    "lion": (
        lambda lr, beta1, beta2, weight_decay: optax.lion(
            lr, beta1, beta2, weight_decay=weight_decay
        ),
        {"m": "mu"},
    ),
}
TRANSFORMS = {
    "l2": lambda weight_decay: optax.add_decayed_weights(weight_decay),
    "clip_by_global_norm": lambda max_norm: optax.clip_by_global_norm(max_norm),
}
# Decoupled decay is added to the direction, before the learning rate.
DIRECTIONS = {
    "sgd": lambda: optax.identity(),
    "heavy_ball": lambda momentum: optax.trace(momentum),
    "adam": lambda beta1, beta2, eps: optax.scale_by_adam(beta1, beta2, eps),
}


def chained(rule, hyper):
    """The chain of a pipeline, from the numbers of `hyper` by name."""
    *transforms, last = rule.split("+")

    def call(f):
        return f(**{k: hyper[k] for k in f.__code__.co_varnames[: f.__code__.co_argcount]})

    if transforms == ["decoupled_decay"] and last in DIRECTIONS:
        decay = optax.add_decayed_weights(hyper["weight_decay"])
        rate = optax.scale_by_learning_rate(hyper["lr"])
        return optax.chain(call(DIRECTIONS[last]), decay, rate)
    if last not in OPTIMIZERS or {*transforms} - TRANSFORMS.keys():
        raise NotImplementedError(rule)
    return optax.chain(*(call(TRANSFORMS[t]) for t in transforms), call(OPTIMIZERS[last][0]))


@functools.cache
def compiled(rule):
    """The step of a rule, compiled once: its hyper-parameters are arguments."""

    def step(hyper, params, state, grads):
        updates, state = chained(rule, hyper).update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return jax.jit(step, compiler_options=QUICK)


class Step:
    def __init__(self, rule, hyper, params):
        self.step, self.hyper = compiled(rule), hyper
        self.keys = OPTIMIZERS[rule.rpartition("+")[2]][1]
        self.params = {name: jnp.asarray(x) for name, x in params.items()}
        self.held = chained(rule, hyper).init(self.params)

    def __call__(self, grads, lr=None):
        if lr is not None:
            self.hyper["lr"] = lr
        self.params, self.held = self.step(self.hyper, self.params, self.held, grads)
        return {name: np.array(x) for name, x in self.params.items()}

    def state(self):
        slots = {slot: optax.tree.get(self.held, key) for slot, key in self.keys.items()}
        return {
            name: {k: int(x) if k == "t" else np.array(x[name]) for k, x in slots.items()}
            for name in self.params
        }

    def load(self, params, state):
        self.params = {name: jnp.asarray(x) for name, x in params.items()}
        first = next(iter(params))
        by_key = {
            key: jnp.asarray(state[first][slot], jnp.int32)
            if slot == "t"
            else {name: jnp.asarray(state[name][slot]) for name in params}
            for slot, key in self.keys.items()
        }
        self.held = optax.tree.set(self.held, **by_key)


def make(rule, hyper, params):
    return Step(rule, hyper, params)

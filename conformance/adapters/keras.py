"""keras.optimizers as it ships, on JAX, one operation after the other."""

import functools
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax

jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - else there is no float64

import keras  # noqa: E402
import numpy as np  # noqa: E402

from goldstep.conformance.mapping import mapped, parse  # noqa: E402

keras.config.set_floatx("float64")  # of its learning rate, which is a variable

version = keras.__version__
dialects = {
    "adagrad": "epsilon-inside-the-root",
    "rmsprop": "epsilon-inside-the-root",
    "rmsprop_momentum": "tensorflow",
    "adam": "epsilon-hat",
    "adamw": "epsilon-hat",
    "amsgrad": "epsilon-hat",
    "adamax": "epsilon-beside-the-maximum",
    "lamb": "decay-outside-of-the-ratio",
}
capabilities = {"changes"}

OPTIMIZERS = {
    "sgd": "SGD",
    "heavy_ball": "SGD(momentum=momentum)",
    "nesterov": "SGD(momentum=momentum, nesterov=True)",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "rmsprop_momentum": "RMSprop",
    "rmsprop_centered": "RMSprop(centered=True)",
    "adadelta": "Adadelta",
    "adam": "Adam",
    "adamw": "AdamW",
    "amsgrad": "Adam(amsgrad=True)",
    "adamax": "Adamax",
    "lion": "Lion",
    "lamb": "Lamb",
}


@functools.cache
def mapping(rule):
    path, said = parse(OPTIMIZERS[rule])
    found = getattr(keras.optimizers, path)
    return found, mapped(rule, found, said, f"keras:{path}")


class Step:
    def __init__(self, optimizer, params):
        self.optimizer, self.names = optimizer, list(params)
        self.params = [keras.Variable(x, dtype=x.dtype.name) for x in params.values()]
        optimizer.build(self.params)

    def __call__(self, grads, lr=None):
        if lr is not None:
            self.optimizer.learning_rate = lr
        self.optimizer.apply([jax.numpy.asarray(grads[n]) for n in self.names], self.params)
        return {n: np.array(p.value) for n, p in zip(self.names, self.params, strict=True)}


def make(rule, hyper, params):
    if rule not in OPTIMIZERS:
        raise NotImplementedError(rule)
    found, how = mapping(rule)
    return Step(found(**how.values(hyper)), params)

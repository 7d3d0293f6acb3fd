"""keras.optimizers, on jax."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
import numpy as np
from witnessing import Witness, scheduled

jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - else there is no float64


def keras_optimizer(factory):
    """A row's `make` from `factory(hyper)`, which gives a keras optimizer."""

    def made(hyper, theta):
        keras.config.set_floatx("float64")
        p = keras.Variable(theta, dtype="float64")
        optimizer = factory(hyper)
        optimizer.build([p])

        def step(g, lr=None):
            if lr is not None:
                optimizer.learning_rate = lr
            optimizer.apply([keras.ops.convert_to_tensor(g, dtype="float64")], [p])
            return keras.ops.convert_to_numpy(p.value).copy()

        return step

    return made


def row(rule, what, factory, **options):
    return Witness(rule, what, keras_optimizer(factory), **options)


def betas(h):
    named = {"beta_1": h["beta1"], "beta_2": h["beta2"], "epsilon": h["eps"]}
    return {"learning_rate": h["lr"], **named}


def rms(h):
    named = {"rho": h["rho"], "momentum": h["momentum"], "epsilon": h["eps"]}
    return {"learning_rate": h["lr"], **named}


def sgd(h, **options):
    return keras.optimizers.SGD(h["lr"], h["momentum"], **options)


def penalised(h, theta):
    """Gradient descent on a loss of which the gradient is g, with keras' penalty beside it."""
    penalty = keras.regularizers.L2(h["weight_decay"])

    def step(g):
        nonlocal theta
        keras.config.set_floatx("float64")
        theta = theta - h["lr"] * np.asarray(jax.grad(lambda x: (g * x).sum() + penalty(x))(theta))
        return theta

    return step


schedules = keras.optimizers.schedules


def schedule(rule, what, made, **options):
    """A schedule, asked for numbers of float64. The cosine takes its pi in float32 all the same."""

    def factor(h):
        keras.config.set_floatx("float64")
        return made(h)

    what = f"keras.optimizers.schedules.{what}"
    return Witness(f"sgd@{rule}", what, scheduled(factor), of=rule, **options)


WITNESSES = [
    Witness(
        "l2+sgd",
        "keras.regularizers.L2",
        penalised,
        of="l2",
        dialect="penalty-without-the-half",
    ),
    schedule(
        "inverse_time",
        "InverseTimeDecay",
        lambda h: schedules.InverseTimeDecay(1.0, 1, h["decay"]),
    ),
    schedule(
        "exponential",
        "ExponentialDecay",
        lambda h: schedules.ExponentialDecay(1.0, 1, h["gamma"]),
    ),
    schedule(
        "step_decay",
        "ExponentialDecay",
        lambda h: schedules.ExponentialDecay(1.0, h["period"], h["gamma"], staircase=True),
    ),
    schedule(
        "polynomial",
        "PolynomialDecay",
        lambda h: schedules.PolynomialDecay(1.0, h["total"], h["end"], h["power"]),
    ),
    row("heavy_ball", "keras.optimizers.SGD", sgd, rates=True),
    row(
        "nesterov",
        "keras.optimizers.SGD, nesterov=True",
        lambda h: sgd(h, nesterov=True),
        rates=True,
    ),
    row(
        "adagrad",
        "keras.optimizers.Adagrad",
        lambda h: keras.optimizers.Adagrad(h["lr"], h["initial_accumulator"], h["eps"]),
        dialect="epsilon-inside-the-root",
    ),
    row(
        "schedule_free_adamw",
        "keras.optimizers.ScheduleFreeAdamW",
        lambda h: keras.optimizers.ScheduleFreeAdamW(**betas(h), warmup_steps=h["warmup"]),
        hyper={"weight_decay": 0.0},
        dialect="uniform",
    ),
    row(
        "lamb",
        "keras.optimizers.Lamb",
        lambda h: keras.optimizers.Lamb(**betas(h), weight_decay=h["weight_decay"]),
        dialect="decay-outside-of-the-ratio",
    ),
    row(
        "adam",
        "keras.optimizers.Adam",
        lambda h: keras.optimizers.Adam(**betas(h)),
        dialect="epsilon-hat",
    ),
    row(
        "adamw",
        "keras.optimizers.AdamW",
        lambda h: keras.optimizers.AdamW(**betas(h), weight_decay=h["weight_decay"]),
        dialect="epsilon-hat",
    ),
    row(
        "adamax",
        "keras.optimizers.Adamax",
        lambda h: keras.optimizers.Adamax(**betas(h)),
        dialect="epsilon-beside-the-maximum",
    ),
    row(
        "amsgrad",
        "keras.optimizers.Adam",
        lambda h: keras.optimizers.Adam(**betas(h), amsgrad=True),
        dialect="epsilon-hat",
    ),
    row(
        "adadelta",
        "keras.optimizers.Adadelta",
        lambda h: keras.optimizers.Adadelta(h["lr"], rho=h["rho"], epsilon=h["eps"]),
    ),
    row(
        "rmsprop",
        "keras.optimizers.RMSprop",
        lambda h: keras.optimizers.RMSprop(h["lr"], h["rho"], epsilon=h["eps"]),
        dialect="epsilon-inside-the-root",
    ),
    row(
        "rmsprop_momentum",
        "keras.optimizers.RMSprop",
        lambda h: keras.optimizers.RMSprop(**rms(h)),
        dialect="tensorflow",
    ),
    row(
        "rmsprop_centered",
        "keras.optimizers.RMSprop",
        lambda h: keras.optimizers.RMSprop(**rms(h), centered=True),
    ),
    row(
        "muon",
        "keras.optimizers.Muon",
        lambda h: keras.optimizers.Muon(
            h["lr"],
            weight_decay=h["weight_decay"],
            momentum=h["momentum"],
            ns_steps=h["steps"],
        ),
        dialect="moonlight",
        tolerance=1e-6,  # keras takes the norm in float32
    ),
    row(
        "nadam",
        "keras.optimizers.Nadam",
        lambda h: keras.optimizers.Nadam(**betas(h)),
        hyper={"momentum_decay": 1.0},
    ),
    row(
        "adafactor",
        "keras.optimizers.Adafactor",
        lambda h: keras.optimizers.Adafactor(
            h["lr"],
            beta_2_decay=-h["beta2_decay"],
            epsilon_1=h["eps1"],
            epsilon_2=h["eps2"],
            clip_threshold=h["clip"],
        ),
        tolerance=1e-6,  # keras takes means in float32
    ),
]

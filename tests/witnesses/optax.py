"""optax."""

import jax.numpy as jnp
import optax
import optax.contrib
from witnessing import MATRICES, Witness, optax_transformation


def row(rule, what, factory, **options):
    return Witness(rule, what, optax_transformation(factory), **options)


def betas(h):
    return {"learning_rate": h["lr"], "b1": h["beta1"], "b2": h["beta2"], "eps": h["eps"]}


def rms(h):
    named = {"decay": h["rho"], "eps": h["eps"], "momentum": h["momentum"]}
    return {"learning_rate": h["lr"], **named}


def adafactor(h):
    """Its own parts, with the decay in float64 and the floor of the scale as it is given."""
    scale = optax.scale_by_factored_rms(
        decay_rate=h["beta2_decay"],
        min_dim_size_to_factor=1,
        epsilon=h["eps1"],
        decay_rate_fn=lambda i, p: 1 - (jnp.asarray(i, jnp.float64) + 1) ** -p,
    )
    average = [optax.ema(h["beta1"], debias=False)] if "beta1" in h else []
    return optax.chain(
        scale,
        optax.clip_by_block_rms(h["clip"]),
        optax.scale_by_param_block_rms(h["eps2"]),
        optax.scale_by_learning_rate(h["lr"]),
        *average,
    )


def as_given():
    """An estimator of the Hessian's diagonal that hands on the one that it is given."""

    def update(updates, state, params=None, *, hessian, **_):
        del updates, params
        return hessian, state

    return optax.GradientTransformationExtraArgs(lambda _: optax.EmptyState(), update)


def polyak_sgd(h, theta):
    """It has no constant: the gap is given to it over c."""
    made = optax.polyak_sgd(max_learning_rate=h["lr"], f_min=0.0)
    step = optax_transformation(lambda _: made)(h, theta)
    return lambda g, loss: step(g, value=(loss - h["low"]) / h["c"])


def rates(h):
    """Another rate at each step, as `Witness.rates` has them."""
    return lambda t: h["lr"] * jnp.asarray((1.0, 0.5, 0.25))[t % 3]


def muon(h, *, nesterov):
    """Its matrices are (inputs, outputs), ours (outputs, inputs)."""
    return optax.contrib.muon(
        h["lr"],
        beta=h["momentum"],
        weight_decay=h["weight_decay"],
        ns_steps=h["steps"],
        nesterov=nesterov,
        muon_weight_dimension_numbers=optax.contrib.MuonDimensionNumbers(1, 0),
    )


WITNESSES = [
    row(
        "heavy_ball",
        "optax.sgd",
        lambda h: optax.sgd(rates(h), h["momentum"]),
        dialect="rate-outside",
        rates=True,
    ),
    row(
        "nesterov",
        "optax.sgd, nesterov=True",
        lambda h: optax.sgd(rates(h), h["momentum"], nesterov=True),
        dialect="rate-outside",
        rates=True,
    ),
    row(
        "adamw",
        "optax.adamw",
        lambda h: optax.adamw(
            **betas(h) | {"eps": 0.0, "eps_root": h["eps"]}, weight_decay=h["weight_decay"]
        ),
        dialect="epsilon-inside-the-root",
    ),
    row(
        "rmsprop",
        "optax.rmsprop with eps_in_sqrt=False",
        lambda h: optax.rmsprop(h["lr"], h["rho"], h["eps"], eps_in_sqrt=False),
    ),
    row(
        "muon_debiased",
        "optax.contrib.muon",
        lambda h: muon(h, nesterov=True),
        shape=MATRICES,
    ),
    row(
        "ademamix",
        "optax.contrib.ademamix",
        lambda h: optax.contrib.ademamix(
            h["lr"],
            h["beta1"],
            h["beta2"],
            h["beta3"],
            h["alpha"],
            h["eps"],
            weight_decay=h["weight_decay"],
        ),
    ),
    row(
        "simplified_ademamix",
        "optax.contrib.simplified_ademamix",
        lambda h: optax.contrib.simplified_ademamix(**betas(h), alpha=h["alpha"]),
    ),
    row("adopt", "optax.contrib.adopt", lambda h: optax.contrib.adopt(**betas(h))),
    row(
        "sophia",
        "optax.contrib.sophia",
        lambda h: optax.contrib.sophia(
            **betas(h),
            weight_decay=h["weight_decay"],
            gamma=h["gamma"],
            update_interval=h["interval"],
            hessian_diagonal_fn=as_given(),
        ),
        dialect="yesterdays-curvature",
        given=lambda random: {"hessian": random.normal(size=(5, 3))},
    ),
    row(
        "schedule_free_sgd",
        "optax.contrib.schedule_free_sgd",
        lambda h: optax.contrib.schedule_free_sgd(
            h["lr"], b1=h["momentum"], weight_decay=h["weight_decay"]
        ),
        hyper={"warmup": 1},
    ),
    row(
        "schedule_free_adamw",
        "optax.contrib.schedule_free_adamw",
        lambda h: optax.contrib.schedule_free_adamw(
            h["lr"], b1=h["beta1"], b2=h["beta2"], eps=h["eps"], weight_decay=h["weight_decay"]
        ),
        hyper={"warmup": 1},
    ),
    row(
        "prodigy",
        "optax.contrib.prodigy",
        lambda h: optax.contrib.prodigy(
            h["lr"],
            (h["beta1"], h["beta2"]),
            eps=h["eps"],
            estim_lr0=h["d0"],
            estim_lr_coef=h["d_coef"],
            weight_decay=h["weight_decay"],
        ),
        dialect="corrected",
    ),
    row(
        "dadapt_adam",
        "optax.contrib.dadapt_adamw",
        lambda h: optax.contrib.dadapt_adamw(
            h["lr"],
            (h["beta1"], h["beta2"]),
            eps=h["eps"],
            estim_lr0=h["d0"],
            weight_decay=h["weight_decay"],
        ),
        dialect="corrected",
    ),
    row(
        "lars",
        "optax.lars",
        lambda h: optax.lars(
            h["lr"],
            weight_decay=h["weight_decay"],
            trust_coefficient=h["trust"],
            momentum=h["momentum"],
        ),
        dialect="norm-of-the-sum",
    ),
    row(
        "lamb",
        "optax.lamb",
        lambda h: optax.lamb(
            h["lr"], h["beta1"], h["beta2"], h["eps"], weight_decay=h["weight_decay"]
        ),
    ),
    row(
        "novograd",
        "optax.novograd",
        lambda h: optax.novograd(
            h["lr"], h["beta1"], h["beta2"], h["eps"], weight_decay=h["weight_decay"]
        ),
    ),
    row("adafactor", "optax.adafactor", adafactor, dialect="two-largest-axes"),
    row(
        "adafactor",
        "optax.adafactor",
        adafactor,
        dialect="two-largest-axes",
        shape=(4, 2, 3),
    ),
    row("adafactor_momentum", "optax.adafactor", adafactor, dialect="two-largest-axes"),
    row("sgd", "optax.sgd", lambda h: optax.sgd(h["lr"])),
    row(
        "heavy_ball",
        "optax.trace after scale_by_learning_rate",
        lambda h: optax.chain(optax.scale_by_learning_rate(h["lr"]), optax.trace(h["momentum"])),
    ),
    row(
        "nesterov",
        "optax.trace after scale_by_learning_rate, nesterov=True",
        lambda h: optax.chain(
            optax.scale_by_learning_rate(h["lr"]), optax.trace(h["momentum"], nesterov=True)
        ),
    ),
    row("signsgd", "optax.sign_sgd", lambda h: optax.sign_sgd(h["lr"])),
    row("signum", "optax.signum", lambda h: optax.signum(h["lr"], h["beta"])),
    row(
        "adagrad",
        "optax.adagrad",
        lambda h: optax.adagrad(h["lr"], h["initial_accumulator"], h["eps"]),
        dialect="epsilon-inside-the-root",
    ),
    row(
        "adamw",
        "optax.adamw",
        lambda h: optax.adamw(**betas(h), weight_decay=h["weight_decay"]),
    ),
    row(
        "lion",
        "optax.lion",
        lambda h: optax.lion(h["lr"], h["beta1"], h["beta2"], weight_decay=h["weight_decay"]),
    ),
    row(
        "rmsprop",
        "optax.rmsprop",
        lambda h: optax.rmsprop(h["lr"], h["rho"], h["eps"]),
        dialect="epsilon-inside-the-root",
    ),
    row(
        "sm3",
        "optax.sm3",
        lambda h: optax.chain(
            optax.scale_by_sm3(h["momentum"], eps=h["eps"]), optax.scale(-h["lr"])
        ),
    ),
    row(
        "adam",
        "optax.adam",
        lambda h: optax.adam(h["lr"], h["beta1"], h["beta2"], eps=h["eps"]),
    ),
    row(
        "adam",
        "optax.adam",
        lambda h: optax.adam(h["lr"], h["beta1"], h["beta2"], eps=0, eps_root=h["eps"]),
        dialect="epsilon-inside-the-root",
    ),
    row(
        "ema_momentum",
        "optax.ema",
        lambda h: optax.chain(
            optax.ema(h["momentum"], debias=False), optax.scale_by_learning_rate(h["lr"])
        ),
    ),
    row(
        "optimistic_gd",
        "optax.optimistic_gradient_descent",
        lambda h: optax.optimistic_gradient_descent(h["lr"], h["alpha"], h["beta"]),
    ),
    row("adamax", "optax.adamax", lambda h: optax.adamax(**betas(h))),
    row("adadelta", "optax.adadelta", lambda h: optax.adadelta(h["lr"], h["rho"], h["eps"])),
    row(
        "amsgrad",
        "optax.amsgrad",
        lambda h: optax.amsgrad(**betas(h)),
        dialect="maximum-of-the-corrected",
    ),
    row(
        "rmsprop_momentum",
        "optax.rmsprop",
        lambda h: optax.rmsprop(**rms(h), eps_in_sqrt=False),
        dialect="rate-inside",
    ),
    row(
        "rmsprop_momentum",
        "optax.rmsprop",
        lambda h: optax.rmsprop(**rms(h)),
        dialect="tensorflow",
    ),
    row("rmsprop_centered", "optax.rmsprop", lambda h: optax.rmsprop(**rms(h), centered=True)),
    row("rmsprop_tf", "optax.rmsprop", lambda h: optax.rmsprop(**rms(h), initial_scale=1.0)),
    row("nadam_constant", "optax.nadam", lambda h: optax.nadam(**betas(h))),
    row(
        "radam",
        "optax.radam",
        lambda h: optax.radam(**betas(h)),
        dialect="threshold-five-and-adams-floor",
    ),
    row("adabelief", "optax.adabelief", lambda h: optax.adabelief(**betas(h), eps_root=h["eps"])),
    row(
        "yogi",
        "optax.scale_by_yogi",
        lambda h: optax.chain(
            optax.scale_by_yogi(
                h["beta1"], h["beta2"], h["eps"], initial_accumulator_value=h["initial"]
            ),
            optax.scale_by_learning_rate(h["lr"]),
        ),
        dialect="bias-corrected",
        hyper={"initial": 0.0},
    ),
    Witness(
        "polyak_sgd", "optax.polyak_sgd", polyak_sgd, given=lambda r: {"loss": r.uniform() + 1}
    ),
]

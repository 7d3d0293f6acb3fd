"""The catalogue is whole: each rule that was promised has its file."""

import pytest

from goldstep import spec
from goldstep.oracle.rules import readings

MOMENTUM_AND_SIGN = {
    "heavy ball: momentum as a sum": "heavy_ball",
    "momentum as an average": "ema_momentum",
    "momentum, damped": "damped_momentum",
    "Nesterov, at the look-ahead point": "nesterov",
    "Nesterov, looking ahead": "nesterov_lookahead",
    "signSGD": "signsgd",
    "signSGD with majority vote": "signsgd_majority",
    "Signum": "signum",
    "Lion": "lion",
    "Tiger": "tiger",
    "the sign with a dead zone": "lion_dead_zone",
    "soft-sign Lion, annealed": "lion_soft_sign",
    "from Adam to Lion": "hybrid_adam_lion",
    "Lion with int8 momentum": "lion_int8",
    "optimistic gradient descent": "optimistic_gd",
    "Rprop": "rprop",
    "ASGD": "asgd",
    "Polyak step": "polyak_sgd",
}
ADAPTIVE = {
    "Adagrad": "adagrad",
    "RMSprop": "rmsprop",
    "RMSprop, centred": "rmsprop_centered",
    "RMSprop with momentum": "rmsprop_momentum",
    "RMSprop of TensorFlow": "rmsprop_tf",
    "Adadelta": "adadelta",
    "Adam": "adam",
    "Adam without bias correction": ("adam", "no-bias-correction"),
    "AdamW": "adamw",
    "AdaMax": "adamax",
    "AMSGrad": "amsgrad",
    "NAdam with its schedule": "nadam",
    "NAdam without": "nadam_constant",
    "RAdam": "radam",
    "AdaBelief": "adabelief",
    "Yogi": "yogi",
    "Adan": "adan",
    "AdEMAMix": "ademamix",
    "simplified AdEMAMix": "simplified_ademamix",
    "ADOPT": "adopt",
    "MARS, approximate": "mars",
    "MARS, exact": "mars_exact",
    "Sophia's clipped step": "sophia",
    "Grams": "grams",
}
MEMORY_SAVING = {
    "Adafactor": "adafactor",
    "Adafactor with momentum": "adafactor_momentum",
    "SM3": "sm3",
    "CAME": "came",
    "Adalayer": "adalayer",
    "Adam-mini": "adam_mini",
    "Adam in 8 bits": "adam8bit",
    "Lion in 8 bits": "lion8bit",
}
LAYER_WISE = {"LARS": "lars", "LAMB": "lamb", "NovoGrad": "novograd", "Amos": "amos"}
PARAMETER_FREE = {
    "Schedule-Free SGD": "schedule_free_sgd",
    "Schedule-Free AdamW": "schedule_free_adamw",
    "D-Adaptation": "dadapt_adam",
    "Prodigy": "prodigy",
}
CATALOGUE = MOMENTUM_AND_SIGN | ADAPTIVE | MEMORY_SAVING | LAYER_WISE | PARAMETER_FREE


@pytest.mark.parametrize("row", CATALOGUE)
def test_a_row_of_the_catalogue_has_its_rule(row):
    name, *dialect = [CATALOGUE[row]] if isinstance(CATALOGUE[row], str) else CATALOGUE[row]
    assert name in spec.names("optimizers")
    assert set(dialect) <= set(readings(name))


@pytest.mark.parametrize("name", sorted({v for v in CATALOGUE.values() if isinstance(v, str)}))
def test_a_rule_of_the_catalogue_is_witnessed_and_has_laws(name):
    s = spec.load("optimizers", name)
    assert s["witness"], f"{name} has no witness"
    assert s["law"], f"{name} has no law"

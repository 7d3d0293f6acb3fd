"""Everything that stands around an optimizer has its place in the catalogue."""

import pytest

from goldstep import spec
from goldstep.conformance.cases import rules
from goldstep.oracle import pipeline
from goldstep.oracle.rules import readings

WRAPPERS = {
    "Lookahead": "lookahead",
    "SAM": "sam",
    "ASAM": "asam",
    "average of the weights": "ema",
    "stochastic weight averaging": "swa",
    "gradient accumulation": "accumulate",
    "cautious masking": "cautious",
    "skipping what is not finite": "skip_nonfinite",
    "routing by shape": "route",
}
DECAY = {
    "L2": "l2",
    "decoupled, before the step": "decoupled_decay",
    "decoupled, after the step": "decay_after_step",
    "not times the rate": "decoupled_decay: not-times-lr",
    "proximal": "proximal_decay",
    "in the direction": "decay_in_direction",
    "AdamC": "corrected_decay",
    "cautious": "cautious_decay",
}
TRANSFORMS = {
    "clipping by value": "clip_by_value",
    "clipping by norm": "clip_by_norm",
    "clipping by global norm": "clip_by_global_norm",
    "adaptive gradient clipping": "adaptive_clip",
    "clipping by root mean square": "clip_by_rms",
    "gradient centralisation": "centralize",
    "maximise": "maximize",
}
COMMUNICATION = {
    "signSGD by majority vote": "signsgd_majority",
    "error-feedback signSGD": "ef_signsgd",
    "QSGD": "qsgd",
    "top-k with memory": "top_k",
    "local SGD": "local_sgd",
    "delayed gradients": "delay",
}
SCHEDULES = {
    "constant": "constant",
    "linear warm-up": "linear_warmup",
    "linear": "linear",
    "cosine": "cosine",
    "cosine that oscillates after its end": "cosine: oscillates",
    "cosine with restarts": "cosine_restarts",
    "inverse square root": "inverse_sqrt",
    "inverse time": "inverse_time",
    "polynomial": "polynomial",
    "exponential": "exponential",
    "step": "step_decay",
    "multi-step": "multi_step",
    "warm-up, stable, decay": "wsd",
    "one cycle": "one_cycle",
    "Adafactor's relative step": "relative_step",
    "hyperbolic, as in Amos": "hyperbolic",
    "a schedule of the decay": "rising_cosine",
}
SCALING = {
    "linear": "linear_scaling",
    "square root": "sqrt_scaling",
    "by the noise scale": "noise_scale",
    "muP": "mup",
    "Lion from Adam": "lion_from_adam",
}
EVERY = [
    (what, name)
    for rows in (WRAPPERS, DECAY, TRANSFORMS, COMMUNICATION, SCHEDULES, SCALING)
    for what, name in rows.items()
]


@pytest.mark.parametrize(("what", "name"), EVERY)
def test_it_is_specified_and_asked(what, name):
    rule, _, reading = name.partition(": ")
    assert not reading or reading in readings(rule), what
    assert any(rule in pipeline(p).rules for p in rules()), what


def test_every_schedule_says_whether_it_counts_from_zero_or_one():
    for name in spec.names("schedules"):
        assert spec.load("schedules", name)["first"] in {0, 1}, name
    for kind in set(spec.KINDS) - {"schedules"}:
        assert not any("first" in spec.load(kind, name) for name in spec.names(kind))


def test_every_way_to_compose_is_asked():
    for mark in "+|@=":
        assert any(mark in rule for rule in rules()), mark

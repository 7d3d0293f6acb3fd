"""Second derivations, where no independent implementation is published."""

import numpy as np
from witnessing import Witness


def mars_exact(h, theta):
    """Algorithms 1 and 2 of the paper, as a convex combination, with weights that are summed up.

    Its average of corrected gradients is written there as one of gradients, with the difference
    of the two gradients beside it; a corrected average is divided by the sum of its weights.
    """
    b1, b2, past, squares, weights, heavier = h["beta1"], h["beta2"], 0.0, 0.0, 0.0, 0.0

    def step(g, h_):
        nonlocal theta, past, squares, weights, heavier
        c = g + h["gamma"] * b1 * (g - h_) / (1 - b1)
        long = np.linalg.norm(c)
        c = c if long <= 1 else c / long
        past, weights = past + (1 - b1) * (c - past), weights + (1 - b1) * (1 - weights)
        squares = squares + (1 - b2) * (c * c - squares)
        heavier = heavier + (1 - b2) * (1 - heavier)
        decayed = (1 - h["lr"] * h["weight_decay"]) * theta
        theta = decayed - h["lr"] * (past / weights) / ((squares / heavier) ** 0.5 + h["eps"])
        return theta

    return lambda g, **given: step(g, given["h"])


WITNESSES = [
    Witness(
        "mars_exact",
        "tests/witnesses/derived.py",
        mars_exact,
        given=lambda random: {"h": random.normal(size=(5, 3))},
    ),
]

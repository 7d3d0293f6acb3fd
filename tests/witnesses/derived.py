"""Second derivations, where no independent implementation is published."""

import math

import numpy as np
import torch
from lion_pytorch import Lion
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


def signsgd_majority(h, theta):
    """The votes for and against are counted, and the larger count wins."""

    def step(g, others):
        nonlocal theta
        votes = np.concatenate([g[None], others])
        up, down = (votes > 0).sum(0), (votes < 0).sum(0)
        won = np.where(up > down, 1.0, np.where(down > up, -1.0, 0.0))
        theta = (1 - h["lr"] * h["weight_decay"]) * theta - h["lr"] * won
        return theta

    return step


def lion_dead_zone(h, theta):
    """Votes are rounded to zero before their sign is taken."""
    m = np.zeros_like(theta)

    def step(g):
        nonlocal theta, m
        vote = g + h["beta1"] * (m - g)
        vote[np.abs(vote) <= h["eps"]] = 0.0
        theta = (1 - h["lr"] * h["weight_decay"]) * theta - h["lr"] * np.sign(vote)
        m = m + (1 - h["beta2"]) * (g - m)
        return theta

    return step


def lion_soft_sign(h, theta):
    """The sign of the vote over 1 + s / |c|, with s by an exponential."""
    m, t = np.zeros_like(theta), 0

    def step(g):
        nonlocal theta, m, t
        t += 1
        vote = g + h["beta1"] * (m - g)
        soft = h["tau"] * math.exp(t * math.log(h["anneal"]))
        counted = np.sign(vote) / (1 + soft / np.abs(vote))
        theta = (1 - h["lr"] * h["weight_decay"]) * theta - h["lr"] * counted
        m = m + (1 - h["beta2"]) * (g - m)
        return theta

    return step


def hybrid_adam_lion(h, theta):
    """torch's AdamW and lion-pytorch, each from zero and at the rate 1, and their steps mixed."""
    parts = [torch.nn.Parameter(torch.zeros(theta.shape, dtype=torch.float64)) for _ in "ab"]
    betas = (h["beta1"], h["beta2"])
    adam = torch.optim.Adam([parts[0]], lr=1.0, betas=betas, eps=h["eps"])
    lion = Lion([parts[1]], lr=1.0, betas=(h["beta3"], h["beta4"]))
    t = 0

    def step(g):
        nonlocal theta, t
        t += 1
        for part, optimizer in zip(parts, (adam, lion), strict=True):
            part.data.zero_()
            part.grad = torch.tensor(g)
            optimizer.step()
        ours, theirs = (-part.detach().numpy() for part in parts)
        mixed = ours + min(1.0, t / h["steps"]) * (theirs - ours)
        theta = theta - h["lr"] * (mixed + h["weight_decay"] * theta)
        return theta

    return step


def lion_int8(h, theta):
    """Codes are int8, made by NumPy's own rounding and cast."""
    q, s = np.zeros(theta.shape, np.int8), 0.0

    def step(g):
        nonlocal theta, q, s
        m = s * q.astype(np.float64)
        vote = np.sign(g + h["beta1"] * (m - g))
        theta = (1 - h["lr"] * h["weight_decay"]) * theta - h["lr"] * vote
        m = h["beta2"] * m + (1 - h["beta2"]) * g
        s = float(np.abs(m).max()) / 127
        q = np.rint(m / s).astype(np.int8)
        return theta

    return step


def tiger(h, theta):
    """The size of the tensor is a norm over a root, and the decay is a factor."""
    m = np.zeros_like(theta)

    def step(g):
        nonlocal theta, m
        m = m + (1 - h["beta"]) * (g - m)
        rate = h["lr"] * np.linalg.norm(theta) / math.sqrt(theta.size)
        theta = (1 - rate * h["weight_decay"]) * theta - rate * np.sign(m)
        return theta

    return step


WITNESSES = [
    Witness("tiger", "tests/witnesses/derived.py", tiger),
    Witness(
        "signsgd_majority",
        "tests/witnesses/derived.py",
        signsgd_majority,
        given=lambda random: {"others": random.normal(size=(3, 5, 3))},
    ),
    Witness("lion_dead_zone", "tests/witnesses/derived.py", lion_dead_zone),
    Witness("lion_soft_sign", "tests/witnesses/derived.py", lion_soft_sign),
    Witness("hybrid_adam_lion", "tests/witnesses/derived.py", hybrid_adam_lion),
    Witness("lion_int8", "tests/witnesses/derived.py", lion_int8),
    Witness(
        "mars_exact",
        "tests/witnesses/derived.py",
        mars_exact,
        given=lambda random: {"h": random.normal(size=(5, 3))},
    ),
]

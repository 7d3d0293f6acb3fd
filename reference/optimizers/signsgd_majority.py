"""signSGD with majority vote: step by the sign for which most workers vote.

Bernstein et al., "signSGD with Majority Vote is Communication Efficient and Fault Tolerant", 2019,
Algorithm 1 without momentum.
https://arxiv.org/abs/1810.05291

The numbers in the right margin are the equations of spec/optimizers/signsgd_majority.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1e-4
    weight_decay: float = 0.0


class State(NamedTuple):
    """Nothing is remembered."""


class Given(NamedTuple):
    others: Array  # like 3*theta: the gradients of the other workers


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(theta: Array, g: Array, state: State, hyper: Hyper, given: Given) -> tuple[Array, State]:
    """Take parameter `theta` through one step, by the gradients `g` and `others` of four workers.

    Three small gradients outvote a large one; two against two stay:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([-9.0, 1.0]), Hyper(lr=0.1)
    >>> others = np.array([[0.1, 1.0], [0.2, -1.0], [0.3, -1.0]])
    >>> update(theta, g, init(theta, hyper), hyper, Given(others))[0]
    array([-0.1,  0. ])
    """
    xp = namespace(theta)
    lr, wd = hyper
    (others,) = given

    ballots = xp.sign(g) + xp.sum(xp.sign(others), axis=0)              # (signsgd_majority.1)
    vote = xp.sign(ballots)                                             # (signsgd_majority.2)
    theta = theta - lr * (vote + wd * theta)                            # (signsgd_majority.3)

    return theta, state

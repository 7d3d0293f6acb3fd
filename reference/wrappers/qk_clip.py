"""QK-Clip: shrink the queries and keys of a head whose logits have grown too large.

Kimi Team, "Kimi K2: Open Agentic Intelligence", 2025, Algorithm 1, which is Muon and this.
https://arxiv.org/abs/2507.20534

The numbers in the right margin are the equations of spec/wrappers/qk_clip.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner, namespace


class Hyper(NamedTuple):
    threshold: float = 100.0
    share: float = 0.5


class State(NamedTuple):
    """Nothing is remembered."""


class Given(NamedTuple):
    logits: Array  # rows x 1: the largest logit of the head that each row belongs to


def init(theta: Array, hyper: Hyper) -> State:
    return State()


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, given: Given, inner: Inner
) -> tuple[Array, State]:
    """Take the matrix `theta` of a layer's queries or keys (rows, cols) through a step of `inner`.

    The second of two heads, each of one row, is four times above the threshold:

    >>> import numpy as np
    >>> theta, g, given = np.ones((2, 1)), np.zeros((2, 1)), Given(np.array([[50.0], [400.0]]))
    >>> update(theta, g, State(), Hyper(), given, lambda theta, g: theta)[0]
    array([[1. ],
           [0.5]])
    """
    xp = namespace(theta)
    tau, alpha = hyper
    (s,) = given

    theta = inner(theta, g)                                             # (qk_clip.1)
    gamma = tau / xp.maximum(s, tau)                                    # (qk_clip.2)
    theta = gamma**alpha * theta                                        # (qk_clip.3)

    return theta, state

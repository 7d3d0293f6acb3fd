"""SAM: take the gradient at the worst point nearby, and step from where you are.

Foret, Kleiner, Mobahi and Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving
Generalization", 2021, Algorithm 1. https://arxiv.org/abs/2010.01412

The numbers in the right margin are the equations of spec/wrappers/sam.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner, namespace


class Hyper(NamedTuple):
    rho: float = 0.05


class State(NamedTuple):
    w: dict[str, Array]  # like theta: where the ascent began
    sam_t: int  # gradients seen


def init(theta: dict[str, Array], hyper: Hyper) -> State:
    return State(w=theta, sam_t=0)


def update(
    theta: dict[str, Array], g: dict[str, Array], state: State, hyper: Hyper, inner: Inner
) -> tuple[dict[str, Array], State]:
    """Take parameters `theta` and gradients `g`, both by name, through one half of a step.

    Every second gradient steps, from where the first was taken. On x * x / 2, from 1:

    >>> import numpy as np
    >>> theta, hyper = {"x": np.array([1.0])}, Hyper(rho=0.5)
    >>> state, descend = init(theta, hyper), lambda theta, g: {"x": theta["x"] - 0.5 * g["x"]}
    >>> for _ in range(2):
    ...     theta, state = update(theta, theta, state, hyper, descend)
    ...     print(theta["x"])
    [1.5]
    [0.25]
    """
    xp = namespace(*g.values())
    (rho,) = hyper
    w, t = state
    w = {name: w[name] for name in theta}

    t = t + 1                                                           # (sam.1)
    if t % 2 == 1:
        w = theta                                                       # (sam.2)
        norm = xp.sqrt(sum(xp.sum(x * x) for x in g.values()))          # (sam.3)
        theta = {k: x + rho * g[k] / norm for k, x in theta.items()}    # (sam.4)
    else:
        theta = inner(w, g)                                             # (sam.5)

    return theta, State(w, t)

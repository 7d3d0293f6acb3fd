"""ASAM: take the gradient at the worst point nearby, measured by the size of each parameter.

Kwon, Kim, Park and Choi, "ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant
Learning of Deep Neural Networks", 2021, Algorithm 1, element-wise.
https://arxiv.org/abs/2102.11600

The numbers in the right margin are the equations of spec/wrappers/asam.toml.
"""

from typing import NamedTuple

from .._array import Array, Inner, namespace


class Hyper(NamedTuple):
    rho: float = 0.5
    eta: float = 0.01


class State(NamedTuple):
    w: dict[str, Array]  # like theta: where the ascent began
    asam_t: int  # gradients seen


def init(theta: dict[str, Array], hyper: Hyper) -> State:
    return State(w=theta, asam_t=0)


def update(
    theta: dict[str, Array], g: dict[str, Array], state: State, hyper: Hyper, inner: Inner
) -> tuple[dict[str, Array], State]:
    """Take parameters `theta` and gradients `g`, both by name, through one half of a step.

    The larger parameter goes further, though both gradients are the same:

    >>> import numpy as np
    >>> theta, g, hyper = {"w": np.array([1.0, 0.1])}, {"w": np.ones(2)}, Hyper(eta=0.0)
    >>> theta, _ = update(theta, g, init(theta, hyper), hyper, None)
    >>> theta["w"].round(3)
    array([1.498, 0.105])
    """
    xp = namespace(*g.values())
    rho, eta = hyper
    w, t = state
    w = {name: w[name] for name in theta}

    t = t + 1                                                           # (asam.1)
    if t % 2 == 1:
        w = theta                                                       # (asam.2)
        T = {k: xp.abs(x) + eta for k, x in theta.items()}              # (asam.3)
        n = xp.sqrt(sum(xp.sum((T[k] * g[k]) ** 2) for k in g))         # (asam.4)
        theta = {k: w[k] + rho * T[k] ** 2 * g[k] / n for k in theta}   # (asam.5)
    else:
        theta = inner(w, g)                                             # (asam.6)

    return theta, State(w, t)

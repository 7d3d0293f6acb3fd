"""Prodigy: Adam, with a rate that is found from how far the model has come.

Mishchenko and Defazio, "Prodigy: An Expeditiously Adaptive Parameter-Free Learner", 2024,
Algorithm 4. https://arxiv.org/abs/2306.06101 and github.com/konstmish/prodigy

The numbers in the right margin are the equations of spec/optimizers/prodigy.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1.0
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    d0: float = 1e-6
    d_coef: float = 1.0


class State(NamedTuple):
    m: dict[str, Array]  # like theta: average of the scaled gradients
    v: dict[str, Array]  # like theta: average of their squares
    s: dict[str, Array]  # like theta: weighted sum of the gradients
    start: dict[str, Array]  # like theta: where it began
    r: Array  # a number for the whole model: how far it has come, along the gradients
    d: Array  # a number for the whole model: the distance that is to be gone, from below
    t: int  # steps taken


def init(theta: dict[str, Array], hyper: Hyper) -> State:
    xp = namespace(*theta.values())
    zeros = {k: xp.zeros_like(x) for k, x in theta.items()}
    r = sum(xp.sum(x) for x in zeros.values())
    return State(m=zeros, v=zeros, s=zeros, start=theta, r=r, d=xp.full_like(r, hyper.d0), t=0)


def update(
    theta: dict[str, Array], g: dict[str, Array], state: State, hyper: Hyper
) -> tuple[dict[str, Array], State]:
    """Take the parameters `theta` and their gradients `g`, arrays by name, through one step.

    While the gradients agree the rate grows, from a millionth, and faster and faster:

    >>> import numpy as np
    >>> theta, g, rates = {"w": np.array([3.0])}, {"w": np.array([1.0])}, []
    >>> state = init(theta, Hyper())
    >>> for _ in range(12):
    ...     theta, state = update(theta, g, state, Hyper())
    ...     rates.append(float(state.d))
    >>> [round(rates[t], 6) for t in (0, 5, 11)]
    [1e-06, 8.9e-05, 0.025623]
    """
    xp = namespace(*g.values())
    lr, b1, b2, eps, wd, d0, coef = hyper
    m, v, s, start, r, d, t = state
    b3 = b2**0.5

    t = t + 1                                                           # (prodigy.1)
    step = d * lr                                                       # (prodigy.2)
    come = sum(xp.sum(g[k] * (start[k] - theta[k])) for k in g)         # (prodigy.3)
    r = b3 * r + d / d0 * step * come                                   # (prodigy.4)
    s = s | {k: b3 * s[k] + d / d0 * step * g[k] for k in g}            # (prodigy.5)
    m = m | {k: b1 * m[k] + (1 - b1) * d * g[k] for k in g}             # (prodigy.6)
    v = v | {k: b2 * v[k] + (1 - b2) * d * d * g[k] * g[k] for k in g}  # (prodigy.7)
    sum_s = sum(xp.sum(xp.abs(s[k])) for k in g)                        # (prodigy.8)
    d_hat = coef * r / xp.where(sum_s > 0, sum_s, 1.0)                  # (prodigy.9)
    d = xp.maximum(d, d_hat)                                            # (prodigy.10)
    u = {k: m[k] / (xp.sqrt(v[k]) + d * eps) for k in g}                # (prodigy.11)
    theta = {k: theta[k] - step * (u[k] + wd * theta[k]) for k in g}    # (prodigy.12)

    return theta, State(m, v, s, start, r, d, t)

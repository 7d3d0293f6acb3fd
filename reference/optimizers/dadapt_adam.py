"""D-Adaptation for Adam: the rate is a growing lower bound on the distance to the solution.

Defazio and Mishchenko, "Learning-Rate-Free Learning by D-Adaptation", 2023, Algorithm 5.
https://arxiv.org/abs/2301.07733 and github.com/facebookresearch/dadaptation

The numbers in the right margin are the equations of spec/optimizers/dadapt_adam.toml.
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


class State(NamedTuple):
    m: dict[str, Array]  # like theta: average of the scaled gradients
    v: dict[str, Array]  # like theta: average of the squared gradients
    s: dict[str, Array]  # like theta: slow average of the scaled gradients
    r: Array  # a number for the whole model: how well gradients agree with s
    d: Array  # a number for the whole model: the distance to the solution, from below
    t: int  # steps taken


def init(theta: dict[str, Array], hyper: Hyper) -> State:
    xp = namespace(*theta.values())
    zeros = {k: xp.zeros_like(x) for k, x in theta.items()}
    r = sum(xp.sum(x) for x in zeros.values())
    return State(m=zeros, v=zeros, s=zeros, r=r, d=xp.full_like(r, hyper.d0), t=0)


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
    [1e-06, 0.003302, 4.900403]
    """
    xp = namespace(*g.values())
    lr, b1, b2, eps, wd, _ = hyper
    m, v, s, r, d, t = state
    b3 = b2**0.5

    t = t + 1                                                           # (dadapt_adam.1)
    step = d * lr                                                       # (dadapt_adam.2)
    a = {k: s[k] / (xp.sqrt(v[k]) + eps) for k in g}                    # (dadapt_adam.3)
    along = sum(xp.sum(g[k] * a[k]) for k in g)                         # (dadapt_adam.4)
    r = b3 * r + (1 - b3) * step * along                                # (dadapt_adam.5)
    m = m | {k: b1 * m[k] + (1 - b1) * step * g[k] for k in g}          # (dadapt_adam.6)
    v = v | {k: b2 * v[k] + (1 - b2) * g[k] * g[k] for k in g}          # (dadapt_adam.7)
    s = s | {k: b3 * s[k] + (1 - b3) * step * g[k] for k in g}          # (dadapt_adam.8)
    sum_s = sum(xp.sum(xp.abs(s[k])) for k in g)                        # (dadapt_adam.9)
    d_hat = r / ((1 - b3) * xp.where(sum_s > 0, sum_s, 1.0))            # (dadapt_adam.10)
    d = xp.maximum(d, d_hat)                                            # (dadapt_adam.11)
    u = {k: m[k] / (xp.sqrt(v[k]) + eps) for k in g}                    # (dadapt_adam.12)
    theta = {k: theta[k] - step * wd * theta[k] - u[k] for k in g}      # (dadapt_adam.13)

    return theta, State(m, v, s, r, d, t)

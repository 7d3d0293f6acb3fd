"""Schedule-Free AdamW: the average of the iterates takes the place of schedule and momentum.

Defazio et al., "The Road Less Scheduled", 2024, Algorithm 1.
https://arxiv.org/abs/2405.15682 and github.com/facebookresearch/schedule_free

The numbers in the right margin are the equations of spec/optimizers/schedule_free_adamw.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.0025
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    warmup: int = 1


class State(NamedTuple):
    z: Array  # like theta: what is stepped
    x: Array  # like theta: the average of the z, which is what to evaluate
    v: Array  # like theta: average of the squared gradients
    peak: Array  # a number: the largest rate so far
    total: Array  # a number: the sum of the weights so far
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    zeros = xp.zeros_like(theta)
    return State(z=theta, x=theta, v=zeros, peak=xp.sum(zeros), total=xp.sum(zeros), t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    The first step is Adam's, for the average of one z is that z:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1e-3, 1e3]), Hyper(lr=0.1)
    >>> update(theta, g, init(theta, hyper), hyper)[0].round(4)
    array([-0.1, -0.1])
    """
    xp = namespace(theta)
    lr, b1, b2, eps, wd, warmup = hyper
    z, x, v, peak, total, t = state

    t = t + 1                                                           # (schedule_free_adamw.1)
    lr = lr * min(1.0, t / warmup)                                      # (schedule_free_adamw.2)
    peak = xp.maximum(peak, lr)                                         # (schedule_free_adamw.3)
    total = total + peak * peak                                         # (schedule_free_adamw.4)
    c = peak * peak / total                                             # (schedule_free_adamw.5)
    v = b2 * v + (1 - b2) * g * g                                       # (schedule_free_adamw.6)
    v_hat = v / (1 - b2**t)                                             # (schedule_free_adamw.7)
    u = g / (xp.sqrt(v_hat) + eps) + wd * theta                         # (schedule_free_adamw.8)
    z = z - lr * u                                                      # (schedule_free_adamw.9)
    x = (1 - c) * x + c * z                                             # (schedule_free_adamw.10)
    theta = (1 - b1) * z + b1 * x                                       # (schedule_free_adamw.11)

    return theta, State(z, x, v, peak, total, t)

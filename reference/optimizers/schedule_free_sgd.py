"""Schedule-Free SGD: the average of the iterates takes the place of a schedule.

Defazio et al., "The Road Less Scheduled", 2024, equations 2 to 4.
https://arxiv.org/abs/2405.15682 and github.com/facebookresearch/schedule_free

The numbers in the right margin are the equations of spec/optimizers/schedule_free_sgd.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup: int = 1


class State(NamedTuple):
    z: Array  # like theta: what SGD steps
    x: Array  # like theta: the average of the z, which is what to evaluate
    peak: Array  # a number: the largest rate so far
    total: Array  # a number: the sum of the weights so far
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    zero = xp.sum(xp.zeros_like(theta))
    return State(z=theta, x=theta, peak=zero, total=zero, t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Under a constant rate x is the mean of all z; theta is where the next gradient is to be taken:

    >>> import numpy as np
    >>> theta, hyper = np.array([0.0]), Hyper(lr=1.0)
    >>> state = init(theta, hyper)
    >>> for _ in range(3):
    ...     theta, state = update(theta, np.array([-1.0]), state, hyper)
    >>> state.z, state.x, theta
    (array([3.]), array([2.]), array([2.1]))
    """
    xp = namespace(theta)
    lr, beta, wd, warmup = hyper
    z, x, peak, total, t = state

    t = t + 1                                                           # (schedule_free_sgd.1)
    lr = lr * min(1.0, t / warmup)                                      # (schedule_free_sgd.2)
    peak = xp.maximum(peak, lr)                                         # (schedule_free_sgd.3)
    total = total + peak * peak                                         # (schedule_free_sgd.4)
    c = peak * peak / total                                             # (schedule_free_sgd.5)
    z = z - lr * (g + wd * theta)                                       # (schedule_free_sgd.6)
    x = (1 - c) * x + c * z                                             # (schedule_free_sgd.7)
    theta = (1 - beta) * z + beta * x                                   # (schedule_free_sgd.8)

    return theta, State(z, x, peak, total, t)

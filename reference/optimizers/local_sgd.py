"""Local SGD: let workers step on their own, and average their parameters now and then.

Stich, "Local SGD Converges Fast and Communicates Little", 2019, Algorithm 1.
https://arxiv.org/abs/1805.09767

The numbers in the right margin are the equations of spec/optimizers/local_sgd.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    period: int = 8


class State(NamedTuple):
    w: Array  # 3*theta: the parameters of each worker
    t: int  # steps taken


class Given(NamedTuple):
    others: Array  # others x theta: the gradients of the other workers


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(w=xp.stack([theta] * 3), t=0)


def update(
    theta: Array, g: Array, state: State, hyper: Hyper, given: Given
) -> tuple[Array, State]:
    """Take the mean `theta` of all workers' parameters, of any one shape, through one step.

    Three workers part, and meet again in the second step, here:

    >>> import numpy as np
    >>> theta, hyper = np.zeros(1), Hyper(lr=1.0, period=2)
    >>> state = init(theta, hyper)
    >>> for _ in range(2):
    ...     given = Given(others=np.array([[3.0], [5.0]]))
    ...     theta, state = update(theta, np.array([1.0]), state, hyper, given)
    ...     print(theta, state.w[:, 0])
    [-3.] [-1. -3. -5.]
    [-6.] [-6. -6. -6.]
    """
    xp = namespace(theta)
    lr, period = hyper
    w, t = state
    (h,) = given

    t = t + 1                                                           # (local_sgd.1)
    grads = xp.concat([xp.expand_dims(g, axis=0), h])                   # (local_sgd.2)
    w = w - lr * grads                                                  # (local_sgd.3)
    theta = xp.mean(w, axis=0)                                          # (local_sgd.4)
    w = xp.stack([theta] * w.shape[0]) if t % period == 0 else w        # (local_sgd.5)

    return theta, State(w, t)

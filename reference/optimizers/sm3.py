"""SM3: Adagrad, with the sums of squares covered by one maximum for each slice of the tensor.

Anil, Gupta, Koren and Singer, "Memory-Efficient Adaptive Optimization", 2019, Algorithm SM3-II.
https://arxiv.org/abs/1901.11150

The numbers in the right margin are the equations of spec/optimizers/sm3.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.1
    momentum: float = 0.9
    eps: float = 1e-30


class State(NamedTuple):
    mu: Array  # like theta: the least of the maxima over the slices that an element lies in
    m: Array  # like theta: average of the steps


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(mu=xp.zeros_like(theta), m=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    No element counts for less than the sum of its own squares, and some for more:

    >>> import numpy as np
    >>> theta, hyper = np.zeros((2, 2)), Hyper()
    >>> g = np.array([[1.0, 1.0], [1.0, 2.0]])
    >>> update(theta, g, init(theta, hyper), hyper)[1].mu
    array([[1., 1.],
           [1., 4.]])
    """
    xp = namespace(theta)
    lr, b1, eps = hyper
    mu, m = state

    nu = mu + g * g                                                     # (sm3.1)
    mu = cover(nu)                                                      # (sm3.2)
    m = b1 * m + (1 - b1) * (g / xp.sqrt(nu + eps))                     # (sm3.3)
    theta = theta - lr * m                                              # (sm3.4)

    return theta, State(mu, m)


def cover(nu: Array) -> Array:
    """Of each element, the least of the maxima over the slices, one an axis, that it lies in.

    >>> import numpy as np
    >>> cover(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[2., 2.],
           [3., 4.]])
    """
    xp = namespace(nu)
    if nu.ndim < 2:
        return nu
    others = [tuple(j for j in range(nu.ndim) if j != i) for i in range(nu.ndim)]
    least, *more = [xp.max(nu, axis=axes, keepdims=True) for axes in others]
    for largest in more:
        least = xp.minimum(least, largest)                              # (sm3.5)
    return least

"""TensorFlow's RMSprop: RMSprop with momentum whose average of squares starts at one.

tf.compat.v1.train.RMSPropOptimizer, which starts its average at one.
https://www.tensorflow.org/api_docs/python/tf/compat/v1/train/RMSPropOptimizer

The numbers in the right margin are the equations of spec/optimizers/rmsprop_tf.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace


class Hyper(NamedTuple):
    lr: float = 0.01
    rho: float = 0.9
    momentum: float = 0.9
    eps: float = 1e-10


class State(NamedTuple):
    v: Array  # like theta: average of the squares of the gradients
    b: Array  # like theta: decaying sum of the steps


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    return State(v=xp.full_like(theta, 1.0), b=xp.zeros_like(theta))


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    At the start a small gradient is stepped as SGD would, and not by its sign:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([0.01, 0.001]), Hyper(lr=1.0)
    >>> update(theta, g, init(theta, hyper), hyper)[0].round(4)
    array([-0.0105, -0.0011])
    """
    xp = namespace(theta)
    lr, rho, mu, eps = hyper
    v, b = state

    v = rho * v + (1 - rho) * g * g                                     # (rmsprop_tf.1)
    b = mu * b + lr * g / xp.sqrt(v + eps)                              # (rmsprop_tf.2)
    theta = theta - b                                                   # (rmsprop_tf.3)

    return theta, State(v, b)

"""8-bit Adam: Adam, whose averages are kept between the steps as one byte a number.

Dettmers et al., "8-bit Optimizers via Block-wise Quantization", 2022, section 2.
https://arxiv.org/abs/2110.02861 and github.com/bitsandbytes-foundation/bitsandbytes

The numbers in the right margin are the equations of spec/optimizers/adam8bit.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.dynamic8bit import dynamic8bit, restore


class Hyper(NamedTuple):
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    block_size: int = 256


class State(NamedTuple):
    m: Array  # like theta: codes of the average of the gradients
    v: Array  # like theta: codes of the average of their squares
    m_max: Array  # a number for each block: the scale of the codes m
    v_max: Array  # a number for each block: the scale of the codes v
    t: int  # steps taken


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    q, n = dynamic8bit(xp.zeros_like(theta), hyper.block_size)
    return State(m=q, v=q, m_max=n, v_max=n, t=0)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    Beside one large gradient in its block, an average a ten-millionth as large is forgotten:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(2), np.array([1e-7, 1.0]), Hyper(lr=0.1)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta.round(2), state.m, state.m_max
    (array([-0.09, -0.1 ]), array([0., 1.]), array([0.1]))
    """
    xp = namespace(theta)
    lr, b1, b2, eps, size = hyper
    m, v, m_max, v_max, t = state

    t = t + 1                                                           # (adam8bit.1)
    m = b1 * restore(m, m_max, size) + (1 - b1) * g                     # (adam8bit.2)
    v = b2 * restore(v, v_max, size) + (1 - b2) * g * g                 # (adam8bit.3)
    m_hat = m / (1 - b1**t)                                             # (adam8bit.4)
    v_hat = v / (1 - b2**t)                                             # (adam8bit.5)
    theta = theta - lr * m_hat / (xp.sqrt(v_hat) + eps)                 # (adam8bit.6)
    m, m_max = dynamic8bit(m, size)                                     # (adam8bit.7)
    v, v_max = dynamic8bit(v, size, sign_bit=0)                         # (adam8bit.8)

    return theta, State(m, v, m_max, v_max, t)

"""8-bit Lion: Lion, whose average is kept between the steps as one byte a number.

Dettmers et al., "8-bit Optimizers via Block-wise Quantization", 2022, section 2, with Lion.
https://arxiv.org/abs/2110.02861 and github.com/bitsandbytes-foundation/bitsandbytes

The numbers in the right margin are the equations of spec/optimizers/lion8bit.toml.
"""

from typing import NamedTuple

from .._array import Array, namespace
from ..iterations.dynamic8bit import dynamic8bit, restore


class Hyper(NamedTuple):
    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    block_size: int = 256


class State(NamedTuple):
    m: Array  # like theta: codes of the average that is remembered
    m_max: Array  # a number for each block: the scale of the codes


def init(theta: Array, hyper: Hyper) -> State:
    xp = namespace(theta)
    q, n = dynamic8bit(xp.zeros_like(theta), hyper.block_size)
    return State(m=q, m_max=n)


def update(theta: Array, g: Array, state: State, hyper: Hyper) -> tuple[Array, State]:
    """Take parameter `theta` and its gradient `g`, both of any one shape, through one step.

    There is no code for -1, so that a single negative number shrinks by a 142nd:

    >>> import numpy as np
    >>> theta, g, hyper = np.zeros(1), np.array([-1.0]), Hyper(lr=0.1)
    >>> theta, state = update(theta, g, init(theta, hyper), hyper)
    >>> theta, state.m, state.m_max.round(4)
    (array([0.1]), array([-0.99296875]), array([0.01]))
    """
    xp = namespace(theta)
    lr, b1, b2, wd, size = hyper
    m, m_max = state

    m = restore(m, m_max, size)                                         # (lion8bit.1)
    c = b1 * m + (1 - b1) * g                                           # (lion8bit.2)
    theta = theta - lr * (xp.sign(c) + wd * theta)                      # (lion8bit.3)
    m = b2 * m + (1 - b2) * g                                           # (lion8bit.4)
    m, m_max = dynamic8bit(m, size)                                     # (lion8bit.5)

    return theta, State(m, m_max)

"""Blockwise dynamic quantisation: numbers as one byte each, and one scale for each block of them.

Dettmers et al., "8-bit Optimizers via Block-wise Quantization", 2022, sections 2.1 and 2.2.
https://arxiv.org/abs/2110.02861 and github.com/bitsandbytes-foundation/bitsandbytes

The numbers in the right margin are the equations of spec/iterations/dynamic8bit.toml.
"""

from .._array import Array, namespace


def code_book(sign_bit: int) -> list[float]:
    """Return the 256 numbers that a byte stands for, in order: 0, 1, and seven decades below 1.

    >>> signed, unsigned = code_book(1), code_book(0)
    >>> len(signed), len(unsigned), min(signed), max(signed), round(min(unsigned[1:]), 12)
    (256, 256, -0.99296875, 1.0, 3.25e-07)
    """
    codes = [0.0, 1.0]
    for i in range(7):
        n = 2 ** (i + 1 - sign_bit)
        for k in range(n):
            code = (0.1 + 0.9 * (k + 0.5) / n) * 10.0 ** (i - 6)        # (dynamic8bit.1)
            codes += [code, -code] if sign_bit else [code]
    return sorted(codes)


BOOKS = code_book(0), code_book(1)


def dynamic8bit(x: Array, block_size: int = 256, sign_bit: int = 1) -> tuple[Array, Array]:
    """Return what the codes of `x` stand for, in the shape of `x`, and the scale of each block.

    >>> import numpy as np
    >>> codes, scales = dynamic8bit(np.array([[3.0, -3.0], [0.0, 1e-9]]), block_size=2)
    >>> codes, scales
    (array([[ 1.        , -0.99296875],
           [ 0.        ,  1.        ]]), array([3.e+00, 1.e-09]))
    """
    xp = namespace(x)
    book = xp.asarray(BOOKS[sign_bit], dtype=x.dtype, device=x.device)
    between = (book[1:] + book[:-1]) / 2
    blocks = -(-x.size // block_size)
    unused = xp.zeros((blocks * block_size - x.size,), dtype=x.dtype, device=x.device)

    x_b = xp.reshape(xp.concat([xp.reshape(x, (-1,)), unused]), (blocks, block_size))
    n = xp.max(xp.abs(x_b), axis=1)                                     # (dynamic8bit.2)
    y = x_b / xp.expand_dims(xp.where(n > 0, n, 1.0), axis=1)           # (dynamic8bit.3)
    q = xp.take(book, xp.searchsorted(between, xp.reshape(y, (-1,))))   # (dynamic8bit.4)
    return xp.reshape(q[: x.size], x.shape), n


def restore(q: Array, n: Array, block_size: int) -> Array:
    """Return the numbers of which `q` are the codes, and `n` the scales of the blocks.

    >>> import numpy as np
    >>> restore(np.array([1.0, -0.5, 0.25]), np.array([4.0, 8.0]), block_size=2)
    array([ 4., -2.,  2.])
    """
    xp = namespace(q)
    each = xp.broadcast_to(xp.expand_dims(n, axis=1), (n.shape[0], block_size))
    return q * xp.reshape(xp.reshape(each, (-1,))[: q.size], q.shape)   # (dynamic8bit.5)

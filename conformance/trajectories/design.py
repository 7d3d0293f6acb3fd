"""The designed trajectories: gradients that give a wrong line nowhere to hide.

    python -m goldstep.conformance.trajectories.design [--check] [--replace]

Every number is made from the raw bits of a Philox generator, by operations that are exact or
correctly rounded, so every machine makes the same bytes. All but `spectra` have the same shapes, so
that what compiles, compiles once. Magnitudes lie between 2**-30 and 1e4, or are exactly 0.
"""

import hashlib
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Philox
from numpy.typing import ArrayLike, NDArray

from goldstep.conformance.trajectories import Array, Trajectory, run
from goldstep.oracle.safetensors import round_to_bfloat16

SHAPES: dict[str, tuple[int, ...]] = {
    "scalar": (),
    "vector": (7,),
    "row": (1, 6),
    "column": (5, 1),
    "square": (4, 4),
    "tall": (8, 3),
    "wide": (3, 8),
    "cube": (2, 3, 4),
    "kernel": (4, 2, 3, 3),
    "empty": (0,),
}
MATRICES: dict[str, tuple[int, ...]] = {
    "square": (8, 8),
    "tall": (16, 4),
    "wide": (4, 16),
    "row": (1, 9),
    "column": (9, 1),
    "long": (144, 2),
}
"""Those of the trajectory that is for rules on matrices; `long` is beyond the threshold of 128 that
some libraries have for what they treat as a matrix."""
STEPS = 24

Tensors = dict[str, Array]
Integers = NDArray[np.int64]
Design = tuple[Tensors, Tensors, dict[str, list[int]]]
"""Parameters, gradients with a leading axis of steps, and the steps from 1 without a gradient."""


def scales(source: Philox) -> Design:
    """Every element has a scale of its own, from 1e-8 to 1e4, and random signs and digits.

    Shows where an eps of 2**-5, 2**-13 or 1e-8 is added, and what is squared or divided.
    """
    # 17 of them, a factor of no axis: no row or column is of one scale only.
    exponents = np.array([-5, 12, -13, -27, 0, -20, 5, -5, -9, -27, 9, -13, 2, -24, -2, -16, 7])
    grads = {
        name: numbers(source, (STEPS, *index.shape), exponents[index % len(exponents)])
        for name, index in indices()
    }
    return initial(source), grads, {}


def shocks(source: Philox) -> Design:
    """The elements of each tensor differ in time.

    They are constant, alternating in sign, ordinary but for one shock of 50 times, silent at first,
    silent after a burst, always zero, there in one step only, halved at each step, or loud at every
    eighth. One parameter starts at zero. Shows what is remembered and for how long, and what a
    maximum, a clip or a bias correction does.
    """
    grads = {}
    for name, index in indices():
        t = np.arange(1, STEPS + 1).reshape(-1, *[1] * index.ndim)
        level = numbers(source, index.shape, -2)
        fresh = numbers(source, (STEPS, *index.shape), -2)
        patterns = [
            level + 0 * t,
            level * (-1) ** t,
            np.where(t == 7, round_to_bfloat16(50 * level), fresh),
            np.where(t > 4, fresh, 0),
            np.where(t <= 6, fresh, 0),
            0 * fresh,
            np.where(t == 1 + index % STEPS, fresh, 0),
            np.ldexp(level, -t),
            np.where(t % 8 == 0, fresh, np.ldexp(fresh, -8)),
        ]
        grads[name] = np.choose(index % len(patterns), patterns)
    return initial(source) | {"column": np.zeros(SHAPES["column"])}, grads, {}


def absences(source: Philox) -> Design:
    """All gradients are zero in the first step, and some parameters have none at times.

    None is not zero. There is none at first, at every other step, for a while, until the last
    step, or ever. Shows whether a parameter without a gradient is left alone, and whose steps are
    counted.
    """
    grads = {}
    for name, index in indices():
        exponents = integers(source, index.shape, 4) - 3
        grads[name] = numbers(source, (STEPS, *index.shape), exponents)
        grads[name][0] = 0
    grads["column"][5:9] = 0
    absent = {
        "vector": [1, 2, 3],
        "row": list(range(2, STEPS + 1, 2)),
        "square": [9, 10, 11, 12],
        "tall": [1, 13],
        "cube": list(range(1, STEPS + 1)),
        "kernel": list(range(1, STEPS)),
    }
    return initial(source), grads, absent


def matrices(source: Philox) -> Design:
    """The gradients of matrices are of seven kinds by turns; those of other tensors are ordinary.

    They are of rank one, nearly singular, nearly orthogonal, diagonal with entries far apart, all
    equal, zero, and ordinary. Shows what is done with rows, columns, singular values and norms.
    """
    kinds = [rank_one, near_singular, near_orthogonal, diagonal, all_equal, zero, ordinary]
    grads = {}
    for first, (name, index) in enumerate(indices()):
        turn = kinds if index.ndim == 2 else [ordinary]
        steps = [turn[(first + step) % len(turn)](source, index.shape) for step in range(STEPS)]
        grads[name] = np.stack(steps)
    return initial(source), grads, {}


def ties(source: Philox) -> Design:
    """Where a sign is taken it is of a number that is zero, exactly or nearly.

    Each gradient is chosen from the average m that Lion keeps, with a beta2 of 15/16 for half the
    elements and 7/8 for the others, by turns of four steps: a tiny number or 0; a small integer
    times a power of two; -3 m, which makes Lion's vote 3/4 m + 1/4 g a tie; and the number that
    makes the new m vanish. The last two are rounded, and the tiny number lingers in m, so that ties
    are exact in some elements and just missed in others. Shows the least error in a weight or an
    order.
    """
    grads = {}
    for name, index in indices():
        beta2 = np.where(index % 2 == 0, 15 / 16, 7 / 8)
        unit = np.ldexp(1.0, -integers(source, index.shape, 4))
        tiny = unit * np.choose(integers(source, index.shape, 4), [0, 2**-17, 2**-13, 2**-9])
        m = np.zeros(index.shape)
        steps = []
        for step in range(STEPS):
            sign = signs(source, index.shape)
            small = unit * (1 + integers(source, index.shape, 4))
            turns = [sign * tiny, sign * small, -3 * m, -beta2 / (1 - beta2) * m]
            g = round_to_bfloat16(np.choose((step + index // 2) % 4, turns))
            g = np.where(np.abs(g) < 2**-30, 0, g)
            m = beta2 * m + (1 - beta2) * g
            steps.append(g)
        grads[name] = np.stack(steps)
    return initial(source), grads, {}


def spectra(source: Philox) -> Design:
    """Matrices whose singular values are known, and of every kind that a spectrum can be.

    By turns of eight steps they are all equal, apart by up to 1e12, in clusters, two of them
    crossing, one alone, half of them zero, barely apart, and ordinary. All gradients are zero in
    the first step and in the fourteenth; the longest matrix is always ordinary. Shows what is done
    with eigenvectors where there is no telling them apart, and whether a basis that is renewed
    every few steps takes its state along.
    """
    grads = {}
    for first, (name, shape) in enumerate(MATRICES.items()):
        # Elements that are all alike are all rounded alike, and many of them add up to much.
        turns = [7 if name == "long" else (first + t) % 8 for t in range(STEPS)]
        steps = [
            zero(source, shape) if t in {0, 13} else spectrum(source, shape, kind, t)
            for t, kind in enumerate(turns)
        ]
        grads[name] = np.stack(steps)
    return initial(source, MATRICES), grads, {}


def spectrum(source: Philox, shape: tuple[int, ...], kind: int, t: int) -> Array:
    """A matrix of one of eight kinds, exact, with rows turned at random."""
    rows, cols = max(shape), min(shape)
    j = np.arange(cols)
    apart = (t - 12) / 32
    values = [
        np.ones(cols),
        np.ldexp(1.0, 10 - (40 * j) // max(1, cols - 1)),
        np.choose(j % 3, [4, 1, 0.25]),
        np.choose(np.minimum(j, 2), [1 + apart, 1 - apart, 0.125]),
        np.where(j == 0, 2.0, 0),
        np.where(j % 2 == 0, 1.5, 0),
        np.where(j == 0, 1 + 2.0**-7, 1),
    ]
    if kind == len(values):
        return ordinary(source, shape)
    m = hadamard((rows, cols)) * values[kind] * signs(source, (rows, 1))
    if kind in {2, 3, 5} and cols & (cols - 1) == 0:  # mixed, and still of few bits
        m = m @ hadamard((cols, cols)) / cols
    m = round_to_bfloat16(m)
    m = np.where(np.abs(m) < 2**-30, 0, m)
    return m if shape[0] == rows else m.T


DESIGNS = (scales, shocks, absences, matrices, ties, spectra)


def make(design: Callable[[Philox], Design]) -> Trajectory:
    """The trajectory of a design: its id is the function's name, its purpose what that says."""
    name = f"designed-{design.__name__}"
    # Only the generator's raw bits are used: those are fixed for ever, their distributions are not.
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    params, slabs, absent = design(Philox(key=key))
    grads: list[dict[str, Array | None]] = [dict.fromkeys(params) for _ in range(STEPS)]
    for tensor, slab in slabs.items():
        for step in set(range(STEPS)) - {step - 1 for step in absent.get(tensor, ())}:
            grads[step][tensor] = np.asarray(slab[step] + 0.0)  # no zero is negative
    return Trajectory(name, " ".join((design.__doc__ or "").split()), params, grads)


def rank_one(source: Philox, shape: tuple[int, ...]) -> Array:
    column, row = (shape[0], 1), (1, shape[1])
    left = signs(source, column) * (1 + integers(source, column, 4))
    return left * signs(source, row) * (1 + integers(source, row, 4))


def near_singular(source: Philox, shape: tuple[int, ...]) -> Array:
    return rank_one(source, shape) + signs(source, shape) / 4


def near_orthogonal(source: Philox, shape: tuple[int, ...]) -> Array:
    """A corner of a Hadamard matrix, its rows turned at random, its entries off by 1/16 at most."""
    turned = hadamard(shape) * signs(source, (shape[0], 1))
    return turned * (1 + (integers(source, shape, 8) - 4) / 64)


def hadamard(shape: tuple[int, ...]) -> Array:
    """A corner of a Hadamard matrix."""
    row, column = np.indices(shape)
    return np.where(np.bitwise_count(row & column) % 2, -1.0, 1.0)


def diagonal(source: Philox, shape: tuple[int, ...]) -> Array:
    row, column = np.indices(shape)
    return np.where(row == column, numbers(source, shape, -4 * row), 0.0)


def all_equal(source: Philox, shape: tuple[int, ...]) -> Array:
    return np.full(shape, numbers(source, (), 0))


def zero(source: Philox, shape: tuple[int, ...]) -> Array:
    return 0 * ordinary(source, shape)


def ordinary(source: Philox, shape: tuple[int, ...]) -> Array:
    return numbers(source, shape, 0)


def integers(source: Philox, shape: tuple[int, ...], below: int) -> Integers:
    """Integers from 0 to `below`, a power of two, which is not among them."""
    bits = np.asarray(source.random_raw(math.prod(shape)), np.uint64)
    return (bits & np.uint64(below - 1)).astype(np.int64).reshape(shape)


def signs(source: Philox, shape: tuple[int, ...]) -> Array:
    """Numbers 1 and -1."""
    return np.where(integers(source, shape, 2) == 1, 1.0, -1.0)


def numbers(source: Philox, shape: tuple[int, ...], exponent: ArrayLike) -> Array:
    """Any of the 128 bfloat16 from 2**exponent to below twice as much, of either sign."""
    significand = 1 + integers(source, shape, 128) / 128
    return np.ldexp(signs(source, shape) * significand, exponent)


def initial(source: Philox, shapes: dict[str, tuple[int, ...]] = SHAPES) -> Tensors:
    """Parameters of the size of a step, for a rate of 2**-7 or of 1/2; an eighth of them zero."""
    params = {}
    for name, index in indices(shapes):
        eighth = integers(source, index.shape, 8)
        exponent = np.array([-7, -7, -6, -4, -2, -1, -1, 0])[eighth]
        params[name] = np.where(eighth < 7, numbers(source, index.shape, exponent), 0)
    return params


def indices(shapes: dict[str, tuple[int, ...]] = SHAPES) -> Iterator[tuple[str, Integers]]:
    """The name of every tensor, and the number of each of its elements among all there are."""
    first = 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        yield name, np.arange(first, first + size).reshape(shape)
        first += size


if __name__ == "__main__":
    run(map(make, DESIGNS), "Make the designed trajectories.")

"""What an odd polynomial iteration makes of a singular value, and which polynomials are best.

X (a I + b X'X + c (X'X)^2) has the singular vectors of X, and singular values a s + b s^3 + c s^5:
the whole of an iteration is seen on numbers.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Row = tuple[float, float, float]


def phi(s: NDArray[np.float64], rows: Iterable[Row]) -> NDArray[np.float64]:
    """What becomes of the singular values `s` in one step for each row of coefficients."""
    for a, b, c in rows:
        s = a * s + b * s**3 + c * s**5
    return s


def image(rows: Iterable[Row], low: float, high: float = 1.0) -> tuple[float, float]:
    """The least and the largest value that singular values between `low` and `high` come to.

    >>> least, largest = image([(3.4445, -4.7750, 2.0315)] * 5, 0.01)
    >>> round(least, 4), round(largest, 4)
    (0.6818, 1.1344)
    """
    found = phi(np.geomspace(low, high, 400_001), rows)
    return float(found.min()), float(found.max())


def best_quintic(low: float, high: float) -> Row:
    """The odd quintic that is nearest to 1 on an interval of positive numbers (Remez).

    Amsel, Persson, Musco, Gower, "The Polar Express", 2025, Algorithm 3.

    >>> [round(x, 3) for x in best_quintic(1.0, 1.0)]
    [1.875, -1.25, 0.375]
    """
    if low >= (1 - 5e-6) * high:  # the equations are too near to singular: their limit is known
        return 15 / 8 / high, -10 / 8 / high**3, 3 / 8 / high**5
    nodes = np.array([low, (3 * low + high) / 4, (low + 3 * high) / 4, high])
    error, before = math.inf, -math.inf
    while abs(error - before) > 1e-15:
        before = error
        system = np.stack([nodes, nodes**3, nodes**5, [1.0, -1.0, 1.0, -1.0]], axis=1)
        a, b, c, error = (float(x) for x in np.linalg.solve(system, np.ones(4)))
        root = math.sqrt(9 * b * b - 20 * a * c)
        nodes[1:3] = np.sqrt((-3 * b + np.array([-1.0, 1.0]) * root) / (10 * c))
    return a, b, c


def polar_express(low: float, steps: int, safety: float = 0.01, cushion: float = 0.02) -> list[Row]:
    """The composition of quintics that is nearest to 1 for singular values from `low` to 1.

    Each is the best for what the ones before it leave. `safety` shrinks all but the last against
    rounding above 1; `cushion` keeps an interval from becoming too wide for bfloat16.

    >>> [round(x, 3) for x in polar_express(1e-3, 5)[0]]
    [8.237, -23.158, 16.681]
    """
    high, rows = 1.0, []
    for step in range(steps):
        a, b, c = best_quintic(max(low, cushion * high), high)
        if low < cushion * high:  # centred about 1 where the interval is cut short
            ends = phi(np.array([low, high]), [(a, b, c)])
            a, b, c = (x * 2 / float(ends.sum()) for x in (a, b, c))
        if step < steps - 1:
            factor = 1 + safety
            a, b, c = a / factor, b / factor**3, c / factor**5
        rows.append((a, b, c))
        low = float(phi(np.array([low]), rows[-1:])[0])
        high = 2 - low
    return rows

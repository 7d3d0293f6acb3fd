"""Steps on which the equations of a rule are told from all that is nearly the same."""

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from goldstep import spec

from .rules import module, read, within


class Example(NamedTuple):
    """What the code of a rule is called with, in float64; an iteration has no state."""

    what: str
    hyper: dict[str, Any]
    theta: Any
    g: Any
    state: Any
    given: dict[str, Any]


VALUES = (0.55, 0.75, 0.65, 0.45, 0.85, 0.35, 0.23, 0.31, 0.017, 0.41, 0.13, 0.57, 1.3, 1.7, 2.3)
COUNTS = (3, 2, 4, 5, 6, 7, 8)
SHAPES: dict[str, list[tuple[int, ...]]] = {
    "matrix": [(3, 4), (5, 4), (3, 2), (3, 3), (1, 3)],
    "tensor": [(5,), (2, 3), (4, 2, 3), ()],
}
STEPS = 5
STEADY = (2, 3)
"""Steps in which the gradient is the one before, by which what has a direction grows."""
LATE = (40, 4_000_000)
"""Steps so late that what depends on the count has turned, where it turns."""


def distinct(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Hyper-parameters that all differ, and are far from 0 and 1 where their domains allow it."""
    found: dict[str, Any] = {}
    for name, row in rows.items():
        share = row["domain"].startswith(("[", "("))
        numbers = VALUES if share else VALUES[6:] + VALUES[:6]
        pool: tuple[float, ...] = COUNTS if isinstance(row["default"], int) else numbers
        free = [v for v in pool if v not in found.values() and within(v, row["domain"])]
        found[name] = free[0] if free else row["amplified"]
    return found


def drawn(random: np.random.Generator, how: str, shape: tuple[int, ...]) -> Any:
    x = random.normal(size=shape)
    if how == "rademacher":
        return np.sign(x)
    if how == "uniform":
        return random.uniform(size=shape)
    return np.abs(x) + 0.125 if how == "positive" else x


def examples(
    name: str, reading: str | None = None, *, few: bool = False, shapes: int | None = None
) -> Iterator[Example]:
    """Steps along short runs: distinct hyper-parameters, on each kind of shape; zeros; and, but for
    a `few`, the amplified ones on the first kind.

    `shapes` is of how many kinds they are, if not of all.
    """
    s = spec.load(spec.kind_of(name), name)
    random = np.random.default_rng(8)
    amplified = {k: row["amplified"] for k, row in s["hyper"].items()}
    profiles = {"distinct": distinct(s["hyper"])} | ({} if few else {"amplified": amplified})
    for what, hyper in profiles.items():
        for shape in kinds(s)[: 1 if what == "amplified" else shapes]:
            draw = Draw(random, shape, whole=s["scope"] == "model")
            if spec.kind_of(name) == "iterations":
                for scale in (1.0, 1e3) if (few or not takes_zero(name)) else (1.0, 1e3, 0.0):
                    given = arguments(name, random, scale * draw())
                    yield Example(f"{what} {shape}", hyper, None, None, None, given)
            elif spec.kind_of(name) == "schedules":
                for t in range(s["first"], LATE[0]):
                    yield Example(f"{what} {t}", hyper, t, None, None, {})
                break
            else:
                yield from run(name, reading, f"{what} {shape}", hyper, draw)


def kinds(s: Mapping[str, Any]) -> list[tuple[int, ...]]:
    """The shapes of a rule; of one whose cost grows with a power, those far below its largest."""
    every = SHAPES["matrix" if s["theta"] in {"matrix", "gram"} else "tensor"]
    return [shape for shape in every if 3 * math.prod(shape) <= s.get("largest", math.inf)]


def takes_zero(name: str) -> bool:
    """Whether a matrix of zeros is one that an iteration says something of."""
    return len(array_arguments(name)) == 1 and name not in {"coupled_newton", "coupled_root"}


def array_arguments(name: str) -> list[str]:
    """The arguments of an iteration that are matrices."""
    rows = spec.load("iterations", name)["hyper"]
    every = inspect.signature(getattr(module(name), name)).parameters
    return [argument for argument in every if argument not in rows]


def arguments(name: str, random: np.random.Generator, x: Any) -> dict[str, Any]:
    """Matrices to call an iteration with, by argument, that go with `x`."""
    if spec.load("iterations", name)["theta"] not in {"matrix", "gram"}:
        return dict.fromkeys(array_arguments(name), x)
    rows, cols = x.shape

    def like(n: int) -> Any:
        y = random.normal(size=(n, n + 1))
        return y @ y.T

    made: dict[str, Callable[[], Any]] = {
        "A": lambda: x @ x.T + 0.25 * np.eye(rows) if x.any() else 0 * like(rows),
        "L": lambda: like(rows),
        "R": lambda: like(cols),
        "Q_L": lambda: np.triu(like(rows)) + np.eye(rows),
        "Q_R": lambda: np.triu(like(cols)) + np.eye(cols),
        "v": lambda: random.normal(size=x.shape),
    }
    found: dict[str, Any] = {}
    for argument in array_arguments(name):
        if argument == "Q":
            n = rows if "A" in found else cols
            found[argument] = np.linalg.qr(random.normal(size=(n, n if "A" in found else 1)))[0]
        else:
            found[argument] = made[argument]() if argument in made else x
    return found


@functools.lru_cache(maxsize=8)
def inner(plain: ModuleType) -> list[Callable[[Any, Any], Any]]:
    """What a wrapper wraps, of which it asks nothing: any steps will do that differ."""
    beside = set(inspect.signature(plain.update).parameters)
    beside -= {"theta", "g", "state", "hyper", "given"}

    def step(keep: float, go: float) -> Callable[[Any, Any], Any]:
        def take(theta: Any, g: Any) -> Any:
            if isinstance(theta, dict):
                return {k: take(theta[k], g[k]) for k in theta}
            return keep * theta - go * g

        return take

    return [step(0.75, 0.5**i) for i in range(2, 2 + len(beside))]


class Draw:
    """Random tensors of one shape; or, of a rule whose scope is the model, dicts of them."""

    def __init__(self, random: np.random.Generator, shape: tuple[int, ...], *, whole: bool) -> None:
        self.random, self.shape, self.whole = random, shape, whole

    def __call__(self, how: str = "normal", times: tuple[int, ...] = ()) -> Any:
        x = drawn(self.random, how, (*times, *self.shape))
        return {"a": x, "b": drawn(self.random, how, (*times, 2))} if self.whole else x

    def times(self, factor: float, x: Any) -> Any:
        return {k: factor * v for k, v in x.items()} if self.whole else factor * x

    def one_zero(self, x: Any) -> Any:
        """The same, but for one coordinate, which is zero."""
        zeroed = np.array(x["a"] if self.whole else x)
        zeroed.flat[-1] = 0.0
        return x | {"a": zeroed} if self.whole else zeroed

    def given(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for k, row in rows.items():
            axes = (int(row["like"].split("*")[0]),) if "*" in row["like"] else ()
            if row["like"] == "1":
                found[k] = float(drawn(self.random, row["draw"], ()))
            elif row["like"] == "rows":
                found[k] = drawn(self.random, row["draw"], (self.shape[0], 1))
            else:
                found[k] = self(row["draw"], axes)
        return found


def run(
    name: str, reading: str | None, what: str, hyper: dict[str, Any], draw: Draw
) -> Iterator[Example]:
    """A few steps of a rule; then gradients that are small, then zeros, then a late step."""
    plain = read(name, {name: reading}) if reading else module(name)
    theta, rows = draw(), spec.load(spec.kind_of(name), name)
    count = next((k for k, row in rows["state"].items() if row["tex"] == "t"), None)
    h = plain.Hyper(**hyper)
    state = plain.init(theta, h)
    still = draw.times(0.0, theta)
    rows_of = rows["hyper"].items()
    nothing = {k: type(row["default"])(0) for k, row in rows_of if row["domain"] == ">= 0"}
    rest = [({}, theta, still), (nothing, theta, still), (nothing, theta, draw())]
    rest += [({}, still, draw()), ({}, draw.times(64.0, theta), draw())]
    for least, x, g in rest:
        given = draw.given(rows["given"])
        yield Example(f"{what} at rest", hyper | least, x, g, state, given)
    if any("finite" in e["tex"] for e in rows["equation"]):
        broken = draw.times(np.nan, theta)
        yield Example(f"{what} no number", hyper, theta, broken, state, draw.given(rows["given"]))
    g = still
    for t in range(STEPS + 2 + len(LATE)):
        g = g if t in STEADY else draw()
        if t == 0:
            g = draw.one_zero(g)
        if t == STEPS:  # by which a sign or a threshold turns
            g = draw.times(1 / 64, g)
            hyper = hyper | ({"lr": 0.75 * hyper["lr"]} if "lr" in hyper else {})
            h = plain.Hyper(**hyper)
        if t == STEPS + 1:
            g, theta = still, still
        if t >= STEPS + 2 and count:
            state = state._replace(**{count: LATE[t - STEPS - 2]})
        given = draw.given(rows["given"])
        yield Example(f"{what} {t}", hyper, theta, g, state, given)
        more = [plain.Given(**given)] if given else []
        more += inner(plain)
        with np.errstate(all="ignore"):
            theta, *_, state = plain.update(theta, g, state, h, *more)

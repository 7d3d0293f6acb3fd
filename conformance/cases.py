"""Which cases there are: every rule, on every trajectory, with several hyper-parameters.

A case's id is its rule, trajectory, hyper-parameters and learning rate, and never means another
case: `adamw/designed-scales/dyadic/constant`.
"""

import functools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goldstep import spec
from goldstep.oracle import Case, pipeline
from goldstep.oracle.replay import Given, Gradients, Tensors
from goldstep.oracle.rules import FACTOR, PROFILES, ROUTE, Hyper, Pipeline, alone, iterations
from goldstep.oracle.safetensors import round_to_bfloat16

from . import trajectories

COMPANION = "heavy_ball"
"""The optimizer with which every transform and every wrapper is tried."""

EXAMPLES = (
    "clip_by_global_norm+adam",
    "decoupled_decay+adam",
    "l2+adam",
)
"""What every library ships: tried as transforms are."""

OTHERS = (
    *(f"l2+{rule}" for rule in ("sgd", "nesterov", "adagrad", "rmsprop", "adadelta", "adamax")),
    *(f"l2+{rule}" for rule in ("amsgrad", "nadam", "radam")),
    "clip_by_global_norm+l2+adam",
    "maximize+l2+sgd",
    "lookahead+clip_by_global_norm+adamw",
    "muon|adamw",
    "signum|adam",
    "adam@cosine",
    "adamw@weight_decay=rising_cosine",
    "linear_warmup@exponential",
)
"""Other compositions, each along one trajectory: the decay of every optimizer, and all else."""

FLAT = ("designed-scales", "designed-shocks", "designed-ties", "recorded-transformer")
"""The trajectories that are replayed as one long vector by rules that update each coordinate on its
own: shapes are the business of the others, and many small tensors take long."""

SHAPED = ("designed-absences", "designed-matrices", "designed-spectra", "recorded-transformer")
"""The trajectories of rules on matrices, of which one of each shape is replayed."""

UNSHAPED = tuple(name for name in trajectories.names() if name != "designed-spectra")
"""The trajectories of rules on tensors of any shape."""

DECAYING = ("designed-absences", "designed-scales")
"""The trajectories that are replayed without weight decay too, which hides little else."""

COMPOSED = ("designed-absences", "designed-scales", "designed-shocks", "recorded-convnet")
"""The trajectories of pipelines. What the others show, their optimizers show by themselves."""

SENSITIVE = {"sam", "asam", "cautious"}
"""Rules that divide by the norm of a gradient or ask for the sign of an update: they are tried
where rounding turns neither."""

NONFINITE = "skip_nonfinite"
"""The rule that is there for gradients which are no numbers, and is given some."""

COUNT = "count"
"""In the place of a trajectory: a schedule alone sees nothing but the count of steps."""

COUNTED = 60
"""So many steps are counted."""

STEPS = 24
"""How far a trajectory of many tensors is gone along."""

ENOUGH = 512
"""So many coordinates of a long vector are replayed: each is on its own."""

SCHEDULE = (0.125, 0.25, 0.5, 1.0, 1.0, 1.0, 0.5, 0.75, 0.25, 1.0)
"""The learning rate of a changing case, as multiples of its own, over and over again.

Powers of two, but for one: they leave a dyadic learning rate dyadic."""


KILLS = Path(__file__).parent / "kills"
"""By how much each trap is caught, and by which case best: `margins` notes it."""

Kills = dict[str, dict[str, dict[str, Any]]]
"""Of each trap, for each type: the `case` that catches it best, and by trajectory the largest
margin, None where no error at all is allowed."""

ALONE = ("designed-matrices", "designed-spectra")
"""The trajectories of an iteration by itself."""


def rules() -> tuple[str, ...]:
    """Every optimizer, every transform and wrapper with `COMPANION`, every schedule, `EXAMPLES`.

    And every iteration that can be asked alone.
    """
    around = [*spec.names("transforms"), *(n for n in spec.names("wrappers") if n != ROUTE)]
    pipelines = [f"{name}+{COMPANION}" for name in around]
    iterated = filter(alone, spec.names("iterations"))
    return (
        *spec.names("optimizers"),
        *pipelines,
        *spec.names("schedules"),
        *EXAMPLES,
        *OTHERS,
        *iterated,
    )


def tried(rule: str) -> set[str]:
    """What a pipeline of the suite is there to try, beside its optimizer."""
    parts = pipeline(rule).parts
    around = {part.name for part in parts if part.kind != "optimizers"}
    if any(part.matrices_only for part in parts):
        around -= {ROUTE}  # another way leads a rule of matrices to what is none
    return around if len(parts) > 1 else around or {*iterations(rule).values()}


def cases(rule: str) -> Iterator[Case]:
    """Every case of a rule.

    Recorded gradients are replayed with the rule's default hyper-parameters. Designed ones are
    replayed with hyper-parameters that every type holds exactly (`dyadic`), also large ones
    (`amplified`), and without weight decay where the rule has one (`undecayed`).
    """
    stages = pipeline(rule)
    if not stages.stages:
        yield from (counted(rule, p, stages.profile(p)) for p in PROFILES)
        return
    plain = rule in spec.names("optimizers")
    among = COMPOSED if not plain else SHAPED if stages.matrices_only else UNSHAPED
    if rule in OTHERS or SENSITIVE & {*stages.rules}:
        among = ("designed-shocks",)
    among = ALONE if stages.alone else among
    for trajectory in among:
        recorded = trajectory.startswith("recorded-")
        profiles = {
            p: stages.profile(p) for p in (["default"] if recorded else ["dyadic", "amplified"])
        }
        if trajectory in DECAYING and plain and "weight_decay" in stages.rows():
            profiles["undecayed"] = profiles["dyadic"] | {"weight_decay": 0.0}
        for profile, hyper in profiles.items():
            steady = profile in {"dyadic", "undecayed"} or "lr" not in hyper or stages.schedules
            for schedule in ["constant"] if steady else ["constant", "changing"]:
                yield from _case(rule, trajectory, profile, schedule, hyper)


def counted(rule: str, profile: str, hyper: Hyper, steps: int = COUNTED) -> Case:
    """The case of a schedule alone: how it multiplies a factor of one, step by step."""
    params, grads = {FACTOR: np.ones(())}, [{FACTOR: None}] * steps
    name = f"{rule}/{COUNT}/{profile}/constant"
    return Case(name, rule, hyper, params, grads, [{} for _ in grads])


def noted(rule: str) -> Kills:
    """What was measured of the traps of a rule; of none if it has not been."""
    path = KILLS / f"{rule}.json"
    measured: Kills = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return measured


@functools.cache
def catching(rule: str) -> Mapping[str, set[str]]:
    """By type, the cases of a pipeline that catch some trap best."""
    found: dict[str, set[str]] = {}
    for name in {rule, *pipeline(rule).rules}:
        for caught in noted(name).values():
            for dtype, at in caught.items():
                found.setdefault(dtype, set()).add(at["case"])
    return found


def worth(case: Case, dtype: str) -> bool:
    """Whether a case has something to show in a type, where it is asked in a finer one too.

    Logic, shapes and absences are the same in all. What rounding can hide is not: so each trap is
    looked for by the case that catches it best in that type.
    """
    best = catching(case.rule).get(dtype)
    if not best:  # it hides nothing of its own
        return case.id.split("/")[2] == "amplified"
    return bool(best & {case.id, case.id.replace("/changing", "/constant")})


def asked(rule: str, capabilities: Collection[str]) -> list[Case]:
    """The cases of a rule that fit what an implementation is capable of.

    Where its learning rate can change, the twin of a case in which it does not would add nothing.
    """
    fitting = {case.id: case for case in cases(rule) if case.needs <= set(capabilities)}
    twins = {id_: id_.replace("/constant", "/changing") for id_ in fitting}
    return [fitting[id_] for id_, twin in twins.items() if twin == id_ or twin not in fitting]


def _case(rule: str, trajectory: str, profile: str, schedule: str, hyper: Hyper) -> Iterator[Case]:
    name = f"{rule}/{trajectory}/{profile}/{schedule}"
    stages = pipeline(rule)
    flat = stages.scope == "element" and trajectory in FLAT
    start = (_flat(trajectory) if flat else trajectories.load(trajectory)).params
    start = {k: x for k, x in start.items() if stages.takes(x.shape) and x.size <= stages.largest}
    if stages.matrices_only:
        by_shape = {x.shape: name for name, x in reversed(start.items())}
        start = {name: x for name, x in start.items() if name in by_shape.values()}
    if start:
        params, grads = _along(trajectory, *start, flat=flat, as_gram=stages.gram)
        if NONFINITE in stages.rules:
            grads = [dict(g) for g in _struck(grads)]
        lr = hyper["lr"] if schedule == "changing" else None
        given = Drawn(rule, grads) if stages.given else ()
        yield Case(name, rule, hyper, params, grads, _changes(lr, len(grads)), given)


# What several cases have in common they hold in common: a case takes no memory of its own.


@functools.cache
def _along(
    trajectory: str, *names: str, flat: bool, as_gram: bool
) -> tuple[Tensors, Sequence[Gradients]]:
    """The start and the gradients of some tensors, or of what is made of them."""
    params, grads = (_flat(trajectory) if flat else trajectories.load(trajectory))[2:]
    params = {name: params[name] for name in names}
    grads = [{name: g[name] for name in names} for g in (grads if flat else grads[:STEPS])]
    if as_gram:
        params = {name: np.zeros((len(x), len(x))) for name, x in params.items()}
        grads = [{k: g if g is None else gram(g) for k, g in now.items()} for now in grads]
    return params, grads


@functools.cache
def _changes(lr: float | None, steps: int) -> Sequence[Hyper]:
    """What changes at each step: the learning rate, from what it is, or nothing."""
    if lr is None:
        return [{}] * steps
    return [{"lr": lr * SCHEDULE[t % len(SCHEDULE)]} for t in range(steps)]


class Drawn(Sequence[Given]):
    """What is given at each step, drawn whenever it is looked for: the same each time."""

    def __init__(self, rule: str, grads: Sequence[Gradients]) -> None:
        self.rule, self.grads = rule, grads

    def __len__(self) -> int:
        return len(self.grads)

    def __getitem__(self, t: Any) -> Any:
        return _drawn(self)[t]


@functools.lru_cache(maxsize=1)
def _drawn(given: Drawn) -> Sequence[Given]:
    return list(draw(pipeline(given.rule), given.grads))


def gram(g: Any) -> Any:
    """G G^T in numbers that float32 holds, of a G whose largest element is from 1 to 2."""
    _, exponent = np.frexp(np.abs(g).max())
    g = np.ldexp(g, 1 - exponent)
    return (g @ g.T).astype(np.float32).astype(np.float64)


def _struck(grads: Sequence[Gradients]) -> Iterator[Gradients]:
    """The same gradients, but that every third step one element of one tensor is no number."""
    for t, now in enumerate(grads):
        there = [name for name, g in now.items() if g is not None and g.size]
        if t % 3 != 2 or not there:
            yield now
            continue
        name = there[t % len(there)]
        hit = np.array(now[name])
        np.ravel(hit)[:1] = (np.nan, np.inf, -np.inf)[t // 3 % 3]
        yield {**now, name: hit}


@functools.cache
def _flat(trajectory: str) -> trajectories.Trajectory:
    """All tensors laid end to end as one, or so many coordinates of it as are enough."""
    recording = trajectories.load(trajectory)
    every = -(-sum(x.size for x in recording.params.values()) // ENOUGH)

    def laid(tensors: Mapping[str, Any]) -> dict[str, Any]:
        return {"all": np.concatenate([np.ravel(x) for x in tensors.values()])[::every].copy()}

    return recording._replace(
        params=laid(recording.params), grads=[laid(g) for g in recording.grads]
    )


def draw(stages: Pipeline, grads: Sequence[Gradients]) -> Iterator[Given]:
    """What each step is given beside its gradients, the same in every run, exact in bfloat16."""
    random = np.random.Generator(np.random.Philox(0))

    def drawn(draw: str, shape: tuple[int, ...]) -> Any:
        if draw == "rademacher":
            return 2.0 * random.integers(0, 2, shape) - 1
        if draw == "uniform":
            return random.integers(0, 256, shape) / 256
        x = round_to_bfloat16(random.standard_normal(shape))
        return np.abs(x) + 2.0**-8 if draw == "positive" else x

    def like(name: str, g: Any, t: int, row: dict[str, Any]) -> Any:
        if row["like"] == "rows":
            return drawn(row["draw"], (len(g), 1))
        many = row["like"].removesuffix("theta").rstrip("*")
        n = int(many or 1)
        if row["draw"] == "gradient":  # those of the steps that follow
            follow: list[Any] = [h[name] for h in [*grads[t + 1 :], *grads[: t + 1]]]
            found = np.stack(([h for h in follow if h is not None] * n)[:n])
        else:
            found = drawn(row["draw"], (n, *g.shape))
        return found if many else found[0]

    for t, now in enumerate(grads):
        yield {
            k: float(drawn(row["draw"], ()))
            if row["like"] == "1"
            else {name: None if g is None else like(name, g, t, row) for name, g in now.items()}
            for k, row in stages.given.items()
        }

"""Fixtures: a case with its truth, in files for which a reader takes an hour in any language.

A fixture is a folder with `fixture.json`, which says what was asked, and `data.safetensors`, which
holds every number: inputs, the truth after each step and between, and how far from it a right
implementation may be. `README` below is the description that goes with them.
"""

import functools
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from goldstep import spec

from . import link, rules, safetensors
from .case import Case, Layout
from .double import lifted
from .replay import Gradients, Stepper, Tensors
from .rounding import LIMIT, Arithmetic, Bounded, Doubtful, numpy_dtype, plain
from .rules import Hyper, Pipeline, Readings, Stage, pipeline
from .safetensors import Array, FormatError, demand
from .sampling import Sampled, node
from .truth import THETA, Moment, Truth, unbounded
from .watch import Record, assigned, watched

FORMAT = 1
JSON, DATA, SUMS = "fixture.json", "data.safetensors", "SHA256SUMS"
BESIDE = ("README.md", "fixture.schema.json")
"""What lies beside the fixtures of a folder."""

MOST = 1_000_000
"""The most numbers that are exported as JSON."""


class Watching(Stepper):
    """The reference, which notes what every tagged line assigns, and of which tensor.

    The lines of an iteration are left out: no bound is known within it.
    """

    def __init__(
        self, stages: Pipeline, hyper: Hyper, params: Tensors, number: Any, meant: Readings
    ) -> None:
        self.meant = meant
        self.found: dict[str, Any] = {}
        """What the last step assigned: values by `tag/name`, or by `tag/name/tensor`."""
        self.turns: dict[str, list[str | None]] = {}
        """Of which tensor each coming call of a stage is; None is the whole model."""
        whole = tuple(self._watched(stage) for stage in stages.stages)
        super().__init__(stages._replace(stages=whole), hyper, params, number)

    def _watched(self, stage: Stage) -> Stage:
        if stage.kind == "iterations":
            return stage
        log: list[Record] = []
        said = self.meant.get(stage.name, ())
        lines = rules.readings(stage.name)[said]["code"] if isinstance(said, str) else dict(said)
        module = watched(stage.name, lines, log, exact=False)
        calls = {*rules.iterations(stage.name), *spec.names("iterations")}
        update = module.update

        def noted(*given: Any) -> Any:
            log.clear()
            result = update(*given)
            turns = self.turns.get(stage.name)
            if turns:
                self._note(turns.pop(0), log, lines)
            return result

        held = {a: f for a, f in vars(stage.module).items() if a in calls}
        vars(module).update(held, update=noted)
        return stage._replace(module=module)

    def _note(self, tensor: str | None, log: Sequence[Record], lines: Mapping[str, str]) -> None:
        for tag, _, after in log:
            owner = next(s.name for s in self.pipeline.stages if tag in _tags(s.name))
            code = {**link.tagged(rules.module(owner)), **lines}[tag]
            for name in () if code == "pass" else assigned(code):
                for key, value in _parts(name, after[name]):
                    variable, _, of = key.partition("/")
                    tensors = [x for x in (of, tensor) if x]
                    times = sum(
                        k.startswith((f"{tag}/{variable}~", f"{tag}/{variable}/"))
                        and k.split("/")[2:] == tensors
                        for k in self.found
                    )
                    again = f"{variable}~{times}" if times else variable
                    self.found["/".join([tag, again, *tensors])] = value

    def _updated(self, i: int, theta: Tensors, g: Tensors, *inner: Any) -> list[Tensors]:
        stage = self.pipeline.stages[i]
        whole = stage.spec["scope"] == "model"
        self.turns[stage.name] = [None] if whole else list(theta)
        return super()._updated(i, theta, g, *inner)

    def __call__(self, grads: Gradients, /, **also: Any) -> Tensors:
        self.found, self.turns = {}, {}
        return super().__call__(grads, **also)


@functools.cache
def _tags(rule: str) -> frozenset[str]:
    return frozenset(link.tagged(rules.module(rule)))


class Watched(Truth):
    """The truth of a case, with what every tagged line assigned on the way.

    Of a rule whose state no equation determines, nothing is noted on the way.
    """

    def __init__(self, case: Case, arithmetic: Arithmetic, meant: Readings | None = None) -> None:
        super().__init__(case, arithmetic, meant, Layout(case, apart=True))
        self.between: list[dict[str, Any]] = []
        """By step, what was assigned."""

    def _stepper(self) -> Stepper | Sampled:
        made = super()._stepper()
        if not isinstance(made, Stepper) or not made.pipeline.stages:
            return made
        stages = pipeline(self.case.rule, self.meant, node(self.arithmetic))
        own = self.arithmetic.scalar
        return Watching(stages, made.hyper, made.params, own, self.meant)

    def _advance(self, step: Stepper | Sampled, t: int) -> Moment:
        moment = super()._advance(step, t)
        self.between.append(dict(step.found) if isinstance(step, Watching) else {})
        return moment


def _parts(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The numbers in a value that a line assigned, each with its name."""
    if isinstance(value, dict):
        for name, x in value.items():
            yield f"{key}/{name}", x
    elif isinstance(value, list | tuple):
        for i, x in enumerate(value):
            yield from _parts(f"{key}.{i}", x)
    elif isinstance(value, Bounded | Doubtful | int | float):
        yield key, value


class Quantity(NamedTuple):
    """One number array of the truth: hi + lo, and how far from it one may be."""

    hi: Array
    lo: Array
    bound: Array


def quantity(x: Any, arithmetic: Arithmetic) -> Quantity:
    """`hi` is the truth rounded once to the type under test, `lo` what that left over."""
    value: Any
    error: Any
    if isinstance(x, Doubtful):
        value, error = np.asarray(x.value, float), np.asarray(x.doubt, float) / LIMIT
    elif isinstance(x, Bounded):
        value, error = x.value, x.error
    else:
        value = np.float64(x)
        error = 0.0 if isinstance(x, int) else abs(x) * arithmetic.scalar_unit
    wide = arithmetic.scalar_dtype if isinstance(x, Bounded) and x.host else arithmetic.state
    held = np.dtype(float) if isinstance(x, int) else numpy_dtype(wide)
    with unbounded():
        hi = np.asarray(value.astype(held))
        lo = np.asarray(plain(value - lifted(hi.astype(np.float64), arithmetic.truth)))
    return Quantity(hi, lo, np.broadcast_to(np.asarray(LIMIT * error, np.float64), hi.shape))


def stacked(name: str, rows: list[Quantity | None]) -> dict[str, Array]:
    """The arrays of a quantity with the steps as leading axis; zero in steps without one.

    A quantity whose shape changes from step to step stands by itself at each step.
    """
    there = [row for row in rows if row is not None]
    if len({row.hi.shape for row in there}) > 1:
        return {
            f"{name}/{part}/{t}": np.asarray(getattr(row, part))
            for t, row in enumerate(rows, 1)
            if row is not None
            for part in Quantity._fields
        }
    found = {}
    for part in Quantity._fields:
        zero = np.zeros_like(getattr(there[0], part))
        found[f"{name}/{part}"] = np.stack([zero if r is None else getattr(r, part) for r in rows])
    return found


Numbers = tuple[dict[str, Array], dict[str, str]]
"""The arrays of a fixture by name, and where there each variable of each equation is."""


def numbers(case: Case, arithmetic: Arithmetic, meant: Readings | None = None) -> Numbers:
    """Every number of a fixture."""
    dtype, steps = numpy_dtype(arithmetic.dtype), range(len(case.grads))
    truth = Watched(case, arithmetic, meant)
    free = list(truth.free())
    truth.between.clear()
    golden = truth.golden()
    forced, between = list(truth.forced(golden)), truth.between

    hyper, values = case.pipeline.check(case.hyper), []
    for changes in case.changes:
        hyper = hyper | changes
        values.append(hyper)
    found = {f"hyper/{k}": np.array([float(h[k]) for h in values]) for k in hyper}
    for name, theta in case.params.items():
        grads = [g[name] for g in case.grads]
        zero = np.zeros(np.shape(theta), dtype)
        found[f"grad/{name}"] = np.stack([zero if g is None else g.astype(dtype) for g in grads])
        found[f"present/{name}"] = np.array([g is not None for g in grads], np.uint8)
    for tensor, slot, x in golden[0].slots():
        number = isinstance(x, int | float)
        found[f"start/{slot}/{tensor}"] = np.asarray(x, float if number else dtype)
    for mode, moments in (("step", forced), ("run", free)):
        by_name = [{f"{slot}/{tensor}": x for tensor, slot, x in m.slots()} for m in moments]
        for name in by_name[0]:
            rows = [quantity(moment[name], arithmetic) for moment in by_name]
            found |= stacked(f"{mode}/{name}", list(rows))
    where: dict[str, str] = {}
    parts: dict[str, dict[str, Array]] = {}
    for name in dict.fromkeys(name for step in between for name in step):
        there = [between[t].get(name) for t in steps]
        rows_or_none = [None if x is None else quantity(x, arithmetic) for x in there]
        tag, variable, *rest = name.split("/", 2)
        made = stacked(f"between/{name}", rows_or_none)
        # What an equation says of the state or the parameters last is what stands after the step.
        last = {f"step/{variable}/{n.split('/', 3)[3]}": x for n, x in made.items() if rest}
        same = bool(last) and all(k in found and np.array_equal(found[k], last[k]) for k in last)
        where.setdefault(f"{tag}/{variable}", "step" if same else "between")
        if not same:
            where[f"{tag}/{variable}"] = "between"
        parts[name] = made
    for name, made in parts.items():
        tag, variable, *_ = name.split("/", 2)
        if where[f"{tag}/{variable}"] == "between":
            found |= made
    places = {
        k: f"step/{k.split('/')[1]}" if place == "step" else f"between/{k}"
        for k, place in where.items()
    }
    return found | _given(case, dtype), places


def _given(case: Case, dtype: np.dtype[Any]) -> dict[str, Array]:
    """What is given beside the gradients: numbers, or arrays of each tensor, by step."""
    found = {}
    for name, first in (case.given[0] if case.given else {}).items():
        if isinstance(first, float):
            found[f"given/{name}"] = np.array([given[name] for given in case.given], dtype)
            continue
        for tensor in first:
            rows = [given[name][tensor] for given in case.given]
            one = next((x for x in rows if x is not None), None)
            if one is not None:
                full = [np.zeros_like(one) if x is None else x for x in rows]
                found[f"given/{name}/{tensor}"] = np.stack(full).astype(dtype)
    return found


def specified(rule: str) -> dict[str, str]:
    """The sha256 of all that says what a rule is: its specification and its reference, by rule.

    >>> sorted(specified("clip_by_global_norm+muon"))
    ['clip_by_global_norm', 'muon', 'newton_schulz']
    """
    said = {}
    for name in sorted(set(pipeline(rule).rules)):
        path = spec.FOLDER / spec.kind_of(name) / f"{name}.toml"
        text = path.read_text(encoding="utf-8") + link.source(rules.module(name))
        said[name] = hashlib.sha256(text.encode()).hexdigest()
    return said


def describe(
    case: Case, arithmetic: Arithmetic, meant: Readings, suite: str, places: Mapping[str, str]
) -> dict[str, Any]:
    """What `fixture.json` says."""
    hyper = case.pipeline.check(case.hyper)
    steps = range(len(case.grads))
    equations: list[dict[str, Any]] = []
    for stage in case.pipeline.parts:
        said = rules.readings(stage.name).get(str(meant.get(stage.name)), {})
        lines = link.tagged(rules.module(stage.name))
        tex, code = said.get("tex", {}), lines | said.get("code", {})
        equations += [
            {
                "tag": e["tag"],
                "tex": tex.get(e["tag"], e["tex"]),
                "code": code[e["tag"]].strip(),
                "says": e["says"],
                "numbers": {
                    k.partition("/")[2]: place
                    for k, place in places.items()
                    if k.startswith(f"{e['tag']}/")
                },
            }
            for e in stage.spec["equation"]
        ]
    return {
        "format": FORMAT,
        "id": f"{case.id}/{arithmetic.dtype}",
        "suite": suite,
        "specification": specified(case.rule),
        "rule": case.rule,
        "readings": dict(meant),
        "arithmetic": {
            "tensors": arithmetic.dtype,
            "scalars": arithmetic.scalar_dtype,
            "iterations": arithmetic.iteration,
        },
        "steps": len(case.grads),
        "tensors": {
            name: {
                "shape": list(np.shape(theta)),
                "absent": [t + 1 for t in steps if case.grads[t][name] is None],
            }
            for name, theta in case.params.items()
        },
        "hyper": {k: {"value": v, "hex": float(v).hex()} for k, v in hyper.items()},
        "changes": list(case.changes),
        "state": {k: row["is"] for k, row in case.pipeline.slots.items()},
        "equations": equations,
    }


def make(
    case: Case, arithmetic: Arithmetic, meant: Readings | None = None, suite: str = ""
) -> dict[str, bytes]:
    """The files of the fixture of a case, by name."""
    arrays, places = numbers(case, arithmetic, meant)
    said = describe(case, arithmetic, meant or {}, suite, places)
    data = safetensors.dump(arrays, said["id"])
    return {JSON: (_text(said) + "\n").encode(), DATA: data}


def write(folder: Path, files: Mapping[str, bytes]) -> int:
    """Write fixtures, with their description and checksums, into a new or empty folder.

    Gives back how many bytes there are. Raises FileExistsError if something is there already.
    """
    vacant(folder)
    beside = Path(__file__).parent
    every = dict(files)
    for name in BESIDE:
        every[name] = (beside / f"fixture.{name.removeprefix('fixture.')}").read_bytes()
    sums = [f"{hashlib.sha256(every[name]).hexdigest()}  {name}\n" for name in sorted(every)]
    every[SUMS] = "".join(sums).encode()
    for name, data in every.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return sum(map(len, every.values()))


def vacant(folder: Path) -> None:
    """Raise FileExistsError, before anything is made, if fixtures cannot be put there."""
    if folder.exists() and any(folder.iterdir()):
        msg = f"{folder} is not empty: give a folder that is, or is not there yet"
        raise FileExistsError(msg)


LINE = re.compile(r"([0-9a-f]{64})  ((?:[A-Za-z0-9_@+-][A-Za-z0-9_@+.-]*/)?[A-Za-z][A-Za-z0-9.]*)")
"""A line of the checksums. No name can lead out of the folder."""


def read_sums(folder: Path) -> dict[str, str]:
    """The sha256 of every file of a folder, by name, as the folder lists them."""
    name = f"{folder}/{SUMS}"
    text = _bytes(folder / SUMS, name)
    sums: dict[str, str] = {}
    for number, line in enumerate(text.decode("ascii", "replace").splitlines(), 1):
        m = LINE.fullmatch(line)
        demand(m, name, f"line {number}", "is no checksum of a file in this folder")
        assert m is not None
        demand(m[2] not in sums, name, f"line {number}", f"{m[2]} stands twice")
        sums[m[2]] = m[1]
    demand(sums, name, "lines", "there are none")
    return sums


def verified(folder: Path) -> dict[str, bytes]:
    """The files of a folder, each as its checksum says. Raises FormatError for any other."""
    sums = read_sums(folder)
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    demand(not (lost := sorted(sums.keys() - there)), str(folder), "files", f"{lost[:3]} are lost")
    stray = sorted(there - {SUMS, *sums})
    demand(not stray, str(folder), "files", f"{stray[:3]} are not in {SUMS}")
    files = {}
    for name, due in sums.items():
        path = folder / name
        whole = f"{folder}/{name}"
        links = path.is_symlink() or path.parent.is_symlink()
        demand(not links, whole, "file", "is a link, and may lead anywhere")
        files[name] = _bytes(path, whole)
        found = hashlib.sha256(files[name]).hexdigest()
        demand(found == due, whole, "sha256", f"is {found}, not {due}")
    return files


def found(files: Mapping[str, bytes]) -> list[str]:
    """With what the names of each fixture's files begin: "" of one that stands alone."""
    return sorted(name.removesuffix(JSON) for name in files if name.rpartition("/")[2] == JSON)


FIELDS = {
    "format": int,
    "id": str,
    "suite": str,
    "specification": dict,
    "rule": str,
    "readings": dict,
    "arithmetic": dict,
    "steps": int,
    "tensors": dict,
    "hyper": dict,
    "changes": list,
    "state": dict,
    "equations": list,
}


class Fixture(NamedTuple):
    """A fixture as it is read: what it says, and its arrays."""

    said: dict[str, Any]
    arrays: dict[str, Array]

    def case(self) -> Case:
        """The case that it is the truth of."""
        said = self.said
        wide = {k: x.astype(np.float64) for k, x in self.arrays.items()}
        params = {n: wide[f"start/{THETA}/{n}"] for n in said["tensors"]}
        grads = [
            {
                n: None if t + 1 in info["absent"] else wide[f"grad/{n}"][t, ...]
                for n, info in said["tensors"].items()
            }
            for t in range(said["steps"])
        ]
        given = [
            {
                k: float(wide[f"given/{k}"][t])
                if row["like"] == "1"
                else {
                    n: None
                    if g is None or f"given/{k}/{n}" not in wide
                    else wide[f"given/{k}/{n}"][t]
                    for n, g in grads[t].items()
                }
                for k, row in pipeline(said["rule"]).given.items()
            }
            for t in range(said["steps"])
        ]
        hyper = {k: row["value"] for k, row in said["hyper"].items()}
        name = said["id"].rpartition("/")[0]
        beside = given if any(given) else ()
        return Case(name, said["rule"], hyper, params, grads, said["changes"], beside)

    def arithmetic(self) -> Arithmetic:
        kinds = self.said["arithmetic"]
        return Arithmetic(kinds["tensors"], kinds["scalars"], kinds["iterations"])


def load(files: Mapping[str, bytes], at: str = "", name: str = "") -> Fixture:
    """The fixture whose files begin with `at`, every field of it checked.

    `name` is what to call the folder in messages. Raises FormatError.
    """
    file = f"{name}/{at}{JSON}"
    said = safetensors.parse_json(files[at + JSON], file, "text")
    fields = isinstance(said, dict) and set(said) == set(FIELDS)
    demand(fields, file, "text", f"must say {', '.join(FIELDS)}, and nothing else")
    for key, kind in FIELDS.items():
        demand(type(said[key]) is kind, file, key, f"is no {kind.__name__}")
    demand(said["format"] == FORMAT, file, "format", f"is {said['format']}; this reads {FORMAT}")
    _check_said(said, file)
    where = f"{name}/{at}{DATA}"
    demand(at + DATA in files, where, "file", "is not there")
    found, owner = safetensors.load(files[at + DATA], where)
    demand(owner == said["id"], where, "__metadata__", f"is {owner!r}, not {said['id']!r}")
    for tensor, info in said["tensors"].items():
        for key, shape in (
            (f"start/{THETA}/{tensor}", info["shape"]),
            (f"grad/{tensor}", [said["steps"], *info["shape"]]),
        ):
            x = found.get(key)
            right = x is not None and list(x.shape) == shape
            demand(right, where, f"tensor {key!r}", f"is not there in shape {shape}")
    return Fixture(said, found)


def _check_said(said: dict[str, Any], file: str) -> None:
    """Check the inside of what a fixture says, as far as it is used."""
    kinds = said["arithmetic"]
    known = {"float64", "float32", "bfloat16"}
    right = set(kinds) == {"tensors", "scalars", "iterations"} and set(kinds.values()) <= known
    demand(right, file, "arithmetic", "must say tensors, scalars and iterations, each a type")
    demand(said["tensors"], file, "tensors", "there are none")
    words = all(type(v) is str for v in said["readings"].values())
    try:
        stages = pipeline(said["rule"], said["readings"])
    except (LookupError, ValueError, TypeError, AttributeError):
        msg = (
            f"{file}: rule: {said['rule']!r} in the readings {said['readings']!r} is not known here"
        )
        raise FormatError(msg) from None
    known_rules = words and set(said["readings"]) <= set(stages.rules)
    demand(known_rules, file, "readings", "are of other rules")
    for tensor, info in said["tensors"].items():
        where = f"tensors: {tensor!r}"
        keys = isinstance(info, dict) and set(info) == {"shape", "absent"}
        demand(keys, file, where, "must say shape and absent")
        for key, least in (("shape", 0), ("absent", 1)):
            numbers = isinstance(info[key], list) and all(
                type(n) is int and n >= least for n in info[key]
            )
            demand(numbers, file, f"{where}: {key}", "is no list of whole numbers")
    rows = stages.rows()
    demand(set(said["hyper"]) == set(rows), file, "hyper", f"must say {', '.join(rows)}")
    for key, row in said["hyper"].items():
        keys = isinstance(row, dict) and set(row) == {"value", "hex"}
        demand(keys, file, f"hyper: {key}", "must say value and hex")
        number = type(row["value"]) in {int, float} and float(row["value"]).hex() == row["hex"]
        demand(number, file, f"hyper: {key}", "is no number, or another in hex")
    changes = said["changes"]
    demand(len(changes) == said["steps"] > 0, file, "changes", "are not as many as the steps")
    for t, change in enumerate(changes, 1):
        fine = isinstance(change, dict) and set(change) <= set(rows)
        fine = fine and all(type(v) in {int, float} for v in change.values())
        demand(fine, file, f"changes: step {t}", "are no hyper-parameters")


def differences(fixture: Fixture) -> list[str]:
    """What is other if a fixture is made again here, and by how much."""
    said = fixture.said
    case, arithmetic = fixture.case(), fixture.arithmetic()
    found = []
    for rule, digest in specified(said["rule"]).items():
        if said["specification"].get(rule) != digest:
            found.append(f"the specification or the reference of {rule} is another one now")
    again, places = numbers(case, arithmetic, said["readings"])
    if stray := sorted(again.keys() ^ fixture.arrays.keys()):
        found.append(f"only in one of the two: {', '.join(stray[:5])}")
    for name in sorted(again.keys() & fixture.arrays.keys()):
        old, new = fixture.arrays[name], again[name]
        if old.shape != new.shape or old.dtype != new.dtype:
            found.append(f"{name}: was {old.dtype}{old.shape}, is {new.dtype}{new.shape}")
        elif old.tobytes() != new.tobytes():
            found.append(f"{name}: {_apart(name, fixture.arrays, again)}")
    text = describe(case, arithmetic, said["readings"], said["suite"], places)
    other = [key for key in FIELDS if key != "specification" and text[key] != said[key]]
    return found + [f"{JSON}: {key} is another one now" for key in other]


def _apart(name: str, old: Mapping[str, Array], new: Mapping[str, Array]) -> str:
    """By how much two arrays of one shape differ."""
    a, b = (x[name].astype(np.longdouble) for x in (old, new))
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.where(a == b, 0, abs(a - b))
        text = f"{np.count_nonzero(off)} of {off.size} differ, at most by {off.max():.3g}"
        bound = f"{name.rpartition('/')[0]}/bound"
        if name.endswith(("/hi", "/lo")) and bound in new:
            ratio = np.where(off == 0, 0, off / new[bound])
            text += f", {np.nanmax(ratio):.3g} of the bound"
    return text


def export(fixture: Fixture, form: str) -> bytes:
    """A fixture as one file: `json` with exact hexadecimal floats, `npz`, or `safetensors`."""
    if form == "safetensors":
        return safetensors.dump(fixture.arrays, _text(fixture.said))
    if form == "npz":
        file = io.BytesIO()
        said = np.frombuffer(_text(fixture.said).encode(), np.uint8)
        np.savez(file, allow_pickle=False, **{JSON: said}, **fixture.arrays)
        return file.getvalue()
    if (count := sum(x.size for x in fixture.arrays.values())) > MOST:
        msg = f"{count} numbers are too many for JSON, which takes {MOST}: export npz"
        raise ValueError(msg)
    data = {
        name: {
            "dtype": str(x.dtype),
            "shape": list(x.shape),
            "values": [float(n).hex() for n in np.ravel(x)],
        }
        for name, x in sorted(fixture.arrays.items())
    }
    return (_text(fixture.said | {"data": data}) + "\n").encode()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _bytes(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{name}: file: {error.strerror}"
        raise FormatError(msg) from None

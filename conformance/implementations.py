"""From what `--impl=` says to an implementation that can be asked."""

import dataclasses
import importlib
import importlib.metadata
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from goldstep.oracle import Arithmetic, Truth, observe, pipeline
from goldstep.oracle.observe import Seen
from goldstep.oracle.place import Place, asked
from goldstep.oracle.replay import Make
from goldstep.oracle.rounding import PRODUCTS, UNIT, numpy_dtype
from goldstep.oracle.rules import FACTOR, readings

from .mapping import MappingError, parse
from .process import Program

GROUP = "goldstep.implementations"
ADAPTERS = Path(__file__).parent / "adapters"
DTYPES = ("float64", "float32")
"""The types of tensors in which an implementation is asked if it declares none."""

EVERY = (*DTYPES, "bfloat16", "float16")
"""The types in which it can be asked, the finest first."""

DECLARED = ("dtypes", "scalar", "compute", "state", "products", "iteration", "capabilities")
"""What may be declared on the command line, beside what an adapter does."""

DOORS = {"torch": "Class", "optax": "Factory"}
"""What wraps a class or factory of each kind that has no adapter, in `adapters/_<kind>.py`."""
CAPABILITIES = {
    "changes": "a learning rate that changes",
    "absences": "a gradient that is None",
    "hypers": "a hyper-parameter other than the learning rate that changes",
    "groups": "groups of parameters with hyper-parameters of their own",
    "saves": "saved in the middle, and gone on with elsewhere",
    "maximize": "uphill instead of down",
    "mixed": "parameters of several types in one optimizer",
}
"""What an implementation may be able to do, and what is not tested if it is not."""


class UnusableError(ValueError):
    """An implementation that cannot be found, imported or used; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Implementation:
    """An implementation under test, with what it declares of itself.

    An adapter is a module (or any object) with a function `make`; each other name is optional.
    """

    name: str
    make: Make
    version: str = ""
    dialects: Mapping[str, str] = field(default_factory=dict)
    """The dialect that it claims, by rule; the rule itself where none is named."""
    dtypes: Collection[str] = DTYPES
    """The types of its tensors."""
    scalar: str | Mapping[str, str] | None = None
    """The type of what it computes on the host, if not that of its tensors."""
    iteration: str | None = None
    """The type in which it iterates on matrices, if not that of its tensors."""
    compute: str | Mapping[str, str] | None = None
    """The type in which it computes between reading tensors and writing them, if not theirs."""
    state: str | Mapping[str, str] | None = None
    """The type of the state that it keeps, if not that of its tensors."""
    products: str | Mapping[str, str] | None = None
    """The type to which it rounds the operands of products of matrices, if not theirs."""
    flush: bool = True
    """Whether numbers below the normal ones may become zero."""
    capabilities: Collection[str] = ()
    """Which of `CAPABILITIES` it has; docs/implementers.md says what each one takes."""
    notes: Collection[str] = ()
    """What the report says of it beside its name: how its hyper-parameters were mapped."""
    adapter: bool = True
    """Whether there is an adapter: else a class or factory is asked as it is."""
    place: Place | None = None
    """Where it is asked, if not with arrays of NumPy. `make` takes and gives those even so."""
    there: Make | None = None
    """Its `make` as it is asked there: arrays of NumPy go in, and its own come out."""

    def seen(self, truth: Truth, *, free: bool) -> Seen:
        """What it does with a case, in arrays of where it is asked."""
        if self.place is None or self.there is None:
            return observe(truth, self.make, free=free)
        return observe(truth, self.there, free=free, xp=self.place.xp)

    def offers(self, rule: str, dtype: str) -> bool:
        """Whether it offers a rule; what breaks in another way than saying so is found later."""
        stages = pipeline(rule)
        some = (
            {"w": np.ones((2, 2), numpy_dtype(dtype))}
            if stages.stages
            else {FACTOR: np.ones((), numpy_dtype(dtype))}
        )
        try:
            self.make(rule, stages.profile("default"), some)
        except NotImplementedError:
            return False
        except Exception:  # noqa: BLE001
            return True
        return True

    def arithmetic(self, dtype: str) -> Arithmetic:
        scalar, compute, state, products = (
            one if isinstance(one, str | None) else one.get(dtype)
            for one in (self.scalar, self.compute, self.state, self.products)
        )
        more = {"compute": compute, "state": state, "products": products}
        return Arithmetic(dtype, scalar, self.iteration, **more, flush=self.flush)

    def breach(self) -> str:
        """What is broken if the contract is."""
        return "your adapter is broken" if self.adapter else "it breaks the contract"

    def claim(self, rule: str) -> str:
        """What it claims to conform to, in words: `adam`, or `epsilon-hat`."""
        named = [self.dialects[r] for r in pipeline(rule).rules if r in self.dialects]
        return ", ".join(named) or rule


def implementation(name: str, rules: Collection[str] = ()) -> Implementation:
    """The implementation that `--impl=NAME` means.

    NAME is an adapter that is shipped, else one that an installed package registered in the group
    `goldstep.implementations`, else a module (`pkg.mod` or `pkg.mod:object`) that offers `make`.
    It may also be a class or factory that needs no adapter, `torch:pkg.mod.Class` or
    `optax:pkg.mod.factory`, which is then the one of `rules`; or `cmd:PROGRAM`, in any language.
    Raises UnusableError.
    """
    if not name or name.endswith(":"):
        msg = f"--impl={name}: say what to judge, as in --impl=torch or --impl=torch:mylib.AdamW"
        raise UnusableError(msg)
    door, _, rest = name.partition(":")
    if door == "cmd":
        return declared(Program(rest), name)
    if door in DOORS and rest:
        return declared(_without_adapter(door, rest, name, rules), name)
    return declared(_find(name), name)


def declared(found: Any, name: str) -> Implementation:
    """What an adapter, of whatever kind, declares of itself. Raises UnusableError."""
    if not callable(getattr(found, "make", None)):
        msg = f"--impl={name}: {found!r} has no function make(rule, hyper, params)"
        if isinstance(found, type):
            msg += f"; a class needs none, as --impl=torch:{name.replace(':', '.')}"
        raise UnusableError(msg)
    fields = Implementation.__dataclass_fields__.keys() - {"place", "there"}
    said = {k: getattr(found, k) for k in fields if hasattr(found, k)}
    made = Implementation(**(said | {"name": name}))
    _check(made)
    return made


def claiming(made: Implementation, dialects: Mapping[str, str]) -> Implementation:
    """The same, claiming more dialects. Raises UnusableError."""
    claimed = dataclasses.replace(made, dialects={**made.dialects, **dialects})
    _check(claimed)
    return claimed


def declaring(made: Implementation, said: Collection[str]) -> Implementation:
    """The same, declaring what is said as NAME=VALUE. Raises UnusableError."""
    found: dict[str, Any] = {}
    for one in said:
        name, _, value = one.partition("=")
        if name not in DECLARED or not value:
            msg = f"--declare={one}: say one of {', '.join(DECLARED)}, as in scalar=float32"
            raise UnusableError(msg)
        found[name] = [*getattr(made, name), value] if name == "capabilities" else value
        if name == "dtypes":
            found[name] = value.split(",")
    again = dataclasses.replace(made, **found)
    _check(again)
    return again


def only(made: Sequence[Implementation], dtypes: Sequence[str]) -> list[Implementation]:
    """The same, in these of their types. Raises UnusableError if none has any of them."""
    types = [[d for d in EVERY if d in one.dtypes and d in dtypes] for one in made]
    if not any(types):
        one, said = made[0], ",".join(dtypes)
        msg = (
            f"--dtype={said}: --impl={one.name} declares {', '.join(one.dtypes)}; if it takes "
            f"other types, --declare=dtypes={said}"
        )
        raise UnusableError(msg)
    return [dataclasses.replace(one, dtypes=own) for one, own in zip(made, types, strict=True)]


def at(made: Implementation, name: str) -> Implementation:
    """The same, asked with the arrays of `--xp=NAME`. Raises UnusableError."""
    if made.name.startswith("cmd:"):
        msg = f"--xp={name}: {made.name} is a program of its own, which takes no arrays of ours"
        raise UnusableError(msg)
    try:
        place = Place(name)
    except (ModuleNotFoundError, ValueError, RuntimeError) as error:
        msg = f"--xp={name}: {error}"
        raise UnusableError(msg) from error
    back, there = (asked(made.make, place, there=stays) for stays in (False, True))
    dtypes = [d for d in made.dtypes if d in DTYPES]
    notes = [*made.notes, f"arrays of {name}"]
    return dataclasses.replace(
        made, make=back, dtypes=dtypes, notes=notes, place=place, there=there
    )


def _without_adapter(door: str, text: str, name: str, rules: Collection[str]) -> Any:
    """A class of torch's kind or a factory of optax's, as the one rule that it is said to be."""
    if len(rules) != 1:
        msg = (
            f"--impl={name}: say which rule it is, as in --rule=adamw; `goldstep identify` tells, "
            "if it is not known"
        )
        raise UnusableError(msg)
    try:
        path = parse(text)[0]
        pipeline(next(iter(rules)))
    except (MappingError, LookupError, ValueError) as error:
        msg = f"--impl={name}: {error.args[0]}"
        raise UnusableError(msg) from error
    module, _, attribute = path.rpartition(".")
    if not module:
        msg = f"--impl={name}: give its module too, as in {door}:mylib.{path}"
        raise UnusableError(msg)
    found = getattr(_import(module, name), attribute, None)
    if not callable(found):
        what = "" if found is None else f", but a {type(found).__name__} of that name"
        msg = f"--impl={name}: module {module} has no class or function {attribute}{what}"
        raise UnusableError(msg)
    return wrapped(door, text, found, next(iter(rules)))


def wrapped(door: str, text: str, found: Any, rule: str) -> Any:
    """The adapter that needs no writing. Raises UnusableError if it needs to be told more."""
    made = _import(f"goldstep.conformance.adapters._{door}", door)
    try:
        return getattr(made, DOORS[door])(text, found, rule)
    except MappingError as error:
        msg = str(error)
        raise UnusableError(msg) from error


def _find(name: str) -> Any:
    module, _, attribute = name.partition(":")
    if (ADAPTERS / f"{name}.py").exists():
        return _import(f"goldstep.conformance.adapters.{name}", name)
    for entry in importlib.metadata.entry_points(group=GROUP):
        if entry.name == name:
            module, attribute = entry.module, entry.attr
    found = _import(module, name)
    if not attribute:
        return found
    if not hasattr(found, attribute):
        msg = f"--impl={name}: module {module} has nothing named {attribute}"
        raise UnusableError(msg)
    return getattr(found, attribute)


def _import(module: str, name: str) -> Any:
    if "/" in module or module.endswith(".py"):
        msg = (
            f"--impl={name}: give a module by its name, as --impl={Path(module).stem}, with its "
            "folder on the Python path"
        )
        raise UnusableError(msg)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        shipped = sorted(path.stem for path in ADAPTERS.glob("[!_]*.py"))
        if error.name == module or module.startswith(f"{error.name}."):
            msg = (
                f"--impl={name}: there is no such module on the Python path, nor an adapter of "
                f"that name. Shipped are {', '.join(shipped)}; docs/implementers.md shows how to "
                "write one"
            )
            holder, _, attribute = module.rpartition(".")
            if hasattr(sys.modules.get(holder), attribute):
                msg = (
                    f"--impl={name}: {attribute} is no module but in {holder}: if it has a make, "
                    f"--impl={holder}:{attribute}; if it is a class, --impl=torch:{module}"
                )
            raise UnusableError(msg) from error
        extra = f" (pip install 'goldstep[{name}]')" if name in shipped else ""
        msg = f"--impl={name}: {error.name} is not installed{extra}"
        raise UnusableError(msg) from error
    except Exception as error:
        msg = f"--impl={name}: importing {module} raises {type(error).__name__}: {error}"
        raise UnusableError(msg) from error


def _types(*said: str | Mapping[str, str] | None) -> list[str | None]:
    """All types that are declared, whether by tensor type or at once."""
    return [t for one in said for t in (one.values() if isinstance(one, Mapping) else [one])]


def _check(made: Implementation) -> None:
    """Raise UnusableError if an adapter declares what cannot be."""
    for what in ("dtypes", "capabilities"):
        if isinstance(said := getattr(made, what), str):
            msg = f"--impl={made.name} declares {what} = {said!r}: write {what} = [{said!r}]"
            raise UnusableError(msg)
    for rule, dialect in made.dialects.items():
        try:
            known = [name for name, said in readings(rule).items() if "seen" not in said]
        except LookupError as error:
            msg = f"--impl={made.name} claims a dialect of {rule!r}: {error}"
            raise UnusableError(msg) from error
        if dialect not in known:
            msg = (
                f"--impl={made.name} claims dialect {dialect!r} of {rule}, which has "
                f"{', '.join(known) or 'none'}"
            )
            raise UnusableError(msg)
    _check_types(made)
    if unknown := set(made.capabilities) - CAPABILITIES.keys():
        there = ", ".join(CAPABILITIES)
        msg = f"--impl={made.name} declares capabilities {sorted(unknown)}; there is {there}"
        raise UnusableError(msg)


def _check_types(made: Implementation) -> None:
    """Raise UnusableError if a type is declared that there is not."""
    types = [*made.dtypes, made.iteration, *_types(made.scalar, made.compute, made.state)]
    for said, units in ((types, UNIT), (_types(made.products), PRODUCTS)):
        for dtype in [d for d in said if d is not None and d not in units]:
            msg = f"--impl={made.name} declares a type {dtype!r}; there is {', '.join(units)}"
            raise UnusableError(msg)
    for dtype in made.dtypes:
        try:
            numpy_dtype(dtype)
        except ModuleNotFoundError as error:
            msg = f"--impl={made.name} declares {dtype}: {error}"
            raise UnusableError(msg) from error

"""From what `--impl=` says to an implementation that can be asked."""

import importlib
import importlib.metadata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from goldstep.oracle import Arithmetic, pipeline
from goldstep.oracle.replay import Make
from goldstep.oracle.rounding import UNIT
from goldstep.oracle.rules import FACTOR, readings

GROUP = "goldstep.implementations"
ADAPTERS = Path(__file__).parent / "adapters"
DTYPES = ("float64", "float32")
CAPABILITIES = {
    "changes": "a learning rate that changes",
    "absences": "a gradient that is None",
}
"""What an implementation may be able to do, and what is not tested if it is not."""


class UnusableError(Exception):
    """An implementation that cannot be found, imported or used; the message says what to do."""


@dataclass(frozen=True)
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
    capabilities: Collection[str] = ()
    """`changes`: a hyper-parameter may be given to a step, and holds from there on.
    `absences`: a gradient may be None, and its parameter is then not stepped."""

    def offers(self, rule: str, dtype: str) -> bool:
        """Whether it offers a rule; what breaks in another way than saying so is found later."""
        stages = pipeline(rule)
        some = {"w": np.ones((2, 2), dtype)} if stages.stages else {FACTOR: np.ones((), dtype)}
        try:
            self.make(rule, stages.profile("default"), some)
        except NotImplementedError:
            return False
        except Exception:  # noqa: BLE001
            return True
        return True

    def arithmetic(self, dtype: str) -> Arithmetic:
        scalar = self.scalar if isinstance(self.scalar, str | None) else self.scalar.get(dtype)
        return Arithmetic(dtype, scalar, self.iteration)

    def claim(self, rule: str) -> str:
        """What it claims to conform to, in words: `adam`, or `epsilon-hat`."""
        named = [self.dialects[r] for r in pipeline(rule).rules if r in self.dialects]
        return ", ".join(named) or rule


def implementation(name: str) -> Implementation:
    """The implementation that `--impl=NAME` means.

    NAME is an adapter that is shipped, else one that an installed package registered in the group
    `goldstep.implementations`, else a module (`pkg.mod` or `pkg.mod:object`) that offers `make`.
    Raises UnusableError.
    """
    found = _find(name)
    if not callable(getattr(found, "make", None)):
        msg = f"--impl={name}: {found!r} has no function make(rule, hyper, params)"
        raise UnusableError(msg)
    declared = {
        k: getattr(found, k) for k in Implementation.__dataclass_fields__ if hasattr(found, k)
    }
    made = Implementation(**(declared | {"name": name}))
    _check(made)
    return made


def _find(name: str) -> Any:
    module, _, attribute = name.partition(":")
    if (ADAPTERS / f"{name}.py").exists():
        return _import(f"goldstep.conformance.adapters.{name}", name)
    for entry in importlib.metadata.entry_points(group=GROUP):
        if entry.name == name:
            return entry.load()
    found = _import(module, name)
    if not attribute:
        return found
    if not hasattr(found, attribute):
        msg = f"--impl={name}: module {module} has nothing named {attribute}"
        raise UnusableError(msg)
    return getattr(found, attribute)


def _import(module: str, name: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        shipped = sorted(path.stem for path in ADAPTERS.glob("[!_]*.py"))
        if error.name == module or module.startswith(f"{error.name}."):
            msg = (
                f"--impl={name}: there is no such module, nor an adapter of that name. Shipped are "
                f"{', '.join(shipped)}; docs/implementers.md shows how to write one"
            )
            raise UnusableError(msg) from error
        extra = f" (pip install 'goldstep[{name}]')" if name in shipped else ""
        msg = f"--impl={name}: {error.name} is not installed{extra}"
        raise UnusableError(msg) from error


def _check(made: Implementation) -> None:
    """Raise UnusableError if an adapter declares what cannot be."""
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
    scalars = made.scalar.values() if isinstance(made.scalar, Mapping) else [made.scalar]
    for dtype in [d for d in [*scalars, made.iteration] if d is not None]:
        if dtype not in UNIT:
            msg = f"--impl={made.name} declares a type {dtype!r}; there is {', '.join(UNIT)}"
            raise UnusableError(msg)
    if unknown := set(made.capabilities) - CAPABILITIES.keys():
        there = ", ".join(CAPABILITIES)
        msg = f"--impl={made.name} declares capabilities {sorted(unknown)}; there is {there}"
        raise UnusableError(msg)

"""From our names of hyper-parameters and of the state to those of a library, read off a signature.

`torch:pkg.module.Class` needs no adapter where the parameters of the class have names that
libraries use. Where they have not, the user says it as a call would: `torch:pkg.Class(tiny=eps)`.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from goldstep.oracle import pipeline
from goldstep.oracle.rules import Hyper

HYPER = {
    "lr": "learning_rate step_size stepsize eta alpha",
    "beta1": "b1 beta_1 momentum mu decay1",
    "beta2": "b2 beta_2 rho decay2 alpha",
    "beta3": "b3 beta_3",
    "beta": "momentum mu beta1 b1 beta_1 decay",
    "momentum": "mu beta beta1 b1 beta_1 rho gamma decay",
    "rho": "alpha decay decay_rate smoothing_constant beta beta2 b2 beta_2 gamma",
    "eps": "epsilon eps_root tiny",
    "weight_decay": "wd weight_decay_rate decay lambda_ lamda l2 l2_reg",
    "initial_accumulator": "initial_accumulator_value initial_accumulator_sum init_value",
    "steps": "ns_steps n_steps backend_steps iterations",
    "max_norm": "clip_norm max_grad_norm clip",
    "momentum_decay": "psi schedule_decay",
    "lr_decay": "decay rate_decay",
}
"""By hyper-parameter: what libraries call it, beside its own name. A name may stand twice."""

STATE = {
    "m": "exp_avg mu ema momentum_buffer trace momentum mean first_moment avg",
    "v": "exp_avg_sq square_avg nu momentum_buffer trace second_moment velocity buf",
    "t": "step count steps iteration iterations",
    "G": "sum sum_of_squares accumulator square_sum",
    "b": "momentum_buffer",
    "u": "acc_delta exp_inf e_x delta_avg",
    "v_max": "max_exp_avg_sq nu_max",
    "s": "exp_avg_var nu exp_avg_sq",
    "n": "exp_avg_sq exp_avg_nest_sq",
    "h": "prev_grad neg_pre_grad previous_grad",
}
"""By slot of the state: what libraries call it, the likeliest first."""


ANY = "any keyword"


class MappingError(Exception):
    """A parameter that has no counterpart, or two; the message says how to give it."""


@dataclass(frozen=True)
class Mapped:
    """How the hyper-parameters of a rule become the arguments of a class or factory."""

    target: str
    arguments: Mapping[str, CodeType]
    """By their name: what it is, as an expression in our names."""
    says: Mapping[str, str]
    """The same, in words."""
    built_in: Hyper = field(default_factory=dict)
    """What the library does not let its caller choose, with the value that it has there."""
    left: tuple[str, ...] = ()
    """Their parameters that keep their defaults."""

    def values(self, hyper: Hyper) -> dict[str, Any]:
        """Their arguments. Raises NotImplementedError where something else is built in."""
        for name, value in self.built_in.items():
            if hyper.get(name, value) != value:
                msg = f"{self.target} has {name} = {value} built in"
                raise NotImplementedError(msg)
        named: dict[str, Any] = {"__builtins__": {}} | hyper
        return {theirs: eval(code, named) for theirs, code in self.arguments.items()}  # noqa: S307

    def described(self) -> str:
        """The mapping in a line: `lr=lr, betas=(beta1, beta2); as they are: amsgrad`."""
        said = [f"{theirs}={ours}" for theirs, ours in self.says.items()]
        said += [f"{ours} built in as {value}" for ours, value in self.built_in.items()]
        rest = f"; left at their defaults: {', '.join(self.left)}" if self.left else ""
        return f"{self.target}({', '.join(said)}){rest}"


def parse(text: str) -> tuple[str, dict[str, ast.expr]]:
    """The dotted path, and what is said of its parameters.

    >>> path, said = parse("mylib.SGD(mu=momentum, nesterov=True)")
    >>> path, {name: ast.unparse(value) for name, value in said.items()}
    ('mylib.SGD', {'mu': 'momentum', 'nesterov': 'True'})
    """
    text = re.sub(r"^([\w.]+):(?=\w)", r"\1.", text)  # as entry points are written
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        msg = f"{text!r} is no dotted name, nor a call of one: {error.msg}"
        raise MappingError(msg) from error
    said: dict[str, ast.expr] = {}
    if isinstance(tree, ast.Call):
        if tree.args or any(k.arg is None for k in tree.keywords):
            msg = f"{text!r}: give each parameter by name, as in Class(mu=momentum)"
            raise MappingError(msg)
        said = {str(k.arg): k.value for k in tree.keywords}
        tree = tree.func
    path = ast.unparse(tree)
    if not all(part.isidentifier() for part in path.split(".")):
        msg = f"{text!r} is no dotted name, nor a call of one"
        raise MappingError(msg)
    return path, said


def mapped(
    rule: str, made: Callable[..., Any], said: Mapping[str, ast.expr], door: str, *, skip: int = 0
) -> Mapped:
    """Map the hyper-parameters of `rule` to the parameters of `made`, but for the first `skip`.

    `door` is how the command line calls it, for what an error advises. Raises MappingError.
    """
    name = getattr(made, "__name__", str(made))
    ours = pipeline(rule).rows()
    theirs = _parameters(made, skip)
    expressions = {k: value for k, value in said.items() if k in theirs or None in theirs}
    constants = {k: v.value for k, v in said.items() if isinstance(v, ast.Constant) and k in ours}
    built_in = {k: v for k, v in constants.items() if k not in expressions}
    for k in said.keys() - expressions.keys() - built_in.keys():
        msg = f"{name} has no parameter {k!r}; it takes {_listed(theirs)}"
        raise MappingError(msg)
    used = {n.id for v in expressions.values() for n in ast.walk(v) if isinstance(n, ast.Name)}
    if unknown := used - ours.keys():
        msg = f"{rule} has no hyper-parameter {min(unknown)!r}; it has {', '.join(ours)}"
        raise MappingError(msg)
    wanted = [k for k in ours if k not in used | built_in.keys()]
    free = [str(k) for k in theirs if k is not None and k not in expressions]
    says = {k: ast.unparse(v) for k, v in expressions.items()}
    door = f"--impl='{door}({''.join(f'{k}={ast.unparse(v)}, ' for k, v in said.items())}"
    said_of_all = _paired(wanted, [*free, *[ANY] * (None in theirs)], name, door, rule)
    says |= {theirs_: ours_ for ours_, theirs_ in said_of_all}
    missing = [k for k in free if k not in says and theirs[k] is inspect.Parameter.empty]
    if missing:
        msg = (
            f"{name} needs {missing[0]!r}, which is known for no hyper-parameter of {rule} "
            f"({', '.join(ours)}): say what it is, as in {door}{missing[0]}=...)'"
        )
        raise MappingError(msg)
    arguments = {k: compile(v, f"<{k}>", "eval") for k, v in says.items()}
    left = tuple(f"{k}={theirs[k]!r}" for k in free if k not in says)
    return Mapped(name, arguments, says, built_in, left)


def _parameters(made: Callable[..., Any], skip: int) -> dict[str | None, Any]:
    """Their parameters with their defaults; None stands for any other keyword.

    What a class takes by any keyword is what the one before it need not be given.
    """
    found: dict[str | None, Any] = {}
    for parameter in list(inspect.signature(made).parameters.values())[skip:]:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found[None] = None
        elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            found[parameter.name] = parameter.default
    base = getattr(made, "__base__", object)
    if None in found and base.__base__ not in {None, object}:
        need_not = {
            k: x for k, x in _parameters(base, skip).items() if x is not inspect.Parameter.empty
        }
        found = need_not | found
    return found


def _listed(theirs: Collection[str | None]) -> str:
    return ", ".join(str(k) for k in theirs if k is not None) or "nothing"


def names(ours: str) -> list[str]:
    """What a hyper-parameter is called, its own name first."""
    return [ours, *HYPER.get(ours, "").split()]


def _paired(
    wanted: list[str], free: list[str], name: str, door: str, rule: str
) -> Iterator[tuple[str, str]]:
    """Each of our hyper-parameters with its one parameter there, as an expression in our names."""
    betas = [k for k in wanted if re.fullmatch(r"beta[0-9]", k)]
    if "betas" in free and betas:
        wanted = [k for k in wanted if k not in betas]
        free = [k for k in free if k != "betas"]
        yield f"({', '.join(betas)}{',' * (len(betas) == 1)})", "betas"
    exact = {k for k in wanted if k in free}
    yield from ((k, k) for k in wanted if k in exact)
    rest = [k for k in wanted if k not in exact]
    free = [k for k in free if k not in exact]
    can = {k: [p for p in free if p in names(k)] for k in rest}
    while can:
        # What can be one thing only is that, and leaves the others fewer.
        sure = next((k for k, found in can.items() if len(found) == 1), None)
        if sure is None:
            break
        parameter = can.pop(sure)[0]
        if rivals := [k for k, found in can.items() if found == [parameter]]:
            said = " or ".join([sure, *rivals])
            msg = (
                f"{parameter!r} of {name} may be {said} of {rule}: say which, as in "
                f"{door}{parameter}={sure})'"
            )
            raise MappingError(msg)
        can = {k: [p for p in found if p != parameter] for k, found in can.items()}
        free.remove(parameter)
        yield sure, parameter
    for ours, found in can.items():
        if found:
            msg = (
                f"{ours} of {rule} may be {' or '.join(found)} of {name}: say which, as in "
                f"{door}{found[0]}={ours})'"
            )
            raise MappingError(msg)
    if can:
        first, theirs = next(iter(can)), next((k for k in free if k != ANY), None)
        both = [k for k in can if k in betas] if theirs else []
        ours = f"({', '.join(both)})" if both[1:] and len(free) < len(can) else first
        value = pipeline(rule).profile("default")[first]
        msg = (
            f"{name} has no parameter that is known to be {', '.join(can)} of {rule}; it takes "
            f"{', '.join(free) or 'no other'}. "
            + f"Say which it is, as in {door}{theirs or first}={ours})'. " * bool(free)
            + f"If it is built in, say its value: {door}{first}={value!r})'"
        )
        raise MappingError(msg)


def placed(slots: Collection[str], entries: Collection[str]) -> dict[str, str]:
    """Which of a library's entries each slot of the state is, as far as their names tell."""
    found: dict[str, str] = {}
    for slot in slots:
        known = [slot, *STATE.get(slot, "").split()]
        free = [k for k in known if k in entries and k not in found.values()]
        if free:
            found[slot] = free[0]
    return found


def version_of(made: Any) -> str:
    """The version of the package that a class or function comes from, if it says so."""
    package = sys.modules.get(getattr(made, "__module__", "").partition(".")[0])
    return str(getattr(package, "__version__", ""))

"""Judge an optimizer in its author's own test file, in three lines."""

import inspect
from collections.abc import Callable, Collection
from typing import Any

import pytest

from goldstep.oracle import Case

from .ask import ask, broken
from .cases import asked
from .implementations import (
    Implementation,
    claiming,
    declared,
    declaring,
    implementation,
    wrapped,
)


class Question:
    """One case that is put to one implementation: `check()` fails with what is wrong."""

    def __init__(self, made: Implementation, case: Case, dtype: str) -> None:
        self.made, self.case, self.dtype = made, case, dtype

    def check(self) -> None:
        """Fail unless it conforms; skip where it does not offer this."""
        __tracebackhide__ = True
        if said := broken(self.made, self.case.rule, self.dtype):
            pytest.fail(said, pytrace=False)
        answer = ask(self.made, self.case, self.dtype)
        if answer.status == "not tested":
            pytest.skip(answer.message)
        if answer.status != "conforms":
            pytest.fail(answer.message, pytrace=False)


def parametrize(
    impl: Any, *, rule: str, dialect: str | None, declare: Collection[str]
) -> Callable[[Any], Any]:
    """As `goldstep.conformance.parametrize` says."""
    made = declaring(_declared(impl, rule, dialect), declare)
    questions = [
        Question(made, case, dtype)
        for case in asked(rule, made.capabilities)
        for dtype in made.dtypes
        if made.offers(rule, dtype)
    ]
    if not questions:
        msg = f"{made.name} offers nothing of {rule}: there is nothing to test"
        raise ValueError(msg)
    ids = [f"{q.case.id}/{q.dtype}" for q in questions]
    mark: Callable[[Any], Any] = pytest.mark.parametrize("question", questions, ids=ids)
    return mark


def _declared(impl: Any, rule: str, dialect: str | None) -> Implementation:
    if isinstance(impl, str):
        found = implementation(impl, [rule])
    elif callable(getattr(impl, "make", None)):
        found = declared(impl, getattr(impl, "__name__", type(impl).__name__))
    else:
        door = "torch" if inspect.isclass(impl) else "optax"
        found = declared(wrapped(door, impl.__name__, impl, rule), impl.__name__)
    return claiming(found, {rule: dialect} if dialect else {})

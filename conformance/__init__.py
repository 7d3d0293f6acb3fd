"""The questions, and the suite that puts them to an implementation."""

from collections.abc import Callable
from typing import Any


def parametrize(
    impl: Any, *, rule: str, dialect: str | None = None, declare: tuple[str, ...] = ()
) -> Callable[[Any], Any]:
    """Put every case of a rule to an implementation, in a test file of its author's:

    >>> @parametrize("reference", rule="lion")
    ... def test_lion(question):
    ...     question.check()

    `impl` is what `--impl` takes, an object with `make`, a class of torch's kind, or a factory of
    optax's; `dialect` is the reading of the rule that it claims, and `declare` what an
    adapter would, as `--declare` takes it.
    """
    from .inline import parametrize as found  # noqa: PLC0415 - pytest loads this package everywhere

    return found(impl, rule=rule, dialect=dialect, declare=declare)

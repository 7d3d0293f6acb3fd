"""The golden answers: the reference replayed, bounded, compared and explained."""

from .case import Case
from .diagnose import diagnose, explain
from .judge import Verdict, judge
from .observe import ContractError, observe
from .replay import Stepper, make, replay
from .rounding import Arithmetic
from .rules import Pipeline, module, pipeline, read
from .truth import Truth

__all__ = [
    "Arithmetic",
    "Case",
    "ContractError",
    "Pipeline",
    "Stepper",
    "Truth",
    "Verdict",
    "diagnose",
    "explain",
    "judge",
    "make",
    "module",
    "observe",
    "pipeline",
    "read",
    "replay",
]

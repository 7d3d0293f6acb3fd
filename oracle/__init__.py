"""The golden answers: the reference replayed, bounded, compared and explained."""

from .case import Case
from .judge import ContractError, Truth, Verdict, diagnose, explain, judge, observe
from .replay import Stepper, make, replay
from .rounding import Arithmetic
from .rules import Pipeline, module, pipeline, read

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

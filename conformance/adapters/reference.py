"""The reference itself, put to its own questions: `--impl=reference`."""

from goldstep.oracle import make

capabilities = {"changes", "absences"}

__all__ = ["capabilities", "make"]

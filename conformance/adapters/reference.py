"""The reference itself, put to its own questions: `--impl=reference`."""

from goldstep.oracle.replay import implementation

dtypes = ("float64", "float32", "bfloat16", "float16")
capabilities = {"changes", "absences", "hypers", "mixed"}
make = implementation()

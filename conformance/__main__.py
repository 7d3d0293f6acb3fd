"""`python -m goldstep.conformance --impl=NAME`: the suite from an installed package, anywhere."""

import os
import sys
from pathlib import Path

import pytest

HELP = """\
Judge an implementation of optimizers, step by step, against the reference of goldstep.

  python -m goldstep.conformance --impl=torch
  python -m goldstep.conformance --impl=my_package.goldstep_adapter --rule=adamw --dtype=float32

  --impl=NAME    what to judge: an adapter that is shipped (torch, optax, reference), one that an
                 installed package registered, or a module with a function `make`; or without an
                 adapter, 'torch:pkg.module.Class' or 'optax:pkg.module.factory' with its --rule;
                 or in any language, 'cmd:./program'
  --dialect=RULE=NAME
                 claim a dialect of a rule, beside what the adapter claims
  --declare=NAME=VALUE
                 declare what an adapter may, as in scalar=float32 or dtypes=float32,bfloat16
  --rule=GLOB    only these rules, for example 'adam*' or 'l2+*'; may be given again
  --dtype=NAME   only this type of tensors: float64, float32, bfloat16, float16
  --case=GLOB    only these cases, as a failure names them
  --report=FILE  write what was found, as FILE.json, FILE.html or FILE.md; may be given again
  --badge=FILE   write an endpoint badge of shields.io
  --xp=LIBRARY[:DEVICE]
                 ask with arrays of this library and compare there: cupy, torch:cuda
  --xfail=FILE   a ledger of what is known to differ; --write-xfail=FILE writes one
  --shrink       show the smallest test that fails, with the first case of each cause
  --no-cache     compute every truth anew; else it is kept in GOLDSTEP_CACHE or ~/.cache/goldstep

Every other option is pytest's: -x, -n 2 (with pytest-xdist), --junitxml=FILE, ...
Exit code: 0 conforms, 1 does not, 4 the command line is wrong, 5 nothing was tested.
"""


def main(args: list[str]) -> int:
    if not args or {"-h", "--help"} & set(args):
        sys.stdout.write(HELP)
        return 0 if args else 4
    here = Path(__file__).parent
    own = ["-c", str(here / "pytest.ini"), f"--rootdir={here}", "-p", "no:cacheprovider"]
    try:
        code = int(pytest.main([*own, "--pyargs", "goldstep.conformance", *args]))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

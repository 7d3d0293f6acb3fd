"""The program `goldstep`: each file of this folder is one of its commands.

A command is a module with a docstring, which is its help; `arguments(parser)`, which adds what it
takes; and `run(options)`, which gives back the exit code. What takes long to import, `run` imports.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from goldstep.conformance.report import VERSION


def names() -> list[str]:
    """The commands there are. Discovery is by listing files."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="goldstep",
        description="The executable specification of neural-network optimizers, and its oracle.",
        epilog="Judge an implementation with: python -m goldstep.conformance --impl=NAME",
    )
    made.add_argument("--version", action="version", version=f"goldstep {VERSION}")
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in names():
        module = importlib.import_module(f"{__name__}.{name}")
        says = module.__doc__ or ""
        command = commands.add_parser(
            name,
            help=says.partition("\n")[0],
            description=says,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.arguments(command)
        command.set_defaults(run=module.run)
    return made


def main(args: Sequence[str] | None = None) -> int:
    """Run a command. A mistake of the user's is told in one sentence; the exit code is then 2."""
    options = parser().parse_args(args)
    try:
        code: int = options.run(options)
    except BrokenPipeError:  # whoever reads has seen enough
        return 0
    except (LookupError, ValueError, TypeError, OSError) as error:
        said = error.args[0] if isinstance(error, LookupError) and error.args else error
        if isinstance(error, OSError) and error.filename is not None:
            said = f"{error.filename}: {error.strerror}"
        sys.stderr.write(f"goldstep: {said}\n")
        return 2
    return code


def read(path: Path) -> Any:
    """What a file of JSON holds. ValueError names the file if it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} is no JSON: {error}"
        raise ValueError(msg) from error

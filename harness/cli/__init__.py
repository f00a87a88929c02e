"""The command ``harness``: parsing, and one clear message with the right exit code for everything that can go wrong."""

import os
import sys
from typing import NoReturn

import typer

from harness.cli import doctor, inspect, results, run, shell
from harness.elements import ElementError
from harness.programs import add_administrators_folders
from harness.results.formats import BrokenRun
from harness.sandbox import SandboxError, SandboxUnavailable
from harness.spec.errors import SpecificationError

EXIT_USAGE = 2
EXIT_LACKING = 4

app = typer.Typer(
    name="harness",
    help="Build a network, break it, measure it, judge it, draw it.",
    epilog="Example: harness run failover_quick --endpoint mptcp,tcp",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
doctor.register(app)
inspect.register(app)
run.register(app)
results.register(app)
shell.register(app)


def main() -> NoReturn:
    """Run the command; whatever a user can do wrong ends with a message, not a traceback."""
    add_administrators_folders()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a reader that has left is noticed, and not while Python ends
    except SpecificationError as error:
        _fail(EXIT_USAGE, str(error))
    except BrokenRun as error:
        _fail(EXIT_USAGE, str(error))
    except SandboxUnavailable as error:
        _fail(EXIT_LACKING, str(error))
    except SandboxError as error:
        _fail(EXIT_LACKING, str(error))
    except ElementError as error:
        _fail(EXIT_LACKING, str(error))
    except BrokenPipeError:
        # The reader of our output has left (harness list | head); nothing is to be told to anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(EXIT_USAGE, f"{where}{error.strerror or error}")
    sys.exit(0)


def _fail(code: int, message: str) -> NoReturn:
    for line in message.splitlines():
        print(f"harness: {line}", file=sys.stderr)
    sys.exit(code)

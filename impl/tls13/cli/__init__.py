"""The command ``tls``: parsing, and one clear message with the right exit code for everything that can go wrong."""

import os
import sys
from typing import NoReturn

import typer

from impl.tls13.cli import get, serve
from impl.tls13.cli.errors import CommandFailed, ReaderLeft

app = typer.Typer(
    name="tls",
    help="Fetch and serve over TLS 1.3.",
    epilog="Example: tls get https://example.org/",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
get.register(app)
serve.register(app)


def main() -> NoReturn:
    """Run the command; whatever can go wrong ends with a message, not a traceback."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a reader that has left is noticed, and not while Python ends
    except CommandFailed as failure:
        print(f"tls: {failure}", file=sys.stderr)
        sys.exit(failure.code)
    except (BrokenPipeError, ReaderLeft):
        # The reader of our output has left (tls get … | head); nothing is to be told to anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(0)

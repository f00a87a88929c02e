"""The command ``tcpls``: parsing, and one clear message with the right exit code for everything that can go wrong."""

import os
import sys
from typing import NoReturn

import typer

from impl.tcpls.cli import bench, get, ping, put, serve
from impl.tcpls.cli.errors import say
from impl.tls13.cli.errors import CommandFailed, ReaderLeft

app = typer.Typer(
    name="tcpls",
    help="Fetch, upload and serve over TCPLS: one TLS 1.3 session over several TCP connections.",
    epilog="Example: tcpls serve --ca-out ca.pem, and then tcpls get https://localhost:4433/bytes/1000000000 "
    "--ca ca.pem -o /dev/null",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (get, put, serve, ping, bench):
    command.register(app)


def main() -> NoReturn:
    """Run the command; whatever can go wrong ends with a message, not a traceback."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a reader that has left is noticed, and not while Python ends
    except CommandFailed as failure:
        say(str(failure))
        sys.exit(failure.code)
    except (BrokenPipeError, ReaderLeft):
        # The reader of our output has left (tcpls get … | head); nothing is to be told to anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(0)

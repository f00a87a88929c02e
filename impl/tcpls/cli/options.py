"""Options that the commands share: addresses, paths, schedulers, records, trust, logs and traces."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from impl.tcpls.cli import units
from impl.tcpls.joining import JoinMode
from impl.tcpls.padding import PaddingPolicy, parse_padding
from impl.tcpls.paths import Policy
from impl.tcpls.paths.candidates import parse_address
from impl.tcpls.schedulers import SCHEDULERS, make_scheduler
from impl.tls13.cli.errors import usage

PORT: Final = 4433
DEFAULT_SCHEDULER: Final = "earliest-completion"
ONE_AT_A_TIME: Final = "primary-backup"
"""The scheduler that uses one connection and keeps the others for a failure, and that can migrate."""

LocalAddresses = Annotated[
    list[str] | None, typer.Option("--local", metavar="ADDR", help="connect from this address; may be repeated")
]
RemoteAddresses = Annotated[
    list[str] | None,
    typer.Option("--remote", metavar="ADDR", help="another address of the server; may be repeated"),
]
PolicyName = Annotated[
    Policy,
    typer.Option(
        "--policy",
        help="which pairs of addresses get a connection: all of them; all, but one is used as long as it works; "
        "the next one when no connection works; only the first",
    ),
]
Join = Annotated[
    JoinMode,
    typer.Option("--join", help="join connections with what looks like a whole TLS handshake, or without a round trip"),
]
SchedulerName = Annotated[
    str | None,
    typer.Option(
        "--scheduler", metavar="NAME", help=f"which connection carries what this side sends: {', '.join(SCHEDULERS)}"
    ),
]
RecordSize = Annotated[
    str, typer.Option("--record-size", metavar="BYTES", help="content of a record, at most: 64 to 16384")
]
Padding = Annotated[
    str, typer.Option("--padding", metavar="POLICY", help="none, block[:BYTES], or random[:BYTES] at most")
]
Congestion = Annotated[
    str | None, typer.Option("--congestion", metavar="NAME", help="TCP's congestion control; the system's when absent")
]
FastOpen = Annotated[bool, typer.Option("--fast-open", help="use TCP Fast Open where the system allows it")]
Insecure = Annotated[bool, typer.Option("--insecure", "-k", help="believe any server")]
CaFile = Annotated[
    Path | None,
    typer.Option("--ca", "--cafile", metavar="FILE", help="authorities to believe (PEM); the system's when absent"),
]
SessionFile = Annotated[
    Path | None,
    typer.Option("--session", metavar="FILE", help="resume the session in it, if there is one, and keep the next one"),
]
Patience = Annotated[
    float,
    typer.Option("--patience", metavar="SECONDS", min=0.1, help="how long to go on without any connection"),
]
KeyLog = Annotated[
    Path | None, typer.Option("--key-log", metavar="FILE", help="append secrets there; else where SSLKEYLOGFILE says")
]
Qlog = Annotated[
    Path | None, typer.Option("--qlog", metavar="DIR", help="write traces into it; else where QLOGDIR says")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="tell what happens")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="tell of failures only")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON on standard output")]


def local_addresses(texts: Sequence[str] | None) -> tuple[str, ...]:
    """The addresses to connect from, each once."""
    try:
        # A link-local address comes with its interface.
        for text in texts or ():
            parse_address(text)
    except ValueError as error:
        raise usage(f"--local: {error}") from None
    return tuple(dict.fromkeys(texts or ()))


def scheduler(name: str | None, *, one_at_a_time: bool = False) -> str:
    """The scheduler's name, or the one that fits."""
    if name is None:
        return ONE_AT_A_TIME if one_at_a_time else DEFAULT_SCHEDULER
    try:
        make_scheduler(name)
    except ValueError as error:
        raise usage(f"--scheduler: {error}") from None
    return name


def padding(text: str) -> PaddingPolicy | None:
    """The padding policy."""
    try:
        return parse_padding(text)
    except ValueError as error:
        raise usage(f"--padding: {error}") from None


def size(text: str, option: str) -> int:
    """A number of bytes."""
    try:
        return units.parse_size(text)
    except ValueError as error:
        raise usage(f"{option}: {error}") from None


def record_size(text: str) -> int:
    """The content of a record, at most."""
    count = size(text, "--record-size")
    if not 64 <= count <= 2**14:
        raise usage(f"--record-size: records of {count} bytes; allowed are 64 to 16384")
    return count

"""The program of the endpoint quic: ``python -m impl.quic.endpoint client``."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Final

import aioquic

from impl.contract.eventlog import EventLog
from impl.contract.setting import UNSUPPORTED, EndpointError, Role, Setting, UnsupportedError, read_setting
from impl.quic.client import Client
from impl.quic.configuration import configure
from impl.quic.edge import Edge
from impl.quic.qlog import StreamingLogger
from impl.quic.server import Server

_CONNECT_LIMIT: Final = 15.0


class _Terminated(Exception):
    """SIGTERM came, and the client had not done."""


def main(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the program and return its exit status: 0 done, 127 unsupported, 1 anything else (one line on stderr)."""
    parser = argparse.ArgumentParser(
        prog="python -m impl.quic.endpoint", description="Transfers a payload over QUIC, as the environment says."
    )
    parser.add_argument("role", choices=("client", "server"))
    parser.add_argument(
        "--connect-timeout", type=float, default=_CONNECT_LIMIT, metavar="SECONDS", help="for each address (15)"
    )
    options = parser.parse_args(arguments)
    role: Role = options.role
    try:
        _run(read_setting(variables, role), role, options.connect_timeout)
    except _Terminated:
        print(f"{role}: ended by SIGTERM", file=sys.stderr, flush=True)
        return 1
    except EndpointError as error:
        print(f"{role}: {error}", file=sys.stderr, flush=True)
        return UNSUPPORTED if isinstance(error, UnsupportedError) else 1
    except OSError as error:
        print(f"{role}: {error.filename or ''} {error.strerror or error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _run(setting: Setting, role: Role, connect_limit: float) -> None:
    with contextlib.ExitStack() as stack:
        events = stack.enter_context(EventLog(setting.events))
        keys = None if setting.keylog is None else stack.enter_context(setting.keylog.open("a", encoding="ascii"))
        configuration = configure(setting, role, keys=keys)
        if isinstance(configuration.quic_logger, StreamingLogger):
            stack.callback(configuration.quic_logger.close)
        edge = stack.enter_context(contextlib.closing(Edge()))
        events.write(
            "note", text=f"aioquic {aioquic.__version__}, datagrams of {configuration.max_datagram_size} bytes"
        )
        if role == "server":
            signal.signal(signal.SIGTERM, lambda _number, _frame: edge.stop())
            Server(setting, events, configuration, edge).serve()
        else:
            signal.signal(signal.SIGTERM, _terminate)
            Client(setting, events, configuration, edge, connect_limit=connect_limit).run()


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))

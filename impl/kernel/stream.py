"""The program of tcp, tls, mptcp and mptcp-tls: ``python -m impl.kernel.stream client --transport tcp``."""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Final

from impl.contract.eventlog import EventLog, open_events
from impl.contract.setting import UNSUPPORTED, EndpointError, Role, Setting, UnsupportedError, read_setting
from impl.kernel.client import Client
from impl.kernel.server import Server
from impl.kernel.sockets import Transport

_CONNECT_LIMIT: Final = 15.0


class _Terminated(EndpointError):
    """SIGTERM came."""


def main(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the program and return its exit status: 0 done, 127 unsupported, 1 anything else (one line on stderr)."""
    parser = argparse.ArgumentParser(
        prog="python -m impl.kernel.stream", description="Transfers a payload, as the environment says."
    )
    parser.add_argument("role", choices=("client", "server"))
    parser.add_argument("--transport", choices=[str(name) for name in Transport], required=True)
    parser.add_argument(
        "--connect-timeout", type=float, default=_CONNECT_LIMIT, metavar="SECONDS", help="for each address (15)"
    )
    options = parser.parse_args(arguments)
    role: Role = options.role
    transport = Transport(options.transport)
    try:
        setting = read_setting(variables, role)
        with open_events(setting) as events:
            if role == "server":
                _serve(setting, transport, events)
            else:
                signal.signal(signal.SIGTERM, _terminate)
                Client(setting, transport, events, connect_limit=options.connect_timeout).run()
    except EndpointError as error:
        print(f"{role}: {error}", file=sys.stderr, flush=True)
        return UNSUPPORTED if isinstance(error, UnsupportedError) else 1
    return 0


def _serve(setting: Setting, transport: Transport, events: EventLog) -> None:
    server = Server(setting, transport, events)
    signal.signal(signal.SIGTERM, lambda _number, _frame: server.close())
    server.serve()


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated("ended by SIGTERM")


if __name__ == "__main__":
    # Threads that still wait for a peer must not hold up the end: all that matters is written by now.
    status = main(sys.argv[1:], os.environ)
    sys.stderr.flush()
    os._exit(status)

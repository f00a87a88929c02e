"""The program of the endpoint tcpls: ``python -m impl.tcpls.endpoint client [--scheduler NAME] [--join MODE]``."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from impl.contract.eventlog import EventLog, open_events
from impl.contract.setting import UNSUPPORTED, EndpointError, Role, Setting, UnsupportedError, read_setting
from impl.tcpls.endpoint.client import Client
from impl.tcpls.endpoint.options import Options, read_options
from impl.tcpls.endpoint.server import Server
from impl.tcpls.schedulers import SCHEDULERS


def main(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the program and return its exit status: 0 done, 127 unsupported, 1 anything else (one line on stderr)."""
    parser = argparse.ArgumentParser(
        prog="python -m impl.tcpls.endpoint", description="Transfers a payload over TCPLS, as the environment says."
    )
    parser.add_argument("role", choices=("client", "server"))
    parser.add_argument("--scheduler", choices=sorted(SCHEDULERS), help="in place of what HARNESS_MULTIPATH asks for")
    parser.add_argument("--join", choices=("apparent", "direct"), default="direct", help="how connections are joined")
    parser.add_argument("--padding", default="none", help="none, block:BYTES or random:BYTES")
    parser.add_argument(
        "--paths", choices=("all", "backup", "on-failure"), help="which connections there are, likewise"
    )
    parsed = parser.parse_args(arguments)
    role: Role = parsed.role
    try:
        setting = read_setting(variables, role)
        options = read_options(parsed, variables, setting)
        with open_events(setting) as events:
            asyncio.run(_run(role, setting, options, events))
    except EndpointError as error:
        print(f"{role}: {error}", file=sys.stderr, flush=True)
        return UNSUPPORTED if isinstance(error, UnsupportedError) else 1
    return 0


async def _run(role: Role, setting: Setting, options: Options, events: EventLog) -> None:
    """Do the work of one role until it is done, or SIGTERM comes."""
    work = Server(setting, options, events).run() if role == "server" else Client(setting, options, events).run()
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
        return
    if role == "client":
        raise EndpointError("ended by SIGTERM")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))

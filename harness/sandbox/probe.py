"""Tries, inside a sandbox, what a run needs; prints what worked as JSON. Run by ``harness.sandbox.check``."""

import json
import os
import subprocess
from collections.abc import Callable


def _user() -> str:
    if os.geteuid() != 0:
        raise OSError(f"user {os.geteuid()} instead of 0")
    return "user 0"


def _interfaces() -> str:
    command = ["ip", "link", "add", "probe-a", "type", "veth", "peer", "name", "probe-b"]
    subprocess.run(command, check=True, capture_output=True)
    return "a veth pair was made"


def _temporary() -> str:
    folder = os.environ["TMPDIR"]
    with open(os.path.join(folder, "probe"), "w"):
        return folder


def _realtime() -> str:
    priority = os.sched_get_priority_min(os.SCHED_FIFO)
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return "SCHED_FIFO allowed"


PROBES: dict[str, Callable[[], str]] = {
    "user": _user,
    "interfaces": _interfaces,
    "temporary": _temporary,
    "realtime": _realtime,
}


def main() -> None:
    """Try each probe and print ``{name: [worked, text]}``."""
    results: dict[str, tuple[bool, str]] = {}
    for name, probe in PROBES.items():
        try:
            results[name] = (True, probe())
        except subprocess.CalledProcessError as error:
            results[name] = (False, error.stderr.decode(errors="replace").strip())
        except OSError as error:
            results[name] = (False, error.strerror or str(error))
    print(json.dumps(results))


if __name__ == "__main__":
    main()

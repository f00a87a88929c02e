"""The command tcpls as a user runs it, and a running ``tcpls serve``."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

TCPLS = [sys.executable, "-m", "impl.tcpls.cli"]
_OWN = ("SSLKEYLOGFILE", "QLOGDIR", "COLUMNS")


@dataclass
class Result:
    """How a command ended."""

    code: int
    out: bytes
    err: str


class Command(Protocol):
    """Runs the command to its end, in this process."""

    def __call__(self, *arguments: str | Path, **variables: str) -> Result: ...


def environment(**variables: str) -> dict[str, str]:
    """This process's, without what changes the command, and with some variables."""
    return {name: value for name, value in os.environ.items() if name not in _OWN} | variables


@dataclass
class Service:
    """A running ``tcpls serve``.

    Attributes:
        process: it.
        greeting: what it said up to its last address.
        port: of its addresses.
        ca: its certificate.

    """

    process: subprocess.Popen[str]
    greeting: str
    port: int
    ca: Path

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"https://{host}:{self.port}{path}"

    def line(self) -> str:
        """The next line that it says."""
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Send a signal; what it said since."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, err
        assert "Traceback" not in err
        return err


@contextmanager
def service(
    folder: Path, *arguments: str | Path, addresses: tuple[str, ...] = ("127.0.0.1",), **variables: str
) -> Iterator[Service]:
    """Serve on a port that is free, with a certificate made for the purpose."""
    ca = folder / "ca.pem"
    command = [*TCPLS, "serve", *addresses, "--port", "0", "--ca-out", str(ca), *map(str, arguments)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment(**variables), start_new_session=True
    )
    assert process.stderr is not None
    greeting = ""
    try:
        while greeting.count("listening") < len(addresses):
            line = process.stderr.readline()
            assert line, greeting
            greeting += line
        running = Service(process, greeting, int(greeting.rstrip().rpartition(":")[2]), ca)
        yield running
        if process.poll() is None:
            running.stop()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()

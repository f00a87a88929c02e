"""The command tls as a user runs it, its files, and other programs as its peers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

TLS = [sys.executable, "-m", "impl.tls13.cli"]


@dataclass
class Result:
    """How a command ended."""

    code: int
    out: bytes
    err: str


class Command(Protocol):
    """Runs the command to its end, in this process."""

    def __call__(self, *arguments: str | Path, key_log: Path | None = None) -> Result: ...


def environment(key_log: Path | None = None) -> dict[str, str]:
    """This process's, with or without a key log."""
    variables = {name: value for name, value in os.environ.items() if name != "SSLKEYLOGFILE"}
    return {**variables, "SSLKEYLOGFILE": str(key_log)} if key_log else variables


@dataclass
class Service:
    """A running ``tls serve``.

    Attributes:
        process: it.
        greeting: what it said up to its first address.
        port: of that address.

    """

    process: subprocess.Popen[str]
    greeting: str
    port: int

    def url(self, path: str = "/") -> str:
        return f"https://localhost:{self.port}{path}"

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Send a signal; what it said since."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, err
        assert "Traceback" not in err
        return err


@contextmanager
def service(*arguments: str | Path, key_log: Path | None = None) -> Iterator[Service]:
    """Serve on a port of 127.0.0.1 that is free."""
    command = [*TLS, "serve", "--listen", "127.0.0.1:0", *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(key_log))
    assert process.stderr is not None
    greeting = ""
    try:
        while "listening" not in greeting:
            line = process.stderr.readline()
            assert line, greeting
            greeting += line
        port = int(greeting.rstrip().rpartition(":")[2])
        running = Service(process, greeting, port)
        yield running
        if process.poll() is None:
            running.stop()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


@dataclass
class Files:
    """Certificate and key on disk."""

    folder: Path
    certificate: Path
    key: Path

    @property
    def served(self) -> list[str | Path]:
        return ["--cert", self.certificate, "--key", self.key]


@contextmanager
def other_server(files: Files, answer: bytes, *, unwrap: bool) -> Iterator[str]:
    """Python's ssl in another process: answers one request."""
    program = (
        "import socket, ssl, sys\n"
        "context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)\n"
        "context.load_cert_chain(sys.argv[1], sys.argv[2])\n"
        "with socket.create_server(('127.0.0.1', 0)) as listening:\n"
        "    print(listening.getsockname()[1], flush=True)\n"
        "    raw = listening.accept()[0]\n"
        "secured = context.wrap_socket(raw, server_side=True)\n"
        "secured.recv(10000)\n"
        "secured.sendall(bytes.fromhex(sys.argv[3]))\n"
        "if sys.argv[4] == 'True':\n"
        "    secured.unwrap()\n"
        "secured.close()\n"
    )
    command = [sys.executable, "-c", program, str(files.certificate), str(files.key), answer.hex(), str(unwrap)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"https://localhost:{process.stdout.readline().strip()}/"
        process.wait(timeout=10)

"""Programs that run beside a test, of whose output it waits for what it expects."""

import os
import re
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

PATIENCE = 10.0
"""How long a test waits for anything that a peer does, seconds: it is over much sooner unless something is wrong."""

_NOT_OURS = ("SSLKEYLOGFILE", "OPENSSL_CONF", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Program:
    """A program whose input is a pipe, and whose output, errors included, is kept. It ends with its context."""

    def __init__(self, command: Sequence[str | Path], environment: dict[str, str] | None = None) -> None:
        self.name = " ".join(map(str, command))
        self._position = 0  # in the output, behind what was expected last
        self._forgotten = 0
        self._bytes = bytearray()
        self._ended = False
        self._changed = threading.Condition()
        surroundings = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=surroundings | (environment or {}),
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def output(self) -> str:
        """All that it has printed, in Latin-1: each byte is a character."""
        with self._changed:
            return self._bytes.decode("latin-1")

    @property
    def recent(self) -> str:
        """What it has printed since ``forget``."""
        return self.output[self._forgotten :]

    def report(self, problem: str) -> str:
        """A message for a failure: the problem, and what the program has printed."""
        return f"{problem}\n--- output of {self.name}\n{self.output}\n---"

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait for output that matches, after what was expected before; the test fails if it does not come."""
        wanted = re.compile(pattern)

        def found() -> re.Match[str] | None:
            return wanted.search(self._bytes.decode("latin-1"), self._position)

        with self._changed:
            self._changed.wait_for(lambda: self._ended or found(), PATIENCE)
            match = found()
            ended = self._ended
        if match is None:
            why = "it has ended" if ended else f"waited for {PATIENCE:g} s"
            pytest.fail(self.report(f"{pattern!r} is not in the output; {why}"))
        self._position = match.end()
        return match

    def forget(self) -> None:
        """Look no more at what it has printed up to now."""
        with self._changed:
            self._position = self._forgotten = len(self._bytes)

    def type(self, text: str) -> None:
        """Write to its input; the test fails if it has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(text.encode())
        except BrokenPipeError:
            pytest.fail(self.report(f"it has ended, and cannot be given {text!r}"))

    def finish(self) -> int:
        """Close its input, wait for its end, and return its exit code; the test fails if it does not end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(self.report(f"it has not ended within {PATIENCE:g} s"))
        self._thread.join()
        return code

    def kill(self) -> None:
        """End it, whatever it does."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.kill()
        process.wait()
        self._thread.join()
        process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while piece := self._process.stdout.read(2**16):
            with self._changed:
                self._bytes += piece
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def run(command: Sequence[str | Path]) -> str:
    """Run a program to its end and return its output; the test fails if its exit code is not 0."""
    with Program(command) as program:
        if program.finish():
            pytest.fail(program.report("the program has failed"))
        return program.output

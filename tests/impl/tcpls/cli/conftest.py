"""What tests of the command tcpls share: the command itself, and a server."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from impl.tcpls.cli import main
from tests.impl.tcpls.cli.commands import Command, Result, Service, environment, service


@pytest.fixture
def tcpls(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Command:
    def run(*arguments: str | Path, **variables: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["tcpls", *map(str, arguments)])
        monkeypatch.setattr(os, "environ", environment(**variables))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfdbinary.readouterr()
        assert isinstance(ended.value.code, int)
        assert b"Traceback" not in err
        return Result(ended.value.code, out, err.decode())

    return run


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for tests that change nothing in it but the folder of uploads; it follows a client that migrates."""
    folder = tmp_path_factory.mktemp("tcpls")
    (folder / "root").mkdir()
    (folder / "root" / "file.txt").write_text("a file")
    (folder / "root" / "other.txt").write_text("another file")
    (folder / "uploads").mkdir()
    addresses = ("127.0.0.1", "127.0.0.2", "::1")
    options: list[str | Path] = [
        "--root",
        folder / "root",
        "--upload",
        folder / "uploads",
        "--scheduler",
        "primary-backup",
        "--quiet",
    ]
    with service(folder, *options, addresses=addresses) as running:
        yield running

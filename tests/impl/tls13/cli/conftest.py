"""What tests of the command tls share: the command itself, a certificate, and a server."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from impl.tls13.cli import main
from tests.support.tls_command import Command, Files, Result, Service, environment, service
from tests.support.tls_streams import identity


@pytest.fixture
def tls(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Command:
    def run(*arguments: str | Path, key_log: Path | None = None) -> Result:
        monkeypatch.setattr(sys, "argv", ["tls", *map(str, arguments)])
        monkeypatch.setattr(os, "environ", environment(key_log))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfdbinary.readouterr()
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, out, err.decode())

    return run


@pytest.fixture(scope="package")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    return Files(folder, *identity().write(folder))


@pytest.fixture(scope="package")
def shared(files: Files) -> Iterator[Service]:
    """A service for tests that change nothing in it."""
    root = files.folder / "root"
    (root / "folder").mkdir(parents=True)
    (root / "file.txt").write_text("a file")
    (root / "folder" / "with space.html").write_text("<p>")
    (root / "empty").write_bytes(b"")
    (root / "out").symlink_to(files.key)
    (root / "in").symlink_to(root / "file.txt")
    with service(*files.served, "--root", root, "--alpn", "http/1.1") as running:
        yield running

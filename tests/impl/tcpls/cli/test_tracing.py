"""Where traces go, and when their files are closed."""

from pathlib import Path

import pytest

from impl.tcpls.cli.tracing import SessionTrace, make_trace, trace_folder
from impl.tcpls.qlog import read_qlog
from impl.tcpls.trace import NO_TRACE
from impl.tls13.cli.errors import CommandFailed


class TestFolder:
    def test_the_option_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("QLOGDIR", str(tmp_path / "variable"))
        assert trace_folder(tmp_path / "option" / "deep") == tmp_path / "option" / "deep"
        assert (tmp_path / "option" / "deep").is_dir()
        assert trace_folder(None) == tmp_path / "variable"

    def test_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("QLOGDIR", raising=False)
        assert trace_folder(None) is None
        assert make_trace(None, "client") is NO_TRACE

    def test_it_cannot_be_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(CommandFailed, match=r"^--qlog: .*file"):
            trace_folder(tmp_path / "file")
        monkeypatch.setenv("QLOGDIR", str(tmp_path / "file" / "x"))
        with pytest.raises(CommandFailed, match=r"^QLOGDIR: "):
            trace_folder(None)


class TestTrace:
    def test_it_ends_with_the_session(self, tmp_path: Path) -> None:
        first, second = make_trace(tmp_path, "client"), make_trace(tmp_path, "client")
        assert isinstance(first, SessionTrace)
        assert isinstance(second, SessionTrace)
        assert first.path != second.path
        first.event(1.0, "session_closed", {"reason": "closed", "clean": True})
        assert not first.enabled
        assert second.enabled
        second.close()
        assert "session_closed" in first.path.read_text()
        assert read_qlog(first.path)

"""Tables, progress and JSON."""

import io
import json

import pytest
from rich.console import Console, RenderableType
from rich.progress import Progress

from impl.tcpls.cli import report
from impl.tcpls.cli.recorder import Moment, Row


def row(number: int = 0, state: str = "open", **values: object) -> Row:
    fields: dict[str, object] = {
        "path": "127.0.0.1 → 127.0.0.2",
        "local": "127.0.0.1:1000",
        "remote": "127.0.0.2:4433",
        "sent": 999_000_000,
        "received": 999_000_000,
        "duplicate": 0,
        "share": 1.0,
        "srtt": 0.0999,
        "rate": 124.9e6,
        "reason": "",
    }
    return Row(connection_id=number, state=state, **{**fields, **values})  # type: ignore[arg-type]


def shown(what: RenderableType, width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, markup=False).print(what)
    return file.getvalue()


class TestTables:
    def test_connections_fit_into_a_terminal(self) -> None:
        text = shown(report.connections_table([row(), row(1, "suspect", srtt=None)]))
        assert len(text.splitlines()) == 4
        assert "127.0.0.1 → 127.0.0.2  open     999 MB    999 MB   100%  99.9 ms  999 Mbit/s" in text
        assert "suspect" in text
        assert " – " in text

    def test_what_went_wrong_is_below(self) -> None:
        lines = report.troubles([row(), row(1, "failed", reason="cut")], [("a → b", "no route leads there")])
        assert [line.plain for line in lines] == [
            "connection 1 has failed: cut",
            "a → b: no connection: no route leads there",
        ]

    def test_a_timeline(self) -> None:
        text = shown(report.timeline_table([Moment(0.0015, "started", None, "X"), Moment(2, "recovered", 1, "")]))
        assert text.split() == ["1.5", "ms", "session", "started:", "X", "2000.0", "ms", "connection", "1", "recovered"]


class TestJson:
    def test_rows_and_moments(self, capsys: pytest.CaptureFixture[str]) -> None:
        report.print_json({"rows": report.rows_json([row()]), "moments": report.moments_json([Moment(1, "a", 2, "")])})
        told = json.loads(capsys.readouterr().out)
        assert told["rows"][0]["rtt"] == 0.0999
        assert told["rows"][0]["reason"] is None
        assert told["moments"] == [{"seconds": 1, "what": "a", "connection": 2, "text": None}]


class TestDisplay:
    def test_bars(self) -> None:
        file = io.StringIO()
        progress = Progress(console=Console(file=file, force_terminal=True, width=80))
        bars = report.Bars(progress)
        first, second = bars.begin("one", None), bars.begin("two", 10)
        bars.resize(first, 100)
        bars.advance(first, 50)
        bars.drop(second)
        third = bars.begin("three", 10)
        bars.advance(third, 10)
        (one, three) = progress.tasks
        assert (one.description, one.percentage, three.finished) == ("one", 50, True)

    def test_nothing_without_a_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        with report.display(wanted=True) as display:
            number = display.begin("one", 10)
            display.resize(number, 5)
            display.advance(number, 5)
            display.drop(number)
        assert capsys.readouterr() == ("", "")

    def test_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        with report.display(wanted=True) as display:
            display.advance(display.begin("the name", 1000), 1000)
        assert "the name" in terminal.getvalue()
        assert "1.00 kB of 1.00 kB" in terminal.getvalue()

"""Moves from path to path by the priorities of the path manager's addresses."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.contract.eventlog import EventLog
from impl.contract.setting import EndpointError
from impl.kernel.migration import Migration, change_address


class Kernel:
    """Which addresses are backups, as a kernel that is told keeps it."""

    def __init__(self) -> None:
        self.backups: dict[str, bool] = {}
        self.least_regular = 9

    def change(self, address: str, backup: bool) -> None:
        self.backups[address] = backup
        self.least_regular = min(self.least_regular, len(self.regular))

    @property
    def regular(self) -> list[str]:
        return [address for address, backup in self.backups.items() if not backup]


class TestMoves:
    @given(
        marks=st.lists(st.integers(1, 1000), max_size=6, unique=True).map(sorted),
        pieces=st.lists(st.integers(0, 400), max_size=20),
        count=st.integers(2, 4),
    )
    def test_one_address_is_regular_at_a_time(self, marks: list[int], pieces: list[int], count: int) -> None:
        kernel = Kernel()
        addresses = [f"10.0.{number}.1" for number in range(count)]
        with EventLog(Path("/dev/null")) as events:
            migration = Migration(marks, addresses, kernel.change, events)
            migration.begin()
            total = 0
            for piece in pieces:
                migration.received(piece)
                total += piece
                moves = sum(mark <= total for mark in marks)
                assert kernel.regular == [addresses[moves % count]]
        assert kernel.least_regular == 1, "there is always a path that is no backup"

    def test_events(self, tmp_path: Path) -> None:
        with EventLog(tmp_path / "events") as events:
            migration = Migration([10, 20], ["a", "b"], Kernel().change, events)
            migration.begin()
            migration.received(25)
        lines = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
        assert [(line["event"], line["path"], line["from"]) for line in lines] == [
            ("migrated", "b", "a"),
            ("migrated", "a", "b"),
        ]


class TestKernel:
    def test_refusal_is_told(self) -> None:
        with pytest.raises(EndpointError, match=r"cannot migrate: ip mptcp endpoint change 192\.0\.2\.7 backup: ."):
            change_address("192.0.2.7", True)

    def test_no_tool(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(EndpointError, match="cannot migrate: ip mptcp endpoint change"):
            change_address("192.0.2.7", False)

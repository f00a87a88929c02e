"""Everything that a run measured, read from the files of its directory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from harness.results import formats
from harness.results.formats import BrokenRun, GoodputRow, LatencyRow, MachineRow, PathRow, TcpInfoRow


@dataclass(frozen=True, kw_only=True)
class RunData:
    """The tables of a run directory. Tables that the run did not write are empty."""

    goodput: list[GoodputRow]
    paths: list[PathRow]
    tcp_info: list[TcpInfoRow]
    latency: list[LatencyRow]
    machine: list[MachineRow]
    timeline: list[dict[str, Any]]
    calibration: list[dict[str, Any]]
    client_events: list[dict[str, Any]]
    server_events: list[dict[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read all tables of a run directory.

        Raises:
            BrokenRun: a file is not in its format.

        """
        calibration = formats.read_json(folder / formats.CALIBRATION)
        if calibration is not None and not (
            isinstance(calibration, list) and all(isinstance(entry, dict) for entry in calibration)
        ):
            raise BrokenRun(f"{folder / formats.CALIBRATION}: expected: a list of objects")
        return cls(
            goodput=formats.read_rows(folder / formats.GOODPUT, GoodputRow),
            paths=formats.read_rows(folder / formats.PATHS, PathRow),
            tcp_info=formats.read_rows(folder / formats.TCP_INFO, TcpInfoRow),
            latency=formats.read_rows(folder / formats.LATENCY, LatencyRow),
            machine=formats.read_rows(folder / formats.MACHINE, MachineRow),
            timeline=formats.read_lines(folder / formats.TIMELINE),
            calibration=calibration or [],
            client_events=_events(folder / formats.CLIENT_EVENTS),
            server_events=_events(folder / formats.SERVER_EVENTS),
        )


def _events(path: Path) -> list[dict[str, Any]]:
    """Read an endpoint's own lines: it may be broken, which is for the verdict to say, not a reason to read nothing."""
    try:
        return formats.read_lines(path)
    except BrokenRun:
        return []

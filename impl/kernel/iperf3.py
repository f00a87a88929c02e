"""iperf3 as an endpoint: runs it, and turns its report into event lines: ``python -m impl.kernel.iperf3 client``.

What iperf3 3.12 does, and what follows from it:

- With --json it reports only at its end, with intervals relative to its own start. The start on the monotonic clock is
  seen from its sockets: the server starts when it has accepted the last data connection, the client one round trip
  after its last data connection was established.
- With -F the sending side reads a file and the receiving side writes one. But after a write to the socket that took
  only a part (any write on a full buffer) 3.12 overwrites what it kept back: the received file differs from the sent
  one although TCP lost nothing. So files are not used, iperf3's own bytes are sent, and there is no hash.
- The receiver stops reading when the client says on the control connection that the test is over. In an upload the
  client says so when its last byte is in its own socket's buffer, and what is under way is lost. So in an upload it
  sends as many more bytes as that buffer can hold, which are not counted. (A receiver that does not
  keep up with its path loses more than that; then 'done' has fewer bytes, and says so.)
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from impl.contract.eventlog import EventLog
from impl.contract.setting import UNSUPPORTED, EndpointError, Role, Setting, UnsupportedError, read_setting

INTERVAL: Final = 0.1
_CONNECT_LIMIT_MS: Final = 15_000
_LOOK: Final = 0.002
_ESTABLISHED: Final = "01"
_LISTEN: Final = "0A"


class CannotConnect(EndpointError):
    """The server was not reached by this pair of addresses."""


class _Terminated(Exception):
    """SIGTERM came."""


@dataclass(frozen=True)
class Interval:
    """Bytes that one stream received in one interval; begin and end in seconds since the test's start."""

    stream: int
    begin: float
    end: float
    bytes: int


def intervals(report: Mapping[str, Any], limit: int) -> list[Interval]:
    """Read the intervals of a receiver's report, in order of time; at most ``limit`` bytes are counted.

    Raises:
        EndpointError: the report is not as iperf3 3.x writes it.

    """
    try:
        numbers = {entry["socket"]: place for place, entry in enumerate(report["start"]["connected"])}
        found = [
            Interval(numbers[part["socket"]], part["start"], part["end"], part["bytes"])
            for interval in report["intervals"]
            for part in interval["streams"]
            if not part.get("sender")
        ]
    except (KeyError, TypeError) as error:
        raise EndpointError(f"cannot read iperf3's report: {error!r} is missing or unexpected") from None
    found.sort(key=lambda interval: (interval.end, interval.stream))
    counted = []
    for interval in found:
        taken = min(interval.bytes, limit)
        limit -= taken
        if taken:
            counted.append(Interval(interval.stream, interval.begin, interval.end, taken))
    return counted


def _duration(report: Mapping[str, Any]) -> float:
    """Return the seconds from the test's start to the end of its last interval."""
    return max((interval["sum"]["end"] for interval in report.get("intervals", [])), default=0.0)


class Watch:
    """Sees from the sockets when a test started."""

    def __init__(self, role: Role, port: int, streams: int) -> None:
        self._column = 1 if role == "server" else 2
        self._role = role
        self._port = f":{port:04X}"
        self._wanted = streams + 1  # and the control connection
        self._appeared: int | None = None
        self.started: int | None = None

    def look(self) -> None:
        """Look once; ``started`` is the start in monotonic ns as soon as it is known."""
        states = self._states()
        now = time.monotonic_ns()
        if len(states) >= self._wanted and self._appeared is None:
            self._appeared = now
        if self._appeared is not None and states.count(_ESTABLISHED) >= self._wanted:
            round_trip = now - self._appeared if self._role == "client" else 0
            self.started = now + round_trip

    def _states(self) -> list[str]:
        states = []
        for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
            try:
                lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
            except OSError:
                continue
            for line in lines:
                columns = line.split()
                if columns[self._column].endswith(self._port) and columns[3] != _LISTEN:
                    states.append(columns[3])
        return states


class Wrapper:
    """One run of iperf3 in one role; ``folder`` takes its report."""

    def __init__(self, setting: Setting, role: Role, events: EventLog, folder: Path) -> None:
        self._setting = setting
        self._role: Role = role
        self._events = events
        self._output = folder / "report.json"

    def run(self) -> None:
        """Do the test case.

        Raises:
            EndpointError: iperf3 failed; the message is its own.

        """
        if self._role == "server":
            self._run_once(self._server_command(), "any address")
            return
        reasons = []
        for local, remote in self._setting.pairs():
            try:
                self._run_once(self._client_command(local, remote), local or "any address")
                return
            except CannotConnect as error:
                reasons.append(f"{local or 'any address'} to {remote}: {error}")
                if local is not None:
                    self._events.write("path_failed", path=local, reason=str(error))
        raise EndpointError(f"no path to the server: {'; '.join(reasons)}")

    def _surplus(self) -> int:
        """Bytes to send beyond the payload, so that all of the payload has left the sender's buffers at the end."""
        if self._setting.testcase != "upload":
            return 0
        most = int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text(encoding="ascii").split()[2])
        return most * self._setting.streams

    def _server_command(self) -> list[str]:
        setting = self._setting
        bind = ["-B", setting.listen[0]] if len(set(setting.listen)) == 1 else []
        return ["iperf3", "-s", "-1", *bind, *self._common()]

    def _client_command(self, local: str | None, remote: str) -> list[str]:
        setting = self._setting
        command = ["iperf3", "-c", remote, *(["-B", local] if local else []), *self._common()]
        command += ["-n", str(setting.bytes + self._surplus()), "-P", str(setting.streams)]
        command += ["--connect-timeout", str(_CONNECT_LIMIT_MS)]
        command += ["-R"] if setting.testcase == "download" else []
        command += ["-C", setting.congestion] if setting.congestion else []
        return command

    def _common(self) -> list[str]:
        return ["-p", str(self._setting.port), "--json", "-i", str(INTERVAL)]

    def _run_once(self, command: list[str], path: str) -> None:
        watch = Watch(self._role, self._setting.port, self._setting.streams)
        with self._output.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stdin=subprocess.DEVNULL)
        try:
            while watch.started is None and process.poll() is None:
                watch.look()
                time.sleep(_LOOK)
            process.wait()
            ended = time.monotonic_ns()
        except BaseException:
            process.kill()
            process.wait()
            raise
        self._report(self._output.read_text(encoding="utf-8", errors="replace"), process.returncode, watch, ended, path)

    def _report(self, text: str, code: int, watch: Watch, ended: int, path: str) -> None:
        try:
            report = json.loads(text)
        except ValueError:
            raise EndpointError(f"iperf3 ended with status {code} and this: {text.strip()[:200]!r}") from None
        failure = report.get("error")
        if failure and "unable to connect" in failure:
            raise CannotConnect(f"iperf3: {failure}")
        if failure or code:
            raise EndpointError(f"iperf3: {failure or f'exit status {code}'}")
        # A late look puts the start too late; it cannot be later than the end less what the test took. So too for a
        # test so short that it fitted between two looks.
        latest = ended - round(_duration(report) * 1e9)
        started = latest if watch.started is None else min(latest, watch.started)
        congestion = report.get("end", {}).get("sender_tcp_congestion")
        wanted = self._setting.congestion
        if wanted and congestion and congestion != wanted:
            raise EndpointError(f"congestion control {wanted!r} was asked for, but iperf3 sent with {congestion!r}")
        named = path if self._role == "client" else None
        self._events.write_at(started, "connected", path=named, congestion=congestion)
        if self._setting.sends(self._role):
            self._events.write("sent", bytes=self._setting.bytes)
        else:
            self._report_received(report, started, named)

    def _report_received(self, report: Mapping[str, Any], started: int, path: str | None) -> None:
        size = self._setting.bytes
        counted = intervals(report, size)
        now = time.monotonic_ns()
        for place, interval in enumerate(counted):
            # An interval is a moment here: its middle, but for the last one, whose end is that of the transfer.
            last = place == len(counted) - 1
            moment = interval.end if last else (interval.begin + interval.end) / 2
            self._events.write_at(
                min(now, started + round(moment * 1e9)),
                "received",
                bytes=interval.bytes,
                stream=interval.stream,
                path=path,
                interval_ms=round((interval.end - interval.begin) * 1e3, 3),
            )
        received = sum(interval.bytes for interval in counted)
        reason = "iperf3 keeps nothing of what it receives"
        if received < size:
            reason += f", and it ended its test when {received} of {size} bytes had been received"
        self._events.write("done", bytes=received, reason=reason)


def main(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the program and return its exit status: 0 done, 127 unsupported, 1 anything else (one line on stderr)."""
    parser = argparse.ArgumentParser(
        prog="python -m impl.kernel.iperf3", description="Runs iperf3, as the environment says."
    )
    parser.add_argument("role", choices=("client", "server"))
    role: Role = parser.parse_args(arguments).role
    signal.signal(signal.SIGTERM, _terminate)
    try:
        setting = read_setting(variables, role)
        if setting.testcase in ("latency", "objects"):
            raise UnsupportedError("iperf3 has no test of small exchanges")
        if setting.migrate:
            raise UnsupportedError("iperf3 cannot migrate: a connection stays on its path")
        if setting.bytes == 0:
            raise UnsupportedError("iperf3 cannot transfer nothing")
        if shutil.which("iperf3") is None:
            raise UnsupportedError("the program iperf3 is not installed")
        with (
            EventLog(setting.events) as events,
            tempfile.TemporaryDirectory(prefix="iperf3-", dir=setting.events.parent) as folder,
        ):
            Wrapper(setting, role, events, Path(folder)).run()
    except _Terminated:
        return 0 if role == "server" else 1
    except EndpointError as error:
        print(f"{role}: {error}", file=sys.stderr, flush=True)
        return UNSUPPORTED if isinstance(error, UnsupportedError) else 1
    except OSError as error:
        print(f"{role}: {error.filename or ''} {error.strerror or error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))

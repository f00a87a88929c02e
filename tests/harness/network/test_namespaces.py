"""Tests of harness.network.namespaces."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from harness.network.namespaces import CommandFailed, enter, popen_in, run_in, wrap
from tests.harness.measure.network import namespace

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def pid() -> Iterator[int]:
    with namespace() as made:
        run_in(made, ["ip", "link", "add", "there", "type", "veth", "peer", "name", "beside"])
        yield made


def interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


class TestEnter:
    def test_moves_this_thread_alone_and_back(self, pid: int) -> None:
        entered, seen = threading.Event(), list[set[str]]()

        def look() -> None:
            entered.wait(10)
            seen.append(interfaces())

        # A thread begins where the one that started it is, so this one is started before.
        other = threading.Thread(target=look)
        other.start()
        with enter(pid):
            assert "there" in interfaces()
            entered.set()
            other.join(10)
        assert "there" not in interfaces()
        assert len(seen) == 1
        assert "there" not in seen[0]

    def test_comes_back_after_an_error(self, pid: int) -> None:
        with pytest.raises(ValueError, match="inside"), enter(pid):
            raise ValueError("inside")
        assert "there" not in interfaces()

    def test_a_socket_stays(self, pid: int) -> None:
        with enter(pid):
            server = socket.create_server(("127.0.0.1", 0))
        with server:
            port = server.getsockname()[1]
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=5)
            with enter(pid):
                client = socket.create_connection(("127.0.0.1", port), timeout=5)
            client.close()

    def test_no_such_process(self) -> None:
        with pytest.raises(OSError, match="No such file"), enter(2**22 - 1):
            pass


class TestRun:
    def test_returns_what_was_printed(self, pid: int) -> None:
        assert "there" in run_in(pid, ["ip", "link"])
        assert run_in(pid, ["cat"], input="text") == "text"

    def test_a_failure_names_command_and_message(self, pid: int) -> None:
        with pytest.raises(
            CommandFailed, match=r"^ip link show nowhere: .*does not exist.* \(in the node of process \d+\)"
        ):
            run_in(pid, ["ip", "link", "show", "nowhere"])
        assert run_in(pid, ["false"], check=False) == ""

    def test_a_missing_program(self, pid: int) -> None:
        with pytest.raises(CommandFailed, match="no-such-program"):
            run_in(pid, ["no-such-program"])

    def test_the_command_line(self) -> None:
        assert wrap(7, ["ip", "link"]) == ["nsenter", "--net=/proc/7/ns/net", "--", "ip", "link"]


class TestPopen:
    def test_runs_there_in_a_session_of_its_own(self, pid: int) -> None:
        process = popen_in(pid, ["cat"], stdin=subprocess.PIPE)
        try:
            assert os.getsid(process.pid) == process.pid
        finally:
            process.communicate(timeout=10)

    def test_dies_with_the_thread_that_started_it(self, pid: int) -> None:
        started: list[subprocess.Popen[bytes]] = []
        thread = threading.Thread(target=lambda: started.append(popen_in(pid, ["sleep", "60"])))
        thread.start()
        thread.join()
        assert started[0].wait(10) == -signal.SIGKILL

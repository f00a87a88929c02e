"""Tests of blackholes and resets on an emulated network, seen at packet level."""

import errno
import socket
import time
from contextlib import suppress
from typing import Any

import pytest

from harness.network.emulation import Emulation
from harness.network.namespaces import enter, run_in
from tests.harness.faults.network import Capture, Pair, faults_on, wait_for

pytestmark = pytest.mark.sandbox


def is_silent(connection: socket.socket, seconds: float = 0.3) -> bool:
    connection.settimeout(seconds)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    return False


class TestDrop:
    @pytest.mark.parametrize("name", ["p", "q"])
    def test_nothing_passes_nobody_is_told_and_all_is_well_again_after(self, network: Emulation, name: str) -> None:
        path = network.paths[name]
        drop = {"kind": "drop", "path": name, "at": 0, "duration": "1s"}
        with faults_on(network, drop) as (faults, [begin, end]), Pair(path) as pair:
            assert pair.works()
            captures = [Capture(path.from_), Capture(path.to)]
            faults.perform(begin)
            pair.client.send(b"lost for now")
            pair.server.send(b"lost for now")
            assert is_silent(pair.server)
            assert is_silent(pair.client, 0.05)
            outcome = faults.perform(end)
            assert outcome.result.endswith("were dropped")
            assert int(outcome.result.split()[2]) >= 2  # retransmissions are dropped and counted as well
            pair.server.settimeout(5)
            pair.client.settimeout(5)
            assert pair.server.recv(100) == b"lost for now"  # TCP has repaired it
            assert pair.client.recv(100) == b"lost for now"
            assert [capture.stop() for capture in captures] == [[], []]

    @pytest.mark.parametrize(("direction", "passes"), [("forward", "client"), ("backward", "server")])
    def test_one_direction_only(self, network: Emulation, direction: str, passes: str) -> None:
        path = network.paths["p"]
        drop = {"kind": "drop", "path": "p", "at": 0, "direction": direction}
        with (
            enter(path.from_.pid),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            client.bind((path.from_address, 0))
            with enter(path.to.pid), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
                server.bind((path.to_address, 0))
                with faults_on(network, drop) as (faults, [begin]):
                    faults.perform(begin)
                    client.sendto(b"x", server.getsockname())
                    server.sendto(b"x", client.getsockname())
                    assert is_silent(client) == (passes == "server")
                    assert is_silent(server) == (passes == "client")

    def test_other_paths_go_on(self, network: Emulation) -> None:
        drop = {"kind": "drop", "path": "p", "at": 0}
        with faults_on(network, drop) as (faults, [begin]), Pair(network.paths["q"]) as pair:
            faults.perform(begin)
            assert pair.works()

    def test_what_waits_in_the_shaper_still_arrives(self, network: Emulation) -> None:
        path = network.paths["p"]
        shaper = path.forward.shaper
        tbf = ["tbf", "rate", "1mbit", "burst", "2kb", "limit", "100kb"]
        run_in(shaper.pid, ["tc", "qdisc", "replace", "dev", shaper.interface, "root", *tbf])
        drop = {"kind": "drop", "path": "p", "at": 0}
        try:
            with enter(path.to.pid):
                server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with enter(path.from_.pid):
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with server, client, faults_on(network, drop) as (faults, [begin]):
                server.bind((path.to_address, 0))
                server.settimeout(1)
                client.bind((path.from_address, 0))
                for number in range(30):
                    client.sendto(bytes([number]) * 1000, server.getsockname())
                faults.perform(begin)  # the thirty need 0.25 s
                client.sendto(b"after", server.getsockname())
                assert [server.recv(2000)[0] for _ in range(30)] == list(range(30))
                assert is_silent(server)
        finally:
            run_in(shaper.pid, ["tc", "qdisc", "delete", "dev", shaper.interface, "root"])

    def test_two_overlapping_ones_end_with_the_later(self, network: Emulation) -> None:
        faults: list[dict[str, Any]] = [
            {"kind": "drop", "path": "p", "name": "one", "at": 0, "duration": "1s"},
            {"kind": "drop", "path": "p", "name": "two", "at": "100ms", "duration": "2s", "direction": "forward"},
        ]
        with faults_on(network, *faults) as (performer, actions), Pair(network.paths["p"]) as pair:
            for action in actions[:3]:
                performer.perform(action)
            pair.client.send(b"x")
            assert is_silent(pair.server)
            performer.perform(actions[3])
            pair.server.settimeout(5)
            assert pair.server.recv(1) == b"x"

    def test_it_takes_effect_at_once(self, network: Emulation) -> None:
        drop = {"kind": "drop", "path": "p", "at": 0, "duration": "1s"}
        with faults_on(network, drop) as (faults, [begin, end]):
            took = []
            for _ in range(20):
                start = time.monotonic_ns()
                took.append((faults.perform(begin).applied_ns - start) / 1e6)
                faults.perform(end)
        assert sorted(took)[10] < 2.0


class TestReset:
    @pytest.mark.parametrize("name", ["p", "q"])
    def test_the_capture_that_sees_none_during_a_drop_sees_these(self, network: Emulation, name: str) -> None:
        path = network.paths[name]
        with faults_on(network, {"kind": "rst", "path": name, "at": 0}) as (faults, [begin]), Pair(path) as pair:
            captures = [Capture(path.from_), Capture(path.to)]
            faults.perform(begin)
            with pytest.raises(ConnectionResetError):
                pair.client.recv(1)
            with pytest.raises(ConnectionResetError):
                pair.server.recv(1)
            assert ["RST" in capture.stop() for capture in captures] == [True, True]

    @pytest.mark.parametrize("name", ["p", "q"])
    def test_idle_connections_die_within_milliseconds_and_others_live(self, network: Emulation, name: str) -> None:
        other = network.paths["q" if name == "p" else "p"]
        path = network.paths[name]
        rst = {"kind": "rst", "path": name, "at": 0, "duration": "1s"}
        with (
            faults_on(network, rst) as (faults, [begin, end]),
            Pair(path) as first,
            Pair(path) as second,
            Pair(other) as spared,
        ):
            assert first.works()
            assert spared.works()
            start = time.monotonic()
            assert "4 ends" in faults.perform(begin).result
            for pair in (first, second):
                for side in (pair.client, pair.server):
                    side.settimeout(1)
                    with pytest.raises(ConnectionResetError):
                        side.recv(1)
            assert time.monotonic() - start < 0.2
            assert spared.works()
            with pytest.raises(ConnectionRefusedError):
                Pair(path)
            faults.perform(end)
            with Pair(path) as third:
                assert third.works()

    def test_a_busy_connection_is_reset_at_both_ends(self, network: Emulation) -> None:
        rst = {"kind": "rst", "path": "p", "at": 0}
        with faults_on(network, rst) as (faults, [begin]), Pair(network.paths["p"]) as pair:
            pair.client.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    pair.client.send(bytes(65536))
            faults.perform(begin)
            codes = (errno.ECONNRESET, errno.EPIPE)
            for side in (pair.client, pair.server):
                wait_for(lambda side=side: side.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in codes)  # type: ignore[misc]

    def test_through_a_nat(self, network: Emulation) -> None:
        rst = {"kind": "rst", "path": "n", "at": 0}
        with faults_on(network, rst) as (faults, [begin]), Pair(network.paths["n"]) as pair:
            assert pair.works()
            faults.perform(begin)
            for side in (pair.client, pair.server):
                side.settimeout(1)
                with pytest.raises(ConnectionResetError):
                    side.recv(1)

    def test_datagrams_are_dropped(self, network: Emulation) -> None:
        path = network.paths["p"]
        with enter(path.to.pid):
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with enter(path.from_.pid):
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with server, client, faults_on(network, {"kind": "rst", "path": "p", "at": 0}) as (faults, [begin]):
            server.bind((path.to_address, 0))
            client.connect(server.getsockname())
            faults.perform(begin)
            client.send(b"x")
            assert is_silent(server)
            assert is_silent(client, 0.05)  # no ICMP either, which would be ECONNREFUSED

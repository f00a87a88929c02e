"""Tests of interfaces that go down and addresses that go away: everything is as before afterwards."""

import socket
from typing import Any

import pytest

from harness.faults.outcome import FaultFailed
from harness.network.emulation import Emulation
from harness.network.namespaces import enter, run_in
from harness.network.paths import PathInstance
from tests.harness.faults.network import Pair, faults_on, state, wait_for_state

pytestmark = pytest.mark.sandbox

_IP_RECVERR, _IPV6_RECVERR = 11, 25  # linux/in.h, linux/in6.h; not in Python's socket


@pytest.fixture
def odd(network: Emulation) -> Emulation:
    """Routes and neighbours of the kinds that a network may have besides the usual ones."""
    for name, flag in (("p", "-4"), ("q", "-6")):
        path = network.paths[name]
        gate = _gate(path)
        interface = path.from_.interface
        target, other = ("192.0.2.0/24", "198.51.100.0/24") if name == "p" else ("2001:db8:1::/48", "2001:db8:2::/48")
        dead = "10.1.1.77" if name == "p" else "fd00:2:1::77"
        for words in (
            f"route replace {target} via {gate} dev {interface} mtu 1400 congctl reno src {path.from_address}",
            f"route replace {other} dev {interface} table 777 metric 5",
            f"neighbour replace {dead} lladdr 02:00:00:00:00:77 dev {interface} nud permanent",
        ):
            run_in(path.from_.pid, ["ip", flag, *words.split()])
    return network


def _gate(path: PathInstance) -> str:
    flag = "-4" if path.family == "ipv4" else "-6"
    command = ["ip", flag, "-o", "address", "show", "dev", path.a_near.interface, "scope", "global"]
    return run_in(path.a_near.pid, command).split()[3].partition("/")[0]


class TestDown:
    @pytest.mark.parametrize("name", ["p", "q"])
    @pytest.mark.parametrize("where", ["from", "to", "middle"])
    def test_all_that_vanished_comes_back(self, odd: Emulation, name: str, where: str) -> None:
        path = odd.paths[name]
        place = {"from": path.from_, "to": path.to, "middle": path.forward.shaper}[where]
        before = state(place.pid)
        down = {"kind": "down", "path": name, "where": where, "at": 0, "duration": "1s"}
        with faults_on(odd, down) as (faults, [begin, end]), Pair(path) as pair:
            faults.prepare(begin)
            faults.perform(begin)
            assert "DOWN" in run_in(place.pid, ["ip", "link", "show", place.interface])
            assert state(place.pid) != before
            pair.client.send(b"x")
            faults.perform(end)
            wait_for_state(place.pid, before)
            pair.server.settimeout(5)
            assert pair.server.recv(1) == b"x"  # the connection outlives it
            assert pair.works()

    @pytest.mark.parametrize("name", ["p", "q"])
    def test_in_the_middle_the_first_end_is_told_by_icmp(self, network: Emulation, name: str) -> None:
        path = network.paths[name]
        family, level, option = (
            (socket.AF_INET, socket.IPPROTO_IP, _IP_RECVERR)
            if name == "p"
            else (socket.AF_INET6, socket.IPPROTO_IPV6, _IPV6_RECVERR)
        )
        with enter(path.from_.pid):
            client = socket.socket(family, socket.SOCK_DGRAM)
        down = {"kind": "down", "path": name, "where": "middle", "at": 0}
        with client, faults_on(network, down) as (faults, [begin]):
            faults.perform(begin)
            client.settimeout(2)
            client.setsockopt(level, option, 1)  # "no route" is passed on to those only who ask for it
            client.bind((path.from_address, 0))
            client.connect((path.to_address, 9))
            client.send(b"x")
            with pytest.raises(OSError, match=r"Network is unreachable|No route to host"):
                client.recv(1)

    def test_the_other_path_of_the_node_is_untouched(self, network: Emulation) -> None:
        down = {"kind": "down", "path": "p", "at": 0}
        with faults_on(network, down) as (faults, [begin]), Pair(network.paths["q"]) as pair:
            faults.perform(begin)
            assert pair.works()

    @pytest.mark.parametrize("order", [[2, 3], [3, 2]])
    def test_two_interfaces_of_one_node_prepared_together(self, odd: Emulation, order: list[int]) -> None:
        client = odd.client_pid
        before = state(client)
        specs: list[dict[str, Any]] = [{"kind": "down", "path": name, "at": 0, "duration": "1s"} for name in ("p", "q")]
        with faults_on(odd, *specs) as (faults, actions):
            for action in actions[:2]:
                faults.prepare(action)
            for action in actions[:2]:
                faults.perform(action)
            for number in order:
                faults.perform(actions[number])
            wait_for_state(client, before)

    def test_the_same_interface_twice_is_up_when_both_are_over(self, odd: Emulation) -> None:
        path = odd.paths["p"]
        before = state(path.from_.pid)
        specs: list[dict[str, Any]] = [
            {"kind": "down", "path": "p", "name": "one", "at": 0, "duration": "1s"},
            {"kind": "down", "path": "p", "name": "two", "at": "500ms", "duration": "2s"},
        ]
        with faults_on(odd, *specs) as (faults, [one, two, one_end, two_end]):
            for action in (one, two, one_end):
                faults.perform(action)
            assert "DOWN" in run_in(path.from_.pid, ["ip", "link", "show", path.from_.interface])
            faults.perform(two_end)
            wait_for_state(path.from_.pid, before)


class TestAddress:
    @pytest.mark.parametrize("name", ["p", "q"])
    @pytest.mark.parametrize("end", ["from", "to"])
    def test_removed_and_back(self, odd: Emulation, name: str, end: str) -> None:
        path = odd.paths[name]
        place, address = (path.from_, path.from_address) if end == "from" else (path.to, path.to_address)
        before = state(place.pid)
        remove = {"kind": "address_remove", "path": name, "end": end, "at": 0, "duration": "1s"}
        with faults_on(odd, remove) as (faults, [begin, back]):
            faults.prepare(begin)
            faults.perform(begin)
            assert f" {address}/" not in run_in(place.pid, ["ip", "address", "show", "dev", place.interface])
            faults.perform(back)
            wait_for_state(place.pid, before)
            with Pair(path) as pair:
                assert pair.works()

    def test_add_ends_remove(self, odd: Emulation) -> None:
        path = odd.paths["p"]
        before = state(path.from_.pid)
        specs: list[dict[str, Any]] = [
            {"kind": "address_remove", "path": "p", "at": 0},
            {"kind": "address_add", "path": "p", "at": "1s"},
        ]
        with faults_on(odd, *specs) as (faults, [begin, back]):
            faults.perform(begin)
            assert faults.in_force == (begin.id,)
            faults.perform(back)
            assert not faults.in_force
            assert state(path.from_.pid) == before

    def test_removed_while_the_interface_is_down(self, odd: Emulation) -> None:
        path = odd.paths["p"]
        before = state(path.from_.pid)
        specs: list[dict[str, Any]] = [
            {"kind": "down", "path": "p", "at": 0, "duration": "2s"},
            {"kind": "address_remove", "path": "p", "at": "1s", "duration": "3s"},
        ]
        with faults_on(odd, *specs) as (faults, actions):
            for action in actions:
                faults.perform(action)
            wait_for_state(path.from_.pid, before)

    def test_an_address_that_is_not_there(self, network: Emulation) -> None:
        path = network.paths["p"]
        with faults_on(network, {"kind": "address_remove", "path": "p", "at": 0}) as (faults, [begin]):
            run_in(path.from_.pid, ["ip", "address", "delete", f"{path.from_address}/24", "dev", path.from_.interface])
            try:
                with pytest.raises(FaultFailed, match=r"node client has no address 10\.1\.1\.1 to remove"):
                    faults.perform(begin)
            finally:
                run_in(path.from_.pid, ["ip", "address", "add", f"{path.from_address}/24", "dev", path.from_.interface])


class TestJoin:
    def test_initially_down_then_up_and_announced(self, network: Emulation) -> None:
        path = network.paths["j"]
        before = state(path.from_.pid)
        told: list[str] = []
        up = {"kind": "up", "path": "j", "at": "1s"}
        with faults_on(network, up, announce=lambda path: told.append(path.name)) as (faults, [action]):
            faults.take_initial_state()
            assert faults.in_force == ("j/initially",)
            assert "DOWN" in run_in(path.from_.pid, ["ip", "link", "show", path.from_.interface])
            assert "announced" in faults.perform(action).result
            assert told == ["j"]
            assert not faults.in_force
            wait_for_state(path.from_.pid, before)
            with Pair(path) as pair:
                assert pair.works()

    def test_never_up_is_restored_at_the_end(self, network: Emulation) -> None:
        path = network.paths["j"]
        before = state(path.from_.pid)
        with faults_on(network) as (faults, _):
            faults.take_initial_state()
        wait_for_state(path.from_.pid, before)

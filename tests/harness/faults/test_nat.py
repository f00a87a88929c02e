"""Tests of the NAT of a path and of its rebinding."""

import socket

import pytest

from harness.faults.nat import PORTS
from harness.network.emulation import Emulation
from harness.network.namespaces import enter
from tests.harness.faults.network import Capture, Pair, faults_on

pytestmark = pytest.mark.sandbox

REBIND = {"kind": "rebind", "path": "n", "at": "1s", "every": "1s", "times": 2}


def udp(pid: int) -> socket.socket:
    with enter(pid):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(2)
    return made


class TestNat:
    def test_the_server_sees_the_outer_address_and_a_port_of_the_range(self, network: Emulation) -> None:
        path = network.paths["n"]
        with faults_on(network), Pair(path) as pair:
            assert pair.seen_from[0] == "10.3.2.1" != path.from_address
            assert PORTS[0][0] <= pair.seen_from[1] <= PORTS[0][1]
            assert pair.works()

    def test_two_connections_have_two_ports(self, network: Emulation) -> None:
        path = network.paths["n"]
        with faults_on(network), Pair(path) as one, Pair(path) as two:
            assert one.seen_from != two.seen_from


class TestRebind:
    def test_a_datagram_flow_goes_on_from_another_port(self, network: Emulation) -> None:
        path = network.paths["n"]
        with faults_on(network, REBIND) as (faults, actions), udp(path.to.pid) as server, udp(path.from_.pid) as client:
            server.bind((path.to_address, 0))
            client.connect(server.getsockname())
            seen = []
            for action in [None, *actions]:
                if action is not None:
                    faults.perform(action)
                client.send(b"x")
                seen.append(server.recvfrom(10)[1])
                server.sendto(b"y", seen[-1])
                assert client.recv(10) == b"y"
            ports = [port for _, port in seen]
            assert [low <= port <= high for port, (low, high) in zip(ports, [*PORTS, PORTS[0]], strict=True)] == [
                True
            ] * 3

    def test_what_comes_to_a_forgotten_mapping_vanishes(self, network: Emulation) -> None:
        path = network.paths["n"]
        with faults_on(network, REBIND) as (faults, actions), Pair(path) as pair:
            capture = Capture(path.to)
            faults.perform(actions[0])
            pair.server.send(b"nobody is there")
            pair.client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                pair.client.recv(10)
            assert capture.stop() == []

    def test_a_connection_that_sends_is_unknown_to_the_server(self, network: Emulation) -> None:
        with faults_on(network, REBIND) as (faults, actions), Pair(network.paths["n"]) as pair:
            faults.perform(actions[0])
            pair.client.send(b"from another port")
            with pytest.raises(ConnectionResetError):
                pair.client.recv(10)

    def test_new_connections_work_after_it(self, network: Emulation) -> None:
        with faults_on(network, REBIND) as (faults, actions):
            faults.perform(actions[0])
            with Pair(network.paths["n"]) as pair:
                assert PORTS[1][0] <= pair.seen_from[1] <= PORTS[1][1]
                assert pair.works()

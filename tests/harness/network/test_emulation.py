"""Tests of harness.network.emulation: every bundled topology, built and used."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.network.emulation import Emulation
from harness.network.namespaces import CommandFailed, enter, run_in
from harness.network.paths import Attachment
from harness.network.routing import family_of
from harness.network.settings import OFFLOADS, SettingRefused
from harness.spec.loader import load_topology, names
from harness.spec.topology import Topology

pytestmark = pytest.mark.sandbox

PINGS = 3


@pytest.fixture(scope="module", params=names("topology"))
def emulation(request: pytest.FixtureRequest) -> Iterator[Emulation]:
    with Emulation(load_topology(request.param), congestion="reno", sysctl={"net.ipv4.tcp_sack": 0}) as built:
        yield built


def with_keys(name: str, **keys: Any) -> Topology:
    """Return a bundled topology with keys of its first path, or (``server=``) of its server, replaced."""
    data = load_topology(name).model_dump(mode="json", by_alias=True)
    data["node"][-1] |= keys.pop("server", {})
    data["path"][0] |= keys
    return Topology.model_validate(data)


def sent(at: Attachment) -> int:
    """Return how many packets have left through an interface."""
    with enter(at.pid):
        text = Path("/proc/thread-self/net/dev").read_text()
    line = next(line for line in text.splitlines() if line.strip().startswith(f"{at.interface}:"))
    return int(line.split(":")[1].split()[9])


def carried(emulation: Emulation) -> dict[tuple[str, str], int]:
    return {direction.key: sent(direction.shaper) for path in emulation.paths.values() for direction in path.directions}


def ping(emulation: Emulation, source: str, destination: str, *options: str) -> str:
    return run_in(
        emulation.client_pid,
        ["ping", "-n", "-q", "-c", str(PINGS), "-i", "0.02", "-W", "5", "-I", source, *options, destination],
    )


def exchange(emulation: Emulation, source: str, destination: str) -> tuple[str, int]:
    """Connect from an address to the server; return congestion control and MSS of the client's socket."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with enter(emulation.server_pid):
        server = socket.create_server((destination, 0), family=family)
    with server:
        with enter(emulation.client_pid):
            client = socket.socket(family)
        with client:
            client.settimeout(10)
            client.bind((source, 0))
            client.connect(server.getsockname()[:2])
            accepted, peer = server.accept()
            accepted.close()
            assert peer[0] == source
            name = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()
            return name, client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)


class TestBundledTopologies:
    def test_packets_take_the_path_of_the_clients_address_both_ways(self, emulation: Emulation) -> None:
        server = emulation.topology.server.name
        for path, source in emulation.client_addresses().items():
            for destination in emulation.addresses_of(server):
                if family_of(source) != family_of(destination):
                    continue
                before = carried(emulation)
                ping(emulation, source, destination)
                added = {key: count - before[key] for key, count in carried(emulation).items()}
                assert added[path, "forward"] >= PINGS
                assert added[path, "backward"] >= PINGS
                for other in emulation.topology.access_paths:
                    if other.name != path:
                        # Neighbour discovery between the middle nodes of an idle path is all that may pass there.
                        assert added[other.name, "forward"] < PINGS

    def test_tcp_connects_with_the_congestion_control_asked_for(self, emulation: Emulation) -> None:
        for source in emulation.client_addresses().values():
            for destination in emulation.addresses_of(emulation.topology.server.name):
                if family_of(source) == family_of(destination):
                    assert exchange(emulation, source, destination)[0] == "reno"

    def test_offloads_are_recorded_as_off(self, emulation: Emulation) -> None:
        assert set(emulation.offloads) == set(emulation.nodes)
        for interfaces in emulation.offloads.values():
            assert interfaces
            for state in interfaces.values():
                assert {name for name, value in state.items() if value == "on"} <= {"rx-checksumming"}
                assert set(state) == set(OFFLOADS.values())

    def test_settings_are_recorded(self, emulation: Emulation) -> None:
        found = emulation.sysctls()
        assert set(found) == {node.name for node in emulation.topology.node}
        for settings in found.values():
            assert settings["net.ipv4.tcp_sack"] == "0"
            assert settings["net.ipv4.conf.all.rp_filter"] == "0"
            assert settings["net.ipv4.tcp_no_metrics_save"] == "1"

    def test_no_interface_filters_by_the_way_back(self, emulation: Emulation) -> None:
        for pid in emulation.nodes.values():
            with enter(pid):
                for folder in Path("/proc/sys/net/ipv4/conf").iterdir():
                    assert (folder / "rp_filter").read_text().strip() == "0"

    def test_endpoint_nodes_have_no_qdisc_of_ours(self, emulation: Emulation) -> None:
        for node in emulation.topology.node:
            kinds = {
                line.split()[1] for line in run_in(emulation.nodes[node.name], ["tc", "qdisc"]).splitlines() if line
            }
            assert kinds <= {"noqueue"}

    def test_queue_numbers_are_unique(self, emulation: Emulation) -> None:
        numbers = [direction.queue_number for path in emulation.paths.values() for direction in path.directions]
        assert len(set(numbers)) == len(numbers)

    def test_client_interfaces_have_the_paths_addresses(self, emulation: Emulation) -> None:
        for path, address in emulation.client_addresses().items():
            interface = emulation.client_interface(path)
            assert f" {address}/" in run_in(emulation.client_pid, ["ip", "address", "show", "dev", interface])


class TestIpv6:
    def test_addresses_are_usable_at_once(self) -> None:
        with Emulation(load_topology("dual_stack")) as built:
            client = built.client_addresses()["v6"]
            with enter(built.client_pid), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
                udp.bind((client, 0))
            for pid in built.nodes.values():
                assert "tentative" not in run_in(pid, ["ip", "-6", "address", "show", "scope", "global"])
            exchange(built, client, built.paths["v6"].to_address)

    def test_addresses_outlive_a_link_that_goes_down(self) -> None:
        with Emulation(load_topology("dual_stack")) as built:
            interface = built.client_interface("v6")
            run_in(built.client_pid, ["ip", "link", "set", interface, "down"])
            assert built.client_addresses()["v6"] in run_in(built.client_pid, ["ip", "-6", "address"])


class TestSharedAddress:
    def test_both_paths_lead_to_it(self) -> None:
        with Emulation(with_keys("two_paths", server={"addresses": "shared"})) as built:
            (address,) = built.addresses_of("server")
            assert address == "10.200.2.1"
            for path, source in built.client_addresses().items():
                before = carried(built)
                ping(built, source, address)
                after = carried(built)
                assert after[path, "forward"] - before[path, "forward"] >= PINGS
                assert after[path, "backward"] - before[path, "backward"] >= PINGS


class TestMtu:
    def test_is_that_of_every_link_of_the_path(self) -> None:
        with Emulation(with_keys("two_paths", mtu=1280)) as built:
            source, destination = built.client_addresses()["upper"], built.paths["upper"].to_address
            ping(built, source, destination, "-M", "do", "-s", str(1280 - 28))
            with pytest.raises(CommandFailed):
                ping(built, source, destination, "-M", "do", "-s", str(1280 - 27), "-w", "1")
            # 20 bytes of IP, 20 of TCP, 12 of the timestamps.
            assert exchange(built, source, destination)[1] == 1280 - 52


class TestLife:
    def test_close_ends_the_nodes_and_their_interfaces(self) -> None:
        before = socket.if_nameindex()
        built = Emulation(load_topology("two_paths"))
        pids = list(built.nodes.values())
        built.close()
        limit = time.monotonic() + 10
        while any(Path(f"/proc/{pid}/ns/net").exists() for pid in pids):
            assert time.monotonic() < limit, "a node's process is left"
            time.sleep(0.01)
        assert socket.if_nameindex() == before

    def test_a_refused_setting_leaves_nothing_behind(self) -> None:
        before = socket.if_nameindex()
        children = _children()
        with pytest.raises(SettingRefused, match=r"net\.ipv4\.no_such = 1 on node client"):
            Emulation(load_topology("two_paths"), sysctl={"net.ipv4.no_such": 1})
        assert socket.if_nameindex() == before
        assert _children() == children

    def test_an_unknown_congestion_control_is_told(self) -> None:
        with pytest.raises(SettingRefused, match=r"^congestion control no_such: .* not have it; it has: .*cubic"):
            Emulation(load_topology("two_paths"), congestion="no_such")

    def test_two_networks_at_once(self) -> None:
        with Emulation(load_topology("two_paths")) as one, Emulation(load_topology("chain")) as other:
            assert not set(one.nodes.values()) & set(other.nodes.values())
            for built in (one, other):
                source = next(iter(built.client_addresses().values()))
                ping(built, source, built.addresses_of("server")[0])


def _children() -> set[str]:
    """Return the pids of this process's children that are not merely waiting to be collected."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            if "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
                found.add(pid)
    return found

"""What endpoints are told in each topology, and what the kernel's path manager is told for them."""

from pathlib import Path

import pytest

from harness.endpoints.environment import Objects
from harness.endpoints.mptcp import MptcpEndpoint, PathManager
from harness.network.emulation import Emulation
from harness.run.endpoints import PORT, Endpoints
from harness.run.order import Order
from harness.spec.plan import plan_runs
from tests.support.specs import SCENARIO, changed, scenario_file

pytestmark = pytest.mark.sandbox

PLAIN = SCENARIO.split("[[fault]]")[0] + '[[expect]]\nkind = "hash_equal"\n'
SHARED = """
[set]
"topology.node.server.addresses" = "shared"
"""


def order(folder: Path, text: str = PLAIN, *, topology: str = "two_paths", endpoint: str = "mptcp") -> Order:
    text = changed(text, '"two_paths"', f'"{topology}"')
    run = plan_runs([scenario_file(folder, text)], endpoints=[endpoint], element="nfqueue")[0]
    return Order.of(run, folder, attempt=1, pcap=False, shell_on_fail=False, environment={})


def managed(emulation: Emulation) -> tuple[list[MptcpEndpoint], list[MptcpEndpoint]]:
    """Return the Multipath TCP endpoints of client and server as the kernel has them."""
    pids = (emulation.client_pid, emulation.server_pid)
    client, server = (PathManager.for_process(pid, "node").endpoints() for pid in pids)
    return client, server


class TestSetting:
    @pytest.mark.parametrize(
        ("topology", "local", "connect", "listen"),
        [
            ("two_paths", ["10.1.1.1", "10.2.1.1"], ["10.1.3.1", "10.2.3.1"], ["10.1.3.1", "10.2.3.1"]),
            ("dual_stack", ["10.1.1.1", "fd00:2:1::1"], ["10.1.3.1", "fd00:2:3::1"], ["10.1.3.1", "fd00:2:3::1"]),
            # The server has no end of the client's paths.
            ("converter", ["10.1.1.1", "10.2.1.1"], ["10.3.3.1", "10.3.3.1"], ["10.3.3.1"]),
        ],
    )
    def test_addresses(
        self, tmp_path: Path, topology: str, local: list[str], connect: list[str], listen: list[str]
    ) -> None:
        wanted = order(tmp_path, topology=topology)
        with Emulation(wanted.topology) as emulation:
            setting = Endpoints(wanted, emulation).setting
        assert setting.local == tuple(local)
        assert setting.connect == tuple(connect)
        assert setting.listen == tuple(listen)

    def test_a_shared_address_is_used_on_every_path(self, tmp_path: Path) -> None:
        wanted = order(tmp_path, PLAIN + SHARED)
        with Emulation(wanted.topology) as emulation:
            setting = Endpoints(wanted, emulation).setting
        assert setting.listen == ("10.200.2.1",)
        assert setting.connect == ("10.200.2.1", "10.200.2.1")

    def test_workload_and_payload(self, tmp_path: Path) -> None:
        wanted = order(tmp_path, endpoint="tls")
        with Emulation(wanted.topology) as emulation:
            endpoints = Endpoints(wanted, emulation)
        setting = endpoints.setting
        assert (setting.testcase, setting.bytes, setting.seed, setting.port) == ("download", 1 << 20, 1, PORT)
        assert setting.payload is not None
        assert setting.payload.stat().st_size == 1 << 20
        assert setting.tls is not None
        assert len(endpoints.sha256) == 64
        assert (setting.objects, setting.migrate, setting.record_size) == (None, (), None)

    def test_objects_migration_and_records(self, tmp_path: Path) -> None:
        text = changed(
            PLAIN,
            "[workload]",
            '[multipath]\nmode = "backup"\nmigrate_at = ["10kB", "20kB"]\n[workload]\n'
            'kind = "objects"\nobject_interval = "50ms"\nplacement = "own"\nrecord_size = "1500B"',
        )
        wanted = order(tmp_path, text)
        with Emulation(wanted.topology) as emulation:
            setting = Endpoints(wanted, emulation).setting
        assert setting.objects == Objects(size=16384, interval=0.05, placement="own")
        assert (setting.testcase, setting.migrate, setting.record_size) == ("objects", (10_000, 20_000), 1500)


class TestPathManager:
    @pytest.mark.parametrize(("mode", "flags"), [("active", {"subflow"}), ("backup", {"subflow", "backup"})])
    def test_every_address_of_the_client(self, tmp_path: Path, mode: str, flags: set[str]) -> None:
        wanted = order(tmp_path, f'{PLAIN}[multipath]\nmode = "{mode}"\n')
        with Emulation(wanted.topology) as emulation:
            Endpoints(wanted, emulation).manage_paths()
            client, server = managed(emulation)
            interfaces = [emulation.client_interface(name) for name in ("upper", "lower")]
        assert [each.address for each in client] == ["10.1.1.1", "10.2.1.1"]
        assert [each.interface for each in client] == interfaces
        assert client[0].flags == {"subflow"}
        assert client[1].flags == flags
        assert server == []

    def test_a_path_that_comes_up_later_is_announced_then(self, tmp_path: Path) -> None:
        wanted = order(tmp_path, PLAIN + '[set]\n"topology.path.lower.initially" = "down"\n')
        with Emulation(wanted.topology) as emulation:
            endpoints = Endpoints(wanted, emulation)
            endpoints.manage_paths()
            before, _ = managed(emulation)
            endpoints.announce(emulation.paths["lower"])
            after, _ = managed(emulation)
        assert [each.address for each in before] == ["10.1.1.1"]
        assert [each.address for each in after] == ["10.1.1.1", "10.2.1.1"]

    def test_the_servers_address_of_another_family_is_signalled(self, tmp_path: Path) -> None:
        wanted = order(tmp_path, topology="dual_stack")
        with Emulation(wanted.topology) as emulation:
            Endpoints(wanted, emulation).manage_paths()
            _, server = managed(emulation)
        assert [(each.address, each.flags) for each in server] == [("fd00:2:3::1", frozenset({"signal"}))]

    def test_other_endpoints_are_left_alone(self, tmp_path: Path) -> None:
        wanted = order(tmp_path, endpoint="tcp")
        with Emulation(wanted.topology) as emulation:
            endpoints = Endpoints(wanted, emulation)
            endpoints.manage_paths()
            endpoints.announce(emulation.paths["lower"])
            assert managed(emulation) == ([], [])
            assert endpoints.counters() == {}

    def test_counters_of_both_ends(self, tmp_path: Path) -> None:
        wanted = order(tmp_path)
        with Emulation(wanted.topology) as emulation:
            counters = Endpoints(wanted, emulation).counters()
        assert set(counters) == {"client", "server"}
        assert "MPCapableSYNRX" in counters["server"]

"""Tests of harness.network.settings."""

from collections.abc import Iterator

import pytest

from harness.network.namespaces import run_in
from harness.network.settings import (
    OFFLOADS,
    SettingRefused,
    read_sysctls,
    set_sysctls,
    switch_offloads_off,
    sysctls_of,
)
from tests.harness.measure.network import namespace


@pytest.fixture(scope="module")
def pid() -> Iterator[int]:
    with namespace() as made:
        yield made


class TestChoice:
    def test_middle_nodes_forward_and_have_no_settings_of_hosts(self) -> None:
        wanted = sysctls_of(forwards=True, is_host=False, extra={"net.ipv4.tcp_sack": 0})
        assert wanted["net.ipv4.ip_forward"] == "1"
        assert "net.ipv4.tcp_sack" not in wanted

    def test_the_scenarios_settings_win(self) -> None:
        wanted = sysctls_of(forwards=False, is_host=True, extra={"net.ipv4.tcp_sack": 0})
        assert wanted["net.ipv4.tcp_sack"] == "0"
        assert "net.ipv4.ip_forward" not in wanted


@pytest.mark.sandbox
class TestKernel:
    def test_settings_are_set_read_back_and_recorded(self, pid: int) -> None:
        wanted = sysctls_of(forwards=False, is_host=True, extra={"net.ipv4.tcp_sack": 0})
        set_sysctls("client", pid, wanted)
        recorded = read_sysctls(pid)
        assert recorded["net.ipv4.tcp_sack"] == "0"
        assert recorded["net.ipv4.tcp_rmem"].split() == ["4096", "131072", "6291456"]
        assert recorded["net.ipv4.conf.all.rp_filter"] == "0"
        assert recorded["net.mptcp.enabled"] == "1"
        assert "net.ipv4.tcp_fastopen_key" not in recorded

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("net.ipv4.tcp_no_such", "1", r"net\.ipv4\.tcp_no_such = 1 on node client: No such file"),
            ("net.ipv4.tcp_sack", "many", r"net\.ipv4\.tcp_sack = many on node client: Invalid argument"),
        ],
    )
    def test_a_refused_one_is_named(self, pid: int, key: str, value: str, message: str) -> None:
        with pytest.raises(SettingRefused, match=message):
            set_sysctls("client", pid, {key: value})

    def test_offloads_are_off(self, pid: int) -> None:
        run_in(pid, ["ip", "link", "add", "one", "type", "veth", "peer", "name", "two"])
        states = switch_offloads_off("client", pid, ["one", "two"])
        assert set(states) == {"one", "two"}
        for state in states.values():
            assert set(state) == set(OFFLOADS.values())
            assert all(value == "off" for name, value in state.items() if name != "rx-checksumming")

    def test_offloads_of_no_interface(self, pid: int) -> None:
        with pytest.raises(SettingRefused, match="offloads of nothing on node client cannot be read"):
            switch_offloads_off("client", pid, ["nothing"])

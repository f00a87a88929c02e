"""Tests of switching sets and reading counters of nftables by netlink, on the kernel itself."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from harness.faults.nft_netlink import NftNetlink, Switch
from harness.network.namespaces import CommandFailed
from impl.nfqueue.netlink import NetlinkError

pytestmark = pytest.mark.sandbox

SCRIPT = """
    set one { type ifname; }
    set two { type ifname; }
    counter seen { }
    chain leaving {
        type filter hook output priority 0; policy accept;
        oifname @one counter name seen drop
    }
"""


@pytest.fixture
def table() -> Iterator[NftNetlink]:
    made = NftNetlink(os.getpid(), "tested", SCRIPT)
    yield made
    made.close()


def listed(name: str) -> str:
    return subprocess.run(
        ["nft", "list", "set", "inet", "tested", name], check=True, capture_output=True, text=True
    ).stdout


class TestSwitch:
    def test_several_at_once_on_and_off(self, table: NftNetlink) -> None:
        table.switch(Switch("one", "left-eth0", on=True), Switch("two", "fifteenletters0", on=True))
        assert '"left-eth0"' in listed("one")
        assert '"fifteenletters0"' in listed("two")
        table.switch(Switch("one", "left-eth0", on=False), Switch("two", "left-eth0", on=True))
        assert "elements" not in listed("one")
        assert '"left-eth0"' in listed("two")

    def test_all_or_nothing(self, table: NftNetlink) -> None:
        with pytest.raises(NetlinkError):
            table.switch(Switch("one", "left", on=True), Switch("nowhere", "left", on=True))
        assert "elements" not in listed("one")
        table.switch(Switch("one", "left", on=True))  # what the refusal left in the socket does no harm
        assert '"left"' in listed("one")

    def test_the_counter_counts(self, table: NftNetlink) -> None:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        table.switch(Switch("one", "lo", on=True))
        before = table.packets("seen")
        subprocess.run(["ping", "-c", "1", "-W", "0.1", "127.0.0.1"], check=False, capture_output=True)
        table.switch(Switch("one", "lo", on=False))
        assert table.packets("seen") == before + 1

    def test_a_counter_that_is_not_there(self, table: NftNetlink) -> None:
        with pytest.raises(NetlinkError):
            table.packets("unseen")

    def test_a_script_that_nft_refuses(self) -> None:
        with pytest.raises(CommandFailed, match="syntax error"):
            NftNetlink(os.getpid(), "broken", "set set set")

"""Options that the kernel may refuse."""

import socket
from pathlib import Path

import pytest

from impl.tcpls.sockets.errors import SocketError
from impl.tcpls.sockets.options import FastOpenSetting, congestion_of, fast_open_setting, set_congestion


class TestCongestion:
    def test_it_is_set_and_read_back(self) -> None:
        with socket.socket() as sock:
            set_congestion(sock, "reno")
            assert congestion_of(sock) == "reno"

    @pytest.mark.parametrize("name", ["nosuch", "", "a" * 16, "renö", "reno\0"])
    def test_a_refusal_names_it(self, name: str) -> None:
        with socket.socket() as sock, pytest.raises(SocketError, match="congestion control") as caught:
            set_congestion(sock, name)
        assert repr(name) in str(caught.value)


class TestFastOpenSetting:
    @pytest.mark.parametrize(
        ("text", "client", "server"), [("0\n", 0, 0), ("1\n", 1, 0), ("2\n", 0, 1), ("0x403\n", 1, 1), ("junk", 0, 0)]
    )
    def test_both_bits(self, tmp_path: Path, text: str, client: bool, server: bool) -> None:
        path = tmp_path / "tcp_fastopen"
        path.write_text(text)
        assert fast_open_setting(path) == FastOpenSetting(client=bool(client), server=bool(server))

    def test_unreadable_is_off(self, tmp_path: Path) -> None:
        assert fast_open_setting(tmp_path / "none") == FastOpenSetting(client=False, server=False)

    def test_this_kernel_has_one(self) -> None:
        value = int(Path("/proc/sys/net/ipv4/tcp_fastopen").read_text())
        assert fast_open_setting() == FastOpenSetting(client=bool(value & 1), server=bool(value & 2))

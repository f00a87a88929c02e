"""What aioquic is configured with."""

import dataclasses
import socket
from pathlib import Path

import pytest

from impl.contract.setting import EndpointError, Setting, UnsupportedError, read_setting
from impl.quic.configuration import configure, datagram_size, udp_socket
from impl.quic.qlog import StreamingLogger


def setting(**variables: str) -> Setting:
    base = {
        "HARNESS_TESTCASE": "download", "HARNESS_LISTEN": "127.0.0.2", "HARNESS_CONNECT": "127.0.0.2",
        "HARNESS_LOCAL": "127.0.0.1", "HARNESS_PORT": "4433", "HARNESS_BYTES": "1", "HARNESS_EVENTS": "/dev/null",
    }  # fmt: skip
    return read_setting(base | variables, "client")


class TestConfiguration:
    @pytest.mark.parametrize(("wanted", "taken"), [("cubic", "cubic"), ("reno", "reno"), ("", "cubic")])
    def test_congestion(self, wanted: str, taken: str, tmp_path: Path) -> None:
        files = _certificates(tmp_path)
        found = configure(setting(HARNESS_CONGESTION=wanted, **files), "server", keys=None)
        assert found.congestion_control_algorithm == taken
        assert (found.is_client, found.quic_logger) == (False, None)

    def test_another_congestion(self) -> None:
        with pytest.raises(UnsupportedError, match="no congestion control 'bbr'; it has: cubic, reno"):
            configure(setting(HARNESS_CONGESTION="bbr"), "client", keys=None)

    def test_client_trusts_the_authority_alone(self, tmp_path: Path) -> None:
        files = _certificates(tmp_path)
        found = configure(setting(QLOGDIR=str(tmp_path / "qlog"), **files), "client", keys=None)
        assert found.cafile == files["HARNESS_CA"]
        assert isinstance(found.quic_logger, StreamingLogger)

    @pytest.mark.parametrize(
        ("role", "name"), [("client", "HARNESS_CA"), ("server", "HARNESS_CERTIFICATE"), ("server", "HARNESS_KEY")]
    )
    def test_missing_files_are_named(self, role: str, name: str, tmp_path: Path) -> None:
        files = _certificates(tmp_path)
        absent = {key: value for key, value in files.items() if key != name}
        with pytest.raises(EndpointError, match=f"{name} is not set"):
            configure(setting(**absent), role, keys=None)  # type: ignore[arg-type]
        with pytest.raises(EndpointError, match=f"{name}.*: No such file"):
            configure(setting(**files | {name: str(tmp_path / "no")}), role, keys=None)  # type: ignore[arg-type]


class TestDatagrams:
    def test_within_what_every_path_carries(self) -> None:
        found = datagram_size(setting(), "client")
        assert found == 1452, "loopback carries more than Ethernet"

    @pytest.mark.parametrize("address", ["192.0.2.1", ""])
    def test_a_path_that_is_not_there_says_nothing(self, address: str) -> None:
        assert datagram_size(setting(HARNESS_LOCAL=address), "client") == 1452


class TestSocket:
    def test_bound(self) -> None:
        with udp_socket("127.0.0.1") as sock, udp_socket(None, like="::1") as other:
            assert sock.getsockname()[0] == "127.0.0.1"
            assert other.family == socket.AF_INET6

    def test_taken(self) -> None:
        with udp_socket("127.0.0.1") as sock:
            port = sock.getsockname()[1]
            with pytest.raises(EndpointError, match=f"cannot use UDP on 127.0.0.1 port {port}: Address already in use"):
                udp_socket("127.0.0.1", port)


def _certificates(folder: Path) -> dict[str, str]:
    from tests.impl.contract.transfers import setting as with_files

    tls = with_files(folder).tls
    assert tls is not None
    names = {"ca": "HARNESS_CA", "certificate": "HARNESS_CERTIFICATE", "key": "HARNESS_KEY"}
    return {names[key]: str(value) for key, value in dataclasses.asdict(tls).items()}

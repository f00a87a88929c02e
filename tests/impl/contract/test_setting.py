"""Reading the environment."""

from pathlib import Path
from typing import Final

import pytest

from impl.contract.setting import EndpointError, Objects, Role, UnsupportedError, read_setting

BASE = {
    "HARNESS_TESTCASE": "download",
    "HARNESS_LISTEN": "10.0.0.2,fd00::2",
    "HARNESS_CONNECT": "10.0.0.2,fd00::2",
    "HARNESS_LOCAL": "10.0.0.1,fd00::1",
    "HARNESS_PORT": "4433",
    "HARNESS_BYTES": "1000",
    "HARNESS_EVENTS": "/run/events",
    "HARNESS_PAYLOAD": "/run/payload",
}


class TestReading:
    def test_values(self) -> None:
        setting = read_setting(BASE, "server")
        assert setting.listen == ("10.0.0.2", "fd00::2")
        assert (setting.port, setting.bytes, setting.streams, setting.congestion) == (4433, 1000, 1, None)
        assert setting.payload == Path("/run/payload")

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("HARNESS_PORT", "0", "1 to 65535"),
            ("HARNESS_PORT", "-1", "1 to 65535"),
            ("HARNESS_PORT", "²", "1 to 65535"),
            ("HARNESS_BYTES", "", "is not set"),
            ("HARNESS_LOCAL", "10.0.0.1,", "IP addresses"),
            ("HARNESS_CONNECT", "server", "IP addresses"),
        ],
    )
    def test_bad_values_are_named(self, name: str, value: str, said: str) -> None:
        with pytest.raises(EndpointError, match=f"{name}.*{said}"):
            read_setting(BASE | {name: value}, "client")

    @pytest.mark.parametrize(("role", "case"), [("server", "download"), ("client", "upload")])
    def test_sender_needs_the_payload(self, role: Role, case: str) -> None:
        with pytest.raises(EndpointError, match="HARNESS_PAYLOAD"):
            read_setting(BASE | {"HARNESS_TESTCASE": case, "HARNESS_PAYLOAD": ""}, role)

    def test_unsupported(self) -> None:
        with pytest.raises(UnsupportedError, match="migration"):
            read_setting(BASE | {"HARNESS_TESTCASE": "migration"}, "client")
        with pytest.raises(UnsupportedError, match="one stream"):
            read_setting(BASE | {"HARNESS_TESTCASE": "latency", "HARNESS_STREAMS": "2"}, "client")


class TestPairs:
    @pytest.mark.parametrize(
        ("local", "connect", "pairs"),
        [
            ("10.0.0.1,fd00::1", "10.0.0.2,fd00::2", [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")]),
            ("fd00::1,10.0.0.1", "10.0.0.2", [("10.0.0.1", "10.0.0.2")]),
            ("10.0.0.1", "10.0.0.2,10.0.0.3", [("10.0.0.1", "10.0.0.2"), ("10.0.0.1", "10.0.0.3")]),
            ("fd00::1", "10.0.0.2", [(None, "10.0.0.2")]),
            ("", "10.0.0.2", [(None, "10.0.0.2")]),
        ],
    )
    def test_same_place_and_family(self, local: str, connect: str, pairs: list[tuple[str | None, str]]) -> None:
        setting = read_setting(BASE | {"HARNESS_LOCAL": local, "HARNESS_CONNECT": connect}, "client")
        assert setting.pairs() == pairs


class TestMigrationRecordsAndObjects:
    OBJECTS: Final = BASE | {
        "HARNESS_TESTCASE": "objects",
        "HARNESS_SEED": "7",
        "HARNESS_OBJECT_BYTES": "16384",
        "HARNESS_OBJECT_INTERVAL": "12.5",
        "HARNESS_PLACEMENT": "own",
    }

    def test_values(self) -> None:
        setting = read_setting(
            self.OBJECTS | {"HARNESS_MIGRATE": "10,20", "HARNESS_RECORD_SIZE": "1500", "QLOGDIR": "/q"}, "client"
        )
        assert setting.migrate == (10, 20)
        assert setting.record_size == 1500
        assert setting.qlog == Path("/q")
        assert setting.objects == Objects(size=16384, interval=0.0125, placement="own", seed=7)
        assert setting.sends("server")
        assert not setting.sends("client")

    def test_absent(self) -> None:
        setting = read_setting(BASE, "client")
        assert (setting.migrate, setting.record_size, setting.objects, setting.qlog) == ((), None, None, None)

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("HARNESS_MIGRATE", "5,5", "growing numbers"),
            ("HARNESS_MIGRATE", "0", "growing numbers"),
            ("HARNESS_MIGRATE", "5,,6", "growing numbers"),
            ("HARNESS_MIGRATE", "5MB", "growing numbers"),
            ("HARNESS_RECORD_SIZE", "16385", "1 to 16384"),
            ("HARNESS_OBJECT_BYTES", "0", "1 to 16777216"),
            ("HARNESS_OBJECT_INTERVAL", "0", "milliseconds"),
            ("HARNESS_OBJECT_INTERVAL", "inf", "milliseconds"),
            ("HARNESS_OBJECT_INTERVAL", "", "is not set"),
            ("HARNESS_PLACEMENT", "elsewhere", "shared, own"),
            ("HARNESS_SEED", "", "is not set"),
        ],
    )
    def test_bad_values_are_named(self, name: str, value: str, said: str) -> None:
        with pytest.raises(EndpointError, match=f"{name}.*{said}"):
            read_setting(self.OBJECTS | {name: value}, "client")

    def test_objects_have_one_stream_beside_them(self) -> None:
        with pytest.raises(UnsupportedError, match="'objects' uses one stream, not 2"):
            read_setting(self.OBJECTS | {"HARNESS_STREAMS": "2"}, "client")

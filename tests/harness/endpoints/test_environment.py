"""The environment of endpoint processes."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.endpoints.environment import Objects, Setting, TestCase, TlsFiles, environment
from harness.spec.endpoint import Role

SETTING = Setting(
    testcase="download",
    listen=("10.0.0.2", "fd00::2"),
    connect=("10.0.0.2", "fd00::2"),
    local=("10.0.0.1", "fd00::1"),
    port=4433,
    bytes=1000,
    seed=7,
    folder=Path("/run/x"),
    payload=Path("/run/x/payload"),
)


def build(role: Role, setting: Setting = SETTING, **additions: str) -> dict[str, str]:
    return environment(
        role, setting, additions=additions, inherited={"PATH": "/bin", "SECRET": "x", "HARNESS_PORT": "1"}
    )


OBJECTS = Objects(size=16384, interval=0.1, placement="own")


class TestVariables:
    def test_all_of_them(self) -> None:
        assert build("client", EXTRA="1") == {
            "PATH": "/bin",
            "EXTRA": "1",
            "HARNESS_TESTCASE": "download",
            "HARNESS_ROLE": "client",
            "HARNESS_LISTEN": "10.0.0.2,fd00::2",
            "HARNESS_CONNECT": "10.0.0.2,fd00::2",
            "HARNESS_LOCAL": "10.0.0.1,fd00::1",
            "HARNESS_PORT": "4433",
            "HARNESS_BYTES": "1000",
            "HARNESS_SEED": "7",
            "HARNESS_STREAMS": "1",
            "HARNESS_MULTIPATH": "active",
            "HARNESS_EVENTS": "/run/x/client.events.jsonl",
            "SSLKEYLOGFILE": "/run/x/keys.log",
            "QLOGDIR": "/run/x/qlog",
        }

    @pytest.mark.parametrize(
        ("testcase", "sender"),
        [("download", "server"), ("upload", "client"), ("latency", "client"), ("objects", "server")],
    )
    def test_only_the_sender_gets_the_payload(self, testcase: TestCase, sender: Role) -> None:
        setting = replace(SETTING, testcase=testcase, objects=OBJECTS if testcase == "objects" else None)
        with_payload = [role for role in ("client", "server") if "HARNESS_PAYLOAD" in build(role, setting)]
        assert with_payload == [sender]

    def test_only_the_server_gets_the_key(self) -> None:
        tls = TlsFiles(ca=Path("/ca"), certificate=Path("/certificate"), key=Path("/key"))
        setting = replace(SETTING, tls=tls, congestion="cubic", converter="10.0.0.3:5124", multipath="backup")
        client, server = build("client", setting), build("server", setting)
        assert client["HARNESS_CA"] == server["HARNESS_CA"] == "/ca"
        assert (server["HARNESS_CERTIFICATE"], server["HARNESS_KEY"]) == ("/certificate", "/key")
        assert "HARNESS_KEY" not in client
        assert client["HARNESS_CONGESTION"] == "cubic"
        assert client["HARNESS_CONVERTER"] == "10.0.0.3:5124"
        assert client["HARNESS_MULTIPATH"] == "backup"

    @pytest.mark.parametrize("role", ["client", "server"])
    def test_migration_records_and_objects(self, role: Role) -> None:
        setting = replace(SETTING, testcase="objects", objects=replace(OBJECTS, interval=0.0125))
        found = build(role, replace(setting, migrate=(21_000_000, 42_000_000), record_size=1500))
        assert found["HARNESS_MIGRATE"] == "21000000,42000000"
        assert found["HARNESS_RECORD_SIZE"] == "1500"
        assert found["HARNESS_OBJECT_BYTES"] == "16384"
        assert found["HARNESS_OBJECT_INTERVAL"] == "12.5"
        assert found["HARNESS_PLACEMENT"] == "own"

    @pytest.mark.parametrize(
        "change",
        [
            {"port": 0},
            {"port": 65536},
            {"bytes": -1},
            {"streams": 0},
            {"listen": ()},
            {"local": ()},
            {"objects": OBJECTS},
        ],
    )
    def test_impossible_settings(self, change: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=next(iter(change))):
            replace(SETTING, **change)  # type: ignore[arg-type]

"""Tests of harness.spec.scenario."""

from typing import Any

import pytest
from pydantic import ValidationError

from harness.spec.scenario import Scenario, Workload
from tests.support import synthetic


def scenario(**keys: Any) -> Scenario:
    return Scenario.model_validate(synthetic.scenario(**keys))


def drop(path: str = "upper", **keys: Any) -> dict[str, Any]:
    return {"kind": "drop", "path": path, "at": "1s", **keys}


class TestOneOrMany:
    def test_one_table_is_a_list_of_one(self) -> None:
        assert scenario(fault=drop()).fault == scenario(fault=[drop()]).fault


class TestFaultNames:
    def test_own_name_or_kind_and_path(self) -> None:
        one = scenario(
            fault=[drop(name="outage"), drop(), {"kind": "kill", "process": "client", "at": "1s"}], expect=[HASH]
        )
        assert [one.fault_name(index) for index in range(3)] == ["outage", "drop_upper", "kill_client"]

    def test_those_that_would_be_the_same_are_numbered(self) -> None:
        one = scenario(fault=[drop(), drop("lower"), drop()], expect=[HASH])
        assert [one.fault_name(index) for index in range(3)] == ["drop_upper_1", "drop_lower", "drop_upper_2"]

    @pytest.mark.parametrize("faults", [[drop(name="x"), drop(name="x")], [drop(name="drop_upper"), drop()]])
    def test_twice(self, faults: list[dict[str, Any]]) -> None:
        with pytest.raises(ValidationError, match="is named twice; every fault has a name of its own"):
            scenario(fault=faults)


class TestWorkload:
    @pytest.mark.parametrize(
        "keys",
        [
            {"bytes": "0B"},
            {"limit": "0s"},
            {"limit": "25h"},
            {"limit": "1441min"},
            {"streams": 0},
            {"streams": 1001},
            {"congestion": "cubic dev eth0"},
            {"congestion": "cubic\nroute flush"},
            {"kind": "ping"},
        ],
    )
    def test_refused(self, keys: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            scenario(workload={"bytes": "1MB", "limit": "10s", **keys})


def test_reads_back() -> None:
    one = scenario(
        sysctl={"net.ipv4.tcp_sack": 0, "net.ipv4.tcp_rmem": "4096 87380 100000"},
        figure={"title": "t", "goodput_max_mbps": 60, "from_s": 0, "to_s": 10},
        probe=[{"kind": "udp"}, {"kind": "tcp", "interval": "2s", "paths": ["upper"]}],
    )
    assert Scenario.model_validate(one.model_dump(mode="json", by_alias=True)) == one


HASH = {"kind": "hash_equal"}


class TestKinds:
    def test_the_receiver(self) -> None:
        kinds = {"download": "client", "upload": "server", "objects": "client"}
        assert {kind: _workload(kind=kind).receiver for kind in kinds} == kinds

    def test_defaults_of_objects(self) -> None:
        one = _workload(kind="objects")
        assert (one.object_bytes, one.object_interval, one.placement) == (16384, 0.1, "shared")

    @pytest.mark.parametrize(
        ("keys", "message"),
        [
            ({"object_bytes": "1KiB"}, "belongs to kind = 'objects', and this is 'download'"),
            ({"placement": "own"}, "belongs to kind = 'objects'"),
            ({"kind": "objects", "placement": "other"}, "Input should be 'shared' or 'own'"),
            ({"kind": "objects", "object_bytes": 0}, "greater than 0"),
            ({"kind": "objects", "object_interval": "10us"}, "greater than or equal to 0.001"),
            ({"kind": "objects", "streams": 2}, "the payload has one stream"),
            ({"record_size": "511B"}, "greater than or equal to 512"),
            ({"record_size": "16385B"}, "less than or equal to 16384"),
        ],
    )
    def test_what_does_not_go(self, keys: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            _workload(**keys)


class TestMigration:
    def test_marks(self) -> None:
        one = scenario(multipath={"mode": "backup", "migrate_at": ["5MB", "6MB"]})
        assert one.multipath.migrate_at == [5_000_000, 6_000_000]

    @pytest.mark.parametrize(
        ("multipath", "message"),
        [
            ({"migrate_at": ["5MB"]}, "needs mode = 'backup'"),
            ({"mode": "backup", "migrate_at": [0]}, "0 B is not more than 0 B"),
            ({"mode": "backup", "migrate_at": ["5MB", "5MB"]}, "5000000 B is not more than 5000000 B"),
            ({"mode": "backup", "migrate_at": ["20MB"]}, "is not less than workload.bytes, 20000000 B"),
        ],
    )
    def test_marks_that_are_never_reached(self, multipath: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            scenario(multipath=multipath)

    def test_the_client_receives(self) -> None:
        upload = {"kind": "upload", "bytes": "20MB", "limit": "40s"}
        with pytest.raises(ValidationError, match="and it sends here"):
            scenario(workload=upload, multipath={"mode": "backup", "migrate_at": ["5MB"]})


def _workload(**keys: Any) -> Workload:
    return Workload.model_validate({"bytes": "1MB", "limit": "9s", **keys})

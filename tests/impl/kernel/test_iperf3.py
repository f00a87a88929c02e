"""The iperf3 wrapper: transfers over loopback, its reading of reports, and its sight of the start."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.endpoints.environment import TestCase
from harness.endpoints.process import Status
from impl.contract.setting import EndpointError
from impl.kernel.iperf3 import intervals
from tests.impl.contract.transfers import setting, transfer


class TestTransfer:
    @pytest.mark.parametrize("streams", [1, 3])
    @pytest.mark.parametrize("testcase", ["download", "upload"])
    def test_bytes_are_reported(self, testcase: TestCase, streams: int, tmp_path: Path) -> None:
        began = time.monotonic_ns()
        chosen = setting(tmp_path, testcase=testcase, streams=streams, size=64 << 20)
        result = transfer("iperf3", chosen)
        assert result.client.status == result.server.status == Status.DONE, str(result.client)
        (done,) = result.of(result.receiver, "done")
        assert done.fields["sha256"] is None
        assert done.fields["reason"].startswith("iperf3 keeps nothing of what it receives")
        if testcase == "download":
            assert done.bytes == chosen.bytes
        else:  # over loopback the receiver may be slower than its path, and iperf3 then loses the rest
            assert chosen.bytes * 0.5 < done.bytes <= chosen.bytes
            assert (done.bytes < chosen.bytes) == ("ended its test" in done.fields["reason"])
        (connected,) = result.of("client", "connected")
        assert connected.fields["congestion"] == "reno"
        assert connected.path == "127.0.0.1"
        received = result.of(result.receiver, "received")
        assert {event.stream for event in received} == set(range(streams))
        assert all(began < connected.time <= event.time <= time.monotonic_ns() for event in received)
        assert all(0 < event.fields["interval_ms"] < 150 for event in received)

    def test_refused(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path, connect=("127.0.0.9", "127.0.0.2"), local=("127.0.0.1", "127.0.0.3"), size=1 << 20)
        result = transfer("iperf3", chosen)
        assert result.client.status == Status.DONE, str(result.client)
        assert [event.path for event in result.of("client", "path_failed")] == ["127.0.0.1"]
        assert result.of("client", "connected")[0].path == "127.0.0.3"

    def test_latency_is_unsupported(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path, testcase="latency", size=640)
        result = transfer("tcp", chosen, client="iperf3")
        assert result.client.status == Status.UNSUPPORTED
        assert result.client.log_end[-1] == "client: iperf3 has no test of small exchanges"


def _report(rows: list[list[int]]) -> dict[str, Any]:
    return {
        "start": {"connected": [{"socket": 5 + stream} for stream in range(len(rows[0]) if rows else 0)]},
        "intervals": [
            {
                "streams": [
                    {"socket": 5 + stream, "start": place / 10, "end": (place + 1) / 10, "bytes": size}
                    for stream, size in enumerate(row)
                ]
            }
            for place, row in enumerate(rows)
        ],
    }


class TestIntervals:
    @given(
        rows=st.lists(st.lists(st.integers(0, 1 << 30), min_size=2, max_size=2), max_size=20),
        limit=st.integers(0, 1 << 34),
    )
    def test_never_more_than_the_limit(self, rows: list[list[int]], limit: int) -> None:
        found = intervals(_report(rows), limit)
        assert sum(interval.bytes for interval in found) == min(limit, sum(map(sum, rows)))
        assert all(interval.bytes > 0 for interval in found)
        assert [interval.end for interval in found] == sorted(interval.end for interval in found)

    def test_sending_streams_are_left_out(self) -> None:
        report = _report([[10]])
        report["intervals"][0]["streams"][0]["sender"] = True
        assert intervals(report, 100) == []

    @pytest.mark.parametrize("report", [{}, {"start": {}}, {"start": {"connected": []}, "intervals": None}])
    def test_strange_report(self, report: dict[str, Any]) -> None:
        with pytest.raises(EndpointError, match="cannot read iperf3's report"):
            intervals(report, 1)

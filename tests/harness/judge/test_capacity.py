"""The analytic bound: shares after headers, faults second by second, more than one hop."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.capacity import Segment, payload_direction, payload_share, profile, time_needed
from harness.spec.scenario import Scenario
from harness.spec.topology import Path, Topology
from tests.support import synthetic

V4 = 25e6 * 1448 / 1514
V6 = 25e6 * 1428 / 1514


def of(**keys: Any) -> list[Segment]:
    return profile(Scenario.model_validate(synthetic.scenario(**keys)), Topology.model_validate(synthetic.topology()))


class TestHeaders:
    def test_shares_of_full_frames(self) -> None:
        assert payload_share(Path(name="a", from_="x", to="y")) == pytest.approx(1448 / 1514)
        assert payload_share(Path(name="a", from_="x", to="y", family="ipv6")) == pytest.approx(1428 / 1514)
        assert payload_share(Path(name="a", from_="x", to="y", mtu=9000)) == pytest.approx(8948 / 9014)

    def test_direction_follows_the_workload(self) -> None:
        topology = Topology.model_validate(synthetic.topology())
        assert payload_direction(topology, topology.path[0], "download") == "backward"
        assert payload_direction(topology, topology.path[0], "upload") == "forward"


class TestFaults:
    def test_without_faults(self) -> None:
        (segment,) = of(fault=[])
        assert segment.total == pytest.approx(V4 + V6)
        assert segment.best == pytest.approx(V4)

    def test_an_outage_ends_one_path(self) -> None:
        before, after = of()
        assert (before.start_s, before.end_s, after.end_s) == (0, 3, 40)
        assert after.total == pytest.approx(V6)
        assert after.best == pytest.approx(V6)

    def test_outage_with_an_end(self) -> None:
        segments = of(fault={"kind": "down", "path": "upper", "at": "1s", "duration": "2s"})
        assert [segment.paths["upper"] > 0 for segment in segments] == [True, False, True]

    def test_rate_changes_and_is_restored(self) -> None:
        fault = {"kind": "change", "path": "lower", "at": "1s", "duration": "1s", "set": {"rate": "5mbit"}}
        rates = [segment.paths["lower"] / V6 for segment in of(fault=fault)]
        assert rates == pytest.approx([1, 0.2, 1])

    def test_change_of_the_other_direction_changes_nothing(self) -> None:
        fault = {"kind": "change", "path": "lower", "at": "1s", "direction": "forward", "set": {"rate": "5mbit"}}
        assert [segment.paths["lower"] for segment in of(fault=fault)] == pytest.approx([V6, V6])

    def test_ramp_moves_in_steps(self) -> None:
        fault = {
            "kind": "ramp", "path": "lower", "at": "1s", "key": "rate", "to": "5mbit", "duration": "4s", "steps": 4,
        }  # fmt: skip
        rates = [segment.paths["lower"] / V6 for segment in of(fault=fault)]
        assert rates == pytest.approx([1, 0.8, 0.6, 0.4, 0.2])

    def test_nothing_moves_while_a_process_is_paused(self) -> None:
        segments = of(fault={"kind": "pause", "process": "server", "at": "1s", "duration": "1s"})
        assert [segment.total > 0 for segment in segments] == [True, False, True]
        assert of(fault={"kind": "kill", "process": "client", "at": "1s"})[-1].total == 0


class TestHops:
    def test_the_narrowest_hop_counts(self) -> None:
        fast, slow = {"rate": "50mbit"}, {"rate": "30mbit"}
        network = {
            "name": "converter",
            "node": [
                {"name": "client", "kind": "client"},
                {"name": "conv", "kind": "converter"},
                {"name": "server", "kind": "server"},
            ],
            "path": [
                {"name": "wifi", "from": "client", "to": "conv", "both": {"rate": "20mbit"}},
                {"name": "lte", "from": "client", "to": "conv", "both": slow},
                {"name": "core", "from": "conv", "to": "server", "both": fast, "backward": {"rate": "40mbit"}},
            ],
        }
        topology = Topology.model_validate(network)
        (segment,) = profile(Scenario.model_validate(synthetic.scenario(fault=[])), topology)
        assert segment.total == pytest.approx(40e6 * 1448 / 1514)
        assert segment.best == pytest.approx(30e6 * 1448 / 1514)

    def test_unlimited(self) -> None:
        network = synthetic.topology(upper={"both": {}}, lower={"both": {"rate": "1mbit"}})
        topology = Topology.model_validate(network)
        (segment,) = profile(Scenario.model_validate(synthetic.scenario(fault=[])), topology)
        assert math.isinf(segment.total)
        assert time_needed(10**9, [segment], "sum") == 0


class TestTime:
    def test_two_rates(self) -> None:
        segments = [Segment(0, 1, 8e6, 4e6, {}), Segment(1, 2, 0, 0, {}), Segment(2, 10, 8e6, 8e6, {})]
        assert time_needed(500_000, segments, "sum") == pytest.approx(0.5)
        assert time_needed(1_500_000, segments, "sum") == pytest.approx(2.5)
        assert time_needed(1_500_000, segments, "one") == pytest.approx(3.0)
        assert math.isinf(time_needed(10**8, segments, "sum"))

    @given(st.lists(st.tuples(st.floats(0.1, 5), st.floats(0, 1e8)), min_size=1, max_size=8), st.integers(1, 10**8))
    def test_more_bytes_never_need_less(self, parts: list[tuple[float, float]], size: int) -> None:
        start, segments = 0.0, []
        for length, rate in parts:
            segments.append(Segment(start, start + length, rate, rate, {}))
            start += length
        needed = time_needed(size, segments, "sum")
        assert needed <= time_needed(size * 2, segments, "sum")
        if not math.isinf(needed):
            carried = sum(s.total * (min(s.end_s, needed) - s.start_s) for s in segments if s.start_s < needed)
            assert carried == pytest.approx(size * 8, rel=1e-6)

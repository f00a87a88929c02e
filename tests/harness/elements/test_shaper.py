"""Tests of harness.elements.shaper: settings from links, commands, and changes that keep the child's kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.elements.shaper import FRAME, Shaper, add_commands, burst_bytes, change_commands, changed, shaper
from harness.spec.link import Link


def link(**fields: object) -> Link:
    return Link.model_validate(fields)


def of(given_link: Link) -> Shaper:
    setting = shaper(given_link, 0.04)
    assert setting is not None
    return setting


class TestSettings:
    @given(st.floats(1e3, 1e10))
    def test_the_burst_holds_two_frames_and_two_milliseconds(self, rate: float) -> None:
        assert burst_bytes(rate) >= max(2 * FRAME, int(rate / 8 * 0.002))

    @pytest.mark.parametrize(
        ("queue", "child", "limit"),
        [
            ({"packets": 50}, "pfifo", 50),
            ({"bytes": "90kB"}, "bfifo", 90_000),
            ({"time": "10ms"}, "bfifo", 31_250),
            ({"bdp": 2}, "bfifo", 250_000),
        ],
    )
    def test_each_measure_of_a_queue(self, queue: object, child: str, limit: int) -> None:
        assert of(link(rate="25mbit", queue=queue)) == Shaper(25_000_000, 6250, child, limit)  # type: ignore[arg-type]

    def test_without_rate_there_is_none(self) -> None:
        assert shaper(link(), 0.04) is None

    def test_a_queue_holds_a_frame_at_least(self) -> None:
        assert of(link(rate="1mbit", queue={"bytes": "1B"})).limit == FRAME


class TestCommands:
    def test_tbf_and_its_child(self) -> None:
        assert [" ".join(command) for command in add_commands("eth0", Shaper(1_000_000, 3028, "bfifo", 9000))] == [
            "tc qdisc add dev eth0 root handle 1: tbf rate 1000000bit burst 3028 limit 9000",
            "tc qdisc add dev eth0 parent 1:1 handle 10: bfifo limit 9000",
        ]

    def test_one_command_changes_both(self) -> None:
        old, new = Shaper(1_000_000, 3028, "pfifo", 90), Shaper(2_000_000, 3028, "pfifo", 80)
        assert [" ".join(command) for command in change_commands("eth0", old, new)] == [
            "tc qdisc change dev eth0 root handle 1: tbf rate 2000000bit burst 3028 limit 80"
        ]

    def test_nothing_changed_needs_no_command(self) -> None:
        same = Shaper(1_000_000, 3028, "pfifo", 90)
        assert change_commands("eth0", same, same) == []


class TestChanges:
    def test_the_child_keeps_its_kind(self) -> None:
        packets = of(link(rate="25mbit", queue={"packets": 50}))
        assert changed(packets, link(rate="5mbit", queue={"bytes": "15140B"}), 0.04).limit == 10
        sized = of(link(rate="25mbit", queue={"bytes": "90kB"}))
        assert changed(sized, link(rate="5mbit", queue={"packets": 10}), 0.04) == Shaper(
            5_000_000, 3028, "bfifo", 15140
        )

    def test_a_rate_taken_away_becomes_one_out_of_reach(self) -> None:
        old = of(link(rate="25mbit", queue={"packets": 50}))
        new = changed(old, link(), 0.04)
        assert new.rate >= 10**11
        assert (new.child, new.limit) == (old.child, old.limit)

"""Tests of harness.spec.link."""

from typing import Any

import pytest
from pydantic import ValidationError

from harness.spec.link import GilbertElliott, IndexedLoss, Link, Queue, SynLoss, UniformLoss


def message(**keys: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Link.model_validate(keys)
    return str(caught.value.errors()[0]["msg"])


class TestLoss:
    @pytest.mark.parametrize("value", ["1%", 0.01, {"probability": "1%"}, {"model": "uniform", "probability": 0.01}])
    def test_shorthands_of_uniform_loss(self, value: Any) -> None:
        assert Link.model_validate({"loss": value}).loss == UniformLoss(probability=0.01)

    def test_models(self) -> None:
        burst = {"model": "gilbert_elliott", "to_bad": "1%", "to_good": "30%"}
        assert isinstance(Link.model_validate({"loss": burst}).loss, GilbertElliott)
        assert isinstance(Link.model_validate({"loss": {"model": "indexes", "packets": [1, 7]}}).loss, IndexedLoss)
        assert isinstance(Link.model_validate({"loss": {"model": "syn", "first": 2}}).loss, SynLoss)

    def test_a_packet_is_listed_once(self) -> None:
        assert "packet 3 is listed twice" in message(loss={"model": "indexes", "packets": [3, 4, 3]})

    @pytest.mark.parametrize("loss", ["101%", 1.5, -0.1, True, {"model": "indexes", "packets": []}, {"model": "other"}])
    def test_refused(self, loss: Any) -> None:
        assert message(loss=loss)


class TestQueue:
    @pytest.mark.parametrize(
        ("queue", "size"),
        [
            ({"packets": 100}, 151_400),
            ({"bytes": "64KiB"}, 65_536),
            ({"time": "50ms"}, 62_500),
            ({"bdp": 2}, 100_000),
            ({"time": "1us"}, 1514),
        ],
    )
    def test_bytes(self, queue: dict[str, Any], size: int) -> None:
        link = Link.model_validate({"rate": "10mbit", "queue": queue})
        assert link.queue_bytes(round_trip=0.04) == size

    @pytest.mark.parametrize("queue", [{}, {"packets": 3, "bytes": "3kB"}, {"bytes": "3kB", "time": "1ms", "bdp": 1}])
    def test_exactly_one_measure(self, queue: dict[str, Any]) -> None:
        assert "exactly one of packets, bytes, time, bdp; found" in message(queue=queue)

    @pytest.mark.parametrize("queue", [{"packets": 0}, {"bytes": "0B"}, {"time": "0s"}, {"bdp": 0}, {"packets": True}])
    def test_nothing_is_no_queue(self, queue: dict[str, Any]) -> None:
        assert message(queue=queue)


class TestLink:
    def test_a_link_of_nothing_does_nothing(self) -> None:
        assert Link() == Link(
            rate=None, queue=Queue(packets=100), delay=0.0, jitter=None, loss=None, reorder=None, duplicate=0, corrupt=0
        )

    @pytest.mark.parametrize(
        "keys", [{"rate": "0mbit"}, {"delay": "61s"}, {"jitter": {}}, {"dely": "1ms"}, {"rate": 5}]
    )
    def test_refused(self, keys: dict[str, Any]) -> None:
        assert message(**keys)

    def test_what_is_written_reads_back(self) -> None:
        link = Link.model_validate(
            {
                "rate": "25mbit",
                "queue": {"bdp": 1.5},
                "delay": "20ms",
                "jitter": {"amount": "2ms", "distribution": "pareto", "correlation": "25%"},
                "loss": {"model": "gilbert_elliott", "to_bad": "1%", "to_good": "30%"},
                "reorder": {"probability": "1%"},
                "duplicate": "0.1%",
                "corrupt": 0.001,
            }
        )
        assert Link.model_validate(link.model_dump(mode="json")) == link

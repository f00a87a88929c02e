"""Tests of harness.elements.netem: the commands; with the kernel's netem (marker netem): delay, order, seed, change."""

import random
import time

import pytest

from harness.elements import Elements, ElementUnsupported, available_elements, netem
from harness.spec.link import Link
from tests.harness.elements.chain import chain
from tests.harness.elements.traffic import Receiver, sender


def link(**fields: object) -> Link:
    return Link.model_validate(fields)


class TestArguments:
    def test_every_parameter_is_named_since_the_kernel_keeps_old_ones(self) -> None:
        words = " ".join(netem.arguments(link(delay="20ms"), None))
        assert words == "limit 1000000 delay 20000us corrupt 0% duplicate 0% rate 10gbit".replace(
            "1000000", str(netem.packet_limit(link(delay="20ms")))
        )

    def test_jitter_loss_and_the_rest(self) -> None:
        full = link(
            rate="25mbit",
            delay="20ms",
            jitter={"amount": "2ms", "distribution": "pareto", "correlation": 0.25},
            loss={"model": "gilbert_elliott", "to_bad": "1%", "to_good": "30%", "loss_bad": 0.9},
            reorder={"probability": 0.05},
            duplicate=0.01,
            corrupt=0.001,
        )
        words = " ".join(netem.arguments(full, 77))
        assert "delay 20000us 2000us 25% distribution pareto" in words
        assert "loss gemodel 1% 30% 90% 0%" in words
        assert "corrupt 0.1% duplicate 1% reorder 5% 0%" in words
        assert words.endswith("seed 77")

    def test_correlated_loss_keeps_its_share(self) -> None:
        words = netem.arguments(link(loss={"probability": 0.1, "correlation": 0.5}), None)
        assert words[words.index("loss") : words.index("corrupt")] == ["loss", "gemodel", "5%", "45%", "100%", "0%"]

    def test_small_shares_are_written_without_exponent(self) -> None:
        assert "0.0001%" in netem.arguments(link(loss=0.000001), None)

    def test_the_limit_holds_twice_what_is_under_way(self) -> None:
        fast = link(rate="200mbit", delay="200ms", queue={"bdp": 1})
        assert netem.packet_limit(fast) * 64 >= 2 * 200e6 / 8 * 0.2


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "word"),
        [
            ({"loss": {"model": "indexes", "packets": [1]}}, "indexes"),
            ({"loss": {"model": "syn"}}, "syn"),
            ({"reorder": {"probability": 0.1}}, "reorder"),
        ],
    )
    def test_what_it_cannot_do_is_named(self, fields: dict[str, object], word: str) -> None:
        with pytest.raises(ElementUnsupported, match=word):
            netem.arguments(link(**fields), None)

    def test_a_way_back_to_uniform_jitter_is_refused(self) -> None:
        normal, uniform = (
            link(delay="9ms", jitter={"amount": "1ms", "distribution": kind}) for kind in ("normal", "uniform")
        )
        assert netem.change_refusals(normal, uniform)
        assert not netem.change_refusals(uniform, normal)


@pytest.mark.sandbox
@pytest.mark.netem
class TestKernel:
    def test_jitter_does_not_reorder_and_the_delay_is_kept(self) -> None:
        jittery = link(delay="30ms", jitter={"amount": "10ms"})
        with (
            chain() as path,
            Elements.setup([path], {("p", "forward"): jittery, ("p", "backward"): link()}, element="netem", seed=1),
            Receiver(path) as receiver,
            sender(path) as out,
        ):
            for number in range(200):
                out.send(number.to_bytes(4, "big"))
                time.sleep(0.001)
            arrived = receiver.take(200)
            assert [number for number, _ in arrived] == list(range(200))

    def test_changes_lose_and_reorder_nothing(self) -> None:
        numbers = random.Random(1)
        with (
            chain() as path,
            Elements.setup(
                [path], {("p", "forward"): link(delay="50ms"), ("p", "backward"): link()}, element="netem", seed=1
            ) as elements,
            Receiver(path) as receiver,
            sender(path) as out,
        ):
            for number in range(500):
                if number % 50 == 25:
                    delay = f"{numbers.randrange(5, 80)}ms"
                    elements.change("p", "forward", link(delay=delay, jitter={"amount": "2ms"}))
                out.send(number.to_bytes(4, "big"))
                time.sleep(0.0005)
            assert [number for number, _ in receiver.take(500)] == list(range(500))
            assert elements.counters()["p", "forward"].packets_out == 500

    def test_the_same_seed_loses_the_same_where_the_kernel_takes_seeds(self) -> None:
        seeded = available_elements().netem_seed
        arrived = []
        for _ in range(2):
            with (
                chain() as path,
                Elements.setup(
                    [path], {("p", "forward"): link(loss=0.2), ("p", "backward"): link()}, element="netem", seed=5
                ) as elements,
                Receiver(path) as receiver,
                sender(path) as out,
            ):
                assert elements.seeded == seeded
                for number in range(300):
                    out.send(number.to_bytes(4, "big"))
                counters = elements.counters()["p", "forward"]
                assert counters.packets_out + counters.lost == 300
                arrived.append([number for number, _ in receiver.take(counters.packets_out)])
        assert 20 <= 300 - len(arrived[0]) <= 100
        assert (arrived[0] == arrived[1]) == seeded


@pytest.mark.sandbox
class TestAbsence:
    def test_where_the_kernel_has_no_netem_the_missing_part_is_named(self) -> None:
        if available_elements().netem is None:
            assert "netem" in available_elements().names()
            return
        with chain() as path, pytest.raises(ElementUnsupported, match="sch_netem"):
            Elements.setup([path], {place.key: link() for place in path.directions}, element="netem", seed=1)

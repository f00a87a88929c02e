"""Calibration of real paths of namespaces, with tbf and no delay."""

import asyncio
import time

import pytest

from harness.elements import Elements
from harness.elements.shaper import burst_bytes
from harness.measure.calibrate import calibrate, calibrate_now
from harness.measure.calibration import Calibration, Measured, Target
from harness.network.namespaces import run_in
from harness.network.paths import Family
from harness.spec.link import Link
from tests.harness.measure.network import Shape, path

pytestmark = pytest.mark.sandbox


def _shape(rate: float) -> Shape:
    return Shape(rate, burst_bytes(rate))


def _measured(result: Calibration) -> Measured:
    assert result.measured is not None, result.reason
    return result.measured


class TestRate:
    @pytest.mark.parametrize("family", ["ipv4", "ipv6"])
    @pytest.mark.parametrize(("forward", "backward"), [(25e6, 10e6), (200e6, 50e6), (1e6, 2e6)])
    def test_both_directions_within_one_and_a_half_percent(
        self, family: Family, forward: float, backward: float
    ) -> None:
        with path(family=family, forward=_shape(forward), backward=_shape(backward)) as instance:
            target = Target(instance, Link(rate=f"{forward}bit"), Link(rate=f"{backward}bit"))
            results = calibrate_now([target], "before", 1)
        assert [result.direction for result in results] == ["forward", "backward"]
        for result, rate in zip(results, (forward, backward), strict=True):
            measured = _measured(result)
            assert measured.rate_mbps == pytest.approx(rate / 1e6, rel=0.015)
            assert measured.in_order
            assert measured.received == measured.sent
            assert result.reason is None
            # Small packets wait neither for tokens nor behind the train.
            assert measured.delay_ms < 2
            assert result.rtt_ms is not None

    def test_usual_paths_take_less_than_a_second(self) -> None:
        link = Link(rate="25mbit")
        with (
            path("p1", "ipv4", _shape(25e6), _shape(25e6)) as one,
            path("p2", "ipv6", _shape(25e6), _shape(25e6)) as two,
        ):
            began = time.monotonic()
            results = asyncio.run(calibrate([Target(one, link, link), Target(two, link, link)], "after", 7))
            took = time.monotonic() - began
        assert [(result.path, result.when) for result in results] == [("p1", "after")] * 2 + [("p2", "after")] * 2
        for result in results:
            assert _measured(result).rate_mbps == pytest.approx(25, rel=0.015)
        assert took < 0.8

    @pytest.mark.parametrize("real", [10e6, 22e6])
    def test_slower_than_configured(self, real: float) -> None:
        link = Link(rate="25mbit")
        with path(forward=_shape(real), backward=_shape(25e6)) as instance:
            forward, backward = calibrate_now([Target(instance, link, link)], "before", 1)
        assert _measured(forward).rate_mbps == pytest.approx(real / 1e6, rel=0.03)
        assert _measured(backward).rate_mbps == pytest.approx(25, rel=0.015)

    def test_faster_than_configured(self) -> None:
        link = Link(rate="25mbit")
        with path(forward=_shape(100e6), backward=_shape(25e6)) as instance:
            forward, _ = calibrate_now([Target(instance, link, link)], "before", 1)
        measured = _measured(forward)
        assert measured.sender_limited
        assert measured.rate_mbps is not None
        assert measured.rate_mbps > 26

    def test_without_limit(self) -> None:
        with path() as instance:
            results = calibrate_now([Target(instance, Link(), Link(loss="1%"))], "before", 1)
        forward, backward = (_measured(result) for result in results)
        assert (forward.rate_mbps, forward.loss, forward.sender_limited) == (None, None, False)
        # Enough packets for the loss are sent, though there is no rate to measure.
        assert (backward.rate_mbps, backward.loss, backward.sender_limited) == (None, 0.0, False)


class TestDelay:
    @pytest.mark.parametrize("family", ["ipv4", "ipv6"])
    def test_each_direction_has_its_own(self, family: Family) -> None:
        forward, backward = Link(rate="25mbit", delay="20ms"), Link(rate="25mbit", delay="10ms", loss="5%")
        with path(family=family) as instance:
            links = {instance.forward.key: forward, instance.backward.key: backward}
            with Elements.setup([instance], links, element="nfqueue", seed=1):
                began = time.monotonic()
                results = calibrate_now([Target(instance, forward, backward)], "before", 1)
                took = time.monotonic() - began
        for result, delay in zip(results, (20, 10), strict=True):
            measured = _measured(result)
            assert measured.delay_ms == pytest.approx(delay, abs=0.5)
            assert measured.rate_mbps == pytest.approx(25, rel=0.015)
            assert measured.in_order
        assert results[0].rtt_ms == pytest.approx(30, abs=1)
        # Some 400 packets at 5 %: outside of these bounds with a probability below one in a million.
        loss = _measured(results[1]).loss
        assert loss is not None
        assert 0 < loss < 0.12
        assert took < 0.8


class TestDeadPaths:
    def test_silent_in_one_direction(self) -> None:
        with path() as instance:
            run_in(instance.a_near.pid, ["ip", "route", "add", "blackhole", f"{instance.to_address}/32"])
            began = time.monotonic()
            forward, backward = calibrate_now([Target(instance, Link(), Link())], "after", 1)
            took = time.monotonic() - began
        assert forward.measured is None
        assert forward.reason is not None
        assert "no packet arrived" in forward.reason
        assert _measured(backward).delay_ms < 2
        assert backward.rtt_ms is None
        assert took < 3

    def test_interface_down(self) -> None:
        with path() as instance:
            run_in(instance.from_.pid, ["ip", "link", "set", instance.from_.interface, "down"])
            results = calibrate_now([Target(instance, Link(), Link())], "after", 1)
        assert [result.measured for result in results] == [None, None]
        assert results[0].reason is not None
        assert "unreachable" in results[0].reason

    def test_address_gone(self) -> None:
        with path() as instance:
            run_in(instance.from_.pid, ["ip", "address", "flush", "dev", instance.from_.interface])
            results = calibrate_now([Target(instance, Link(), Link())], "after", 1)
        assert [result.measured for result in results] == [None, None]
        assert all("assign" in (result.reason or "") for result in results)

    def test_lossy(self) -> None:
        # Every third packet beyond the shaper is dropped by a rule: a third of the train is missing, the rate is not.
        link = Link(rate="25mbit", loss="33%")
        with path(forward=_shape(25e6), backward=_shape(25e6)) as instance:
            rule = ["-m", "statistic", "--mode", "nth", "--every", "3", "--packet", "0", "-j", "DROP"]
            run_in(instance.b_near.pid, ["iptables", "-A", "FORWARD", "-o", instance.b_near.interface, *rule])
            forward, _ = calibrate_now([Target(instance, link, link)], "before", 1)
        measured = _measured(forward)
        assert measured.rate_mbps == pytest.approx(25, rel=0.015)
        assert measured.loss == pytest.approx(1 / 3, abs=0.01)


class TestTranslation:
    def test_behind_nat(self) -> None:
        link = Link(rate="25mbit")
        with path(forward=_shape(25e6), backward=_shape(25e6)) as instance:
            run_in(
                instance.a_near.pid,
                ["iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "a1", "-j", "MASQUERADE"],
            )
            # Only the translated address is reachable from outside.
            run_in(instance.b_near.pid, ["ip", "route", "add", "blackhole", "10.1.1.0/24"])
            results = calibrate_now([Target(instance, link, link)], "before", 1)
        for result in results:
            assert _measured(result).rate_mbps == pytest.approx(25, rel=0.015)


class TestSockets:
    def test_none_is_left(self) -> None:
        with path() as instance:
            calibrate_now([Target(instance, Link(), Link())], "before", 1)
            for end in (instance.from_, instance.to):
                assert run_in(end.pid, ["ss", "-Huan"]) == ""

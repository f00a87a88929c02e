"""Tests of link parameters that change and ramp."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.faults.links import LinkFaults
from harness.faults.outcome import FaultFailed
from harness.faults.plan import plan
from harness.spec.link import Link, UniformLoss
from tests.harness.faults.network import TOPOLOGY, FakeElements, scenario


class Refusing(FakeElements):
    def change(self, path: str, direction: str, link: Link) -> int:
        raise ValueError("no")


class TestChange:
    def test_what_is_named_changes_and_the_rest_stays(self) -> None:
        elements = FakeElements()
        links = LinkFaults(TOPOLOGY, elements)
        change = {
            "kind": "change",
            "path": "p",
            "at": 0,
            "direction": "forward",
            "set": {"delay": "30ms", "loss": "1%"},
        }
        [action] = plan(scenario(change))
        links.begin(action)
        link = links.current("p", "forward")
        assert (link.delay, link.rate, link.loss) == (0.03, 25e6, UniformLoss(probability=0.01))
        assert elements.changes == [("p", "forward", link)]
        assert links.current("p", "backward").delay == 0

    def test_undone_it_gives_back_only_what_it_took(self) -> None:
        links = LinkFaults(TOPOLOGY, FakeElements())
        slow = {"kind": "change", "path": "p", "at": 0, "duration": "2s", "set": {"rate": "1mbit"}}
        far = {"kind": "change", "path": "p", "at": "1s", "set": {"delay": "50ms"}}
        begin, other, end = plan(scenario(slow, far))
        links.begin(begin)
        links.begin(other)
        links.end(end.undoes or "")
        for direction in ("forward", "backward"):
            link = links.links["p", direction]
            assert (link.rate, link.delay) == (25e6, 0.05)
        assert links.end(end.undoes or "").result == "ended before"

    def test_what_the_element_refuses_has_not_changed(self) -> None:
        links = LinkFaults(TOPOLOGY, Refusing())
        [action] = plan(scenario({"kind": "change", "path": "p", "at": 0, "set": {"rate": "1mbit"}}))
        with pytest.raises(ValueError, match="no"):
            links.begin(action)
        assert links.current("p", "forward").rate == 25e6


class TestRamp:
    @given(st.integers(1, 50), st.integers(1, 100))
    def test_it_goes_straight_and_ends_exactly_there(self, steps: int, target: int) -> None:
        elements = FakeElements()
        links = LinkFaults(TOPOLOGY, elements)
        ramp = {"kind": "ramp", "path": "p", "at": 0, "key": "rate", "to": f"{target}mbit", "duration": "2s"}
        for action in plan(scenario({**ramp, "steps": steps, "direction": "forward"})):
            links.begin(action)
        rates = [link.rate or 0 for _, _, link in elements.changes]
        assert len(rates) == steps
        assert rates[-1] == target * 1e6
        whole = target * 1e6 - 25e6
        assert rates == pytest.approx([25e6 + whole * step / steps for step in range(1, steps + 1)])

    def test_loss_starts_from_none(self) -> None:
        links = LinkFaults(TOPOLOGY, FakeElements())
        ramp = {"kind": "ramp", "path": "p", "at": 0, "key": "loss", "to": "10%", "duration": "1s", "steps": 2}
        first, second = plan(scenario(ramp))
        links.begin(first)
        assert links.current("p", "backward").loss == UniformLoss(probability=0.05)
        links.begin(second)
        assert links.current("p", "backward").loss == UniformLoss(probability=0.1)

    def test_a_repeated_one_starts_from_where_the_last_ended(self) -> None:
        links = LinkFaults(TOPOLOGY, FakeElements())
        ramp = {"kind": "ramp", "path": "p", "at": 0, "key": "delay", "to": "10ms", "duration": "1s", "steps": 2}
        for action in plan(scenario({**ramp, "every": "2s", "times": 2})):
            links.begin(action)
        assert links.current("p", "forward").delay == 0.01

    def test_no_rate_to_start_from(self) -> None:
        links = LinkFaults(TOPOLOGY, FakeElements())
        ramp = {"kind": "ramp", "path": "n", "at": 0, "key": "rate", "to": "10mbit", "duration": "1s", "steps": 2}
        first, second = plan(scenario(ramp))
        with pytest.raises(FaultFailed, match="n forward has no rate to start from"):
            links.begin(first)
        with pytest.raises(FaultFailed, match="first step failed"):
            links.begin(second)

"""Tests of harness.elements.elements: set-up, refusals, records."""

import pytest

from harness.elements import Elements, ElementUnsupported, choose
from harness.network.namespaces import run_in
from harness.network.paths import Attachment, Direction, PathInstance
from harness.spec.link import Link
from tests.harness.elements.chain import chain


def link(**fields: object) -> Link:
    return Link.model_validate(fields)


def nowhere() -> PathInstance:
    seat = Attachment("n", 1, "x")
    forward = Direction("p", "forward", seat, seat, "x", 1)
    backward = Direction("p", "backward", seat, seat, "x", 2)
    return PathInstance("p", "ipv4", seat, seat, seat, seat, "", "", forward, backward)


class TestRefusals:
    def test_a_link_that_the_element_cannot_do_is_named_before_anything_is_set(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(choose, "resolve", lambda name: name)
        links = {place.key: link(loss={"model": "syn"}) for place in nowhere().directions}
        with pytest.raises(ElementUnsupported, match="path p, forward: netem cannot tell TCP SYNs"):
            Elements.setup([nowhere()], links, element="netem", seed=1)


@pytest.mark.sandbox
class TestSetup:
    def test_the_record_says_what_was_done(self) -> None:
        with chain() as path:
            links = {place.key: link(delay="5ms", rate="8mbit") for place in path.directions}
            with Elements.setup([path], links, element="nfqueue", seed=1) as elements:
                record = elements.describe()
                assert record["element"] == "nfqueue"
                assert record["seeded"] is True
                assert any("tbf rate 8000000bit" in command for command in record["commands"])
                rules = run_in(path.forward.element.pid, ["iptables", "-w", "-t", "mangle", "-S", "FORWARD"])
                assert "-i b0 -j NFQUEUE --queue-num 2" in rules
                elements.change("p", "forward", link(delay="5ms", rate="9mbit"))
                assert elements.link("p", "forward").rate == 9e6
                shown = run_in(path.forward.shaper.pid, ["tc", "qdisc", "show", "dev", "a1"])
                assert "rate 9Mbit" in shown

    def test_a_rate_can_be_added_and_taken_away(self) -> None:
        with chain() as path, Elements.setup([path], {p.key: link() for p in path.directions}, seed=1) as elements:
            show = ["tc", "qdisc", "show", "dev", "a1"]
            assert "tbf" not in run_in(path.forward.shaper.pid, show)
            elements.change("p", "forward", link(rate="1mbit"))
            assert "rate 1Mbit" in run_in(path.forward.shaper.pid, show)
            elements.change("p", "forward", link())
            assert "rate 100Gbit" in run_in(path.forward.shaper.pid, show)

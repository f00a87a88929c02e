"""Tests of faults with the real elements at work, and on paths whose ends are not those of the connections."""

from collections.abc import Iterator

import pytest

from harness.elements.elements import Elements
from harness.faults.actions import Faults
from harness.faults.plan import plan
from harness.network.emulation import Emulation
from harness.network.namespaces import run_in
from harness.network.paths import PathInstance
from harness.spec.topology import Topology
from tests.harness.faults.network import FakeElements, Pair, scenario

pytestmark = pytest.mark.sandbox

CHAIN = Topology.model_validate(
    {
        "name": "chain",
        "node": [
            {"name": "client", "kind": "client"},
            {"name": "box", "kind": "middlebox"},
            {"name": "server", "kind": "server"},
        ],
        "path": [
            {"name": "one", "from": "client", "to": "box", "both": {"rate": "50mbit", "delay": "5ms"}},
            {"name": "two", "from": "box", "to": "server", "both": {"rate": "50mbit", "delay": "5ms"}},
        ],
    }
)


@pytest.fixture(scope="module")
def chain() -> Iterator[Emulation]:
    with Emulation(CHAIN) as emulation:
        yield emulation


@pytest.fixture
def through(chain: Emulation) -> PathInstance:
    """From the client to the server as if it were one path."""
    one, two = chain.paths["one"], chain.paths["two"]
    return PathInstance(
        "whole", "ipv4", one.from_, two.to, one.a_near, two.b_near, one.from_address, two.to_address,
        one.forward, one.backward,
    )  # fmt: skip


class TestChain:
    @pytest.mark.parametrize("name", ["one", "two"])
    def test_idle_connections_from_beyond_the_path_are_reset_as_well(
        self, chain: Emulation, through: PathInstance, name: str
    ) -> None:
        actions = plan(scenario({"kind": "rst", "path": name, "at": 0}))
        with Faults(actions, CHAIN, chain.paths, chain.nodes, FakeElements(), {}) as faults, Pair(through) as pair:
            assert pair.works()
            faults.perform(actions[0])
            for side in (pair.client, pair.server):
                side.settimeout(2)
                with pytest.raises(ConnectionResetError):
                    side.recv(1)
            faults.undo(actions[0].id)


@pytest.fixture(scope="class")
def elements(chain: Emulation) -> Iterator[Elements]:
    instances = chain.paths.values()
    links = {d.key: getattr(CHAIN.find_path(path.name), d.name) for path in instances for d in path.directions}
    with Elements.setup(list(instances), links, element="auto", seed=1) as made:
        yield made


class TestRealElements:
    @pytest.mark.parametrize("where", ["from", "middle", "to"])
    def test_shaper_and_delay_survive_an_interface_that_goes_down(
        self, chain: Emulation, through: PathInstance, elements: Elements, where: str
    ) -> None:
        place = chain.paths["one"].forward.shaper
        before = run_in(place.pid, ["tc", "qdisc", "show"])
        assert "tbf" in before
        down = {"kind": "down", "path": "one", "where": where, "at": 0, "duration": "1s"}
        begin, end = plan(scenario(down))
        with Faults([begin, end], CHAIN, chain.paths, chain.nodes, elements, {}) as faults, Pair(through) as pair:
            pair.client.send(bytes(20000))  # packets wait in the delay element when it goes down
            faults.prepare(begin)
            faults.perform(begin)
            faults.perform(end)
            pair.server.settimeout(5)
            received = 0
            while received < 20000:
                received += len(pair.server.recv(65536))
            assert pair.works()
            elements.check()
        assert run_in(place.pid, ["tc", "qdisc", "show"]) == before

    def test_a_change_reaches_the_element(self, chain: Emulation, elements: Elements) -> None:
        settings = {"rate": "10mbit", "delay": "9ms"}
        [change] = plan(scenario({"kind": "change", "path": "two", "at": 0, "set": settings}))
        with Faults([change], CHAIN, chain.paths, chain.nodes, elements, {}) as faults:
            faults.perform(change)
            assert elements.link("two", "forward") == faults.current_link("two", "forward")
            assert elements.link("two", "backward") == faults.current_link("two", "backward")
            assert elements.link("two", "backward").rate == 10e6

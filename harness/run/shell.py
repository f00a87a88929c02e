"""The program of ``harness shell`` inside its sandbox: ``python -m harness.run.shell ORDER`` (JSON)."""

import json
import sys

from harness.elements import Elements
from harness.faults.actions import Faults
from harness.network.emulation import Emulation
from harness.run.prompt import open_prompt
from harness.spec.topology import Topology


def main() -> None:
    """Build the network with its delays and open the prompt."""
    order = json.loads(sys.argv[1])
    topology = Topology.model_validate(order["topology"])
    with (
        Emulation(topology) as emulation,
        Elements.setup(list(emulation.paths.values()), topology.links(), element=order["element"], seed=1) as elements,
        Faults([], topology, emulation.paths, emulation.nodes, elements, {}) as faults,
    ):
        faults.take_initial_state()
        open_prompt(emulation)


if __name__ == "__main__":
    main()

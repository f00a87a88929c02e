"""The network that the tests of one module share."""

from collections.abc import Iterator

import pytest

from harness.network.emulation import Emulation
from harness.network.namespaces import run_in
from harness.network.paths import Attachment
from tests.harness.faults.network import TOPOLOGY


@pytest.fixture(scope="module")
def network() -> Iterator[Emulation]:
    with Emulation(TOPOLOGY) as emulation:
        path = emulation.paths["n"]
        # The outer address of the NAT is one that the server has to know a way to.
        outer, gate = (_address(end) for end in (path.forward.shaper, path.b_near))
        run_in(path.to.pid, ["ip", "route", "replace", outer, "via", gate, "dev", path.to.interface])
        yield emulation


def _address(where: Attachment) -> str:
    printed = run_in(where.pid, ["ip", "-4", "-o", "address", "show", "dev", where.interface])
    return printed.split()[3].partition("/")[0]

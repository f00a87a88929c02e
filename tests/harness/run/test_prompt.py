"""The prompt: what its user is told first."""

import mininet.cli
import pytest

from harness.network.emulation import Emulation
from harness.run import prompt
from harness.spec.loader import load_topology

pytestmark = pytest.mark.sandbox


@pytest.mark.parametrize("topology", ["two_paths", "dual_stack", "converter"])
def test_nodes_paths_and_a_command_to_try(
    topology: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[object] = []
    monkeypatch.setattr(prompt, "take_terminal", lambda: None)
    monkeypatch.setattr(mininet.cli, "CLI", opened.append)
    with Emulation(load_topology(topology)) as emulation:
        prompt.open_prompt(emulation, ["the transfer was too slow"])
        assert opened == [emulation.net]
        said = capsys.readouterr().out.splitlines()
        assert said[0] == "the transfer was too slow"
        assert "Nodes: " + ", ".join(emulation.nodes) in said
        for path in emulation.paths.values():
            (line,) = (line for line in said if line.startswith(f"  {path.name}: "))
            assert f"{path.from_.node} {path.from_address} " in line
            assert line.endswith(f"{path.to_address} {path.to.node}")
        server = emulation.addresses_of(emulation.topology.server.name)[0]
        assert any(f"client ping -c 3 {server}" in line for line in said)

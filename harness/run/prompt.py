"""Mininet's prompt inside an emulated network."""

from collections.abc import Sequence

from harness.network.emulation import Emulation
from harness.sandbox import take_terminal


def open_prompt(emulation: Emulation, said: Sequence[str] = ()) -> None:
    """Open the prompt and return when its user leaves it; ``said`` is shown first."""
    from mininet.cli import CLI
    from mininet.log import setLogLevel

    take_terminal()
    setLogLevel("info")
    for line in said:
        print(line)
    print(_legend(emulation))
    CLI(emulation.net)


def _legend(emulation: Emulation) -> str:
    lines = ["", "Nodes: " + ", ".join(emulation.nodes), "Paths:"]
    for path in emulation.paths.values():
        lines.append(
            f"  {path.name}: {path.from_.node} {path.from_address} — {path.name}a — {path.name}b — "
            f"{path.to_address} {path.to.node}"
        )
    server = emulation.addresses_of(emulation.topology.server.name)[0]
    lines += [f"Try: client ping -c 3 {server}      (leave with exit or Ctrl-D)", ""]
    return "\n".join(lines)

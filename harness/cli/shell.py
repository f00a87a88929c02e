"""``harness shell``: Mininet's prompt inside an emulated network."""

import json
import sys
from typing import Annotated, Literal

import typer

from harness.elements import resolve
from harness.sandbox import python_module, run
from harness.spec.document import validate
from harness.spec.keys import parse_assignment
from harness.spec.loader import assign_in_topology, read_topology_document
from harness.spec.topology import Topology


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("shell", epilog="Example: harness shell two_paths --set path.upper.both.delay=100ms")(shell)


def shell(
    topology: Annotated[str, typer.Argument(help="name or file of a topology")],
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override a key of the topology")
    ] = None,
    element: Annotated[
        Literal["auto", "netem", "nfqueue"], typer.Option(help="what delays and loses packets")
    ] = "auto",
) -> None:
    """Open Mininet's prompt inside the emulated network of a topology."""
    document = read_topology_document(topology)
    data = document.data
    for text in assign or []:
        key, value = parse_assignment(text)
        data, _ = assign_in_topology(data, key, value)
    validate(Topology, data, [document])
    order = json.dumps({"topology": data, "element": resolve(element)})
    sys.exit(run(python_module("harness.run.shell", order)))

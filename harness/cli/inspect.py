"""``harness list``, ``validate`` and ``schema``: what there is, and whether it is right."""

import difflib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from harness.spec.document import Document
from harness.spec.errors import SpecificationError
from harness.spec.loader import find, load_topology, names
from harness.spec.plan import load_endpoint, plan_runs
from harness.spec.schemas import KINDS, Kind, schema_text


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("list", epilog="Example: harness list scenario")(list_)
    app.command("validate", epilog="Example: harness validate scenarios/failover.toml my_topology.toml")(validate_)
    app.command("schema", epilog="Example: harness schema docs/schemas")(schema)


def list_(kind: Annotated[Kind | None, typer.Argument(help="one kind; all when absent")] = None) -> None:
    """List the bundled scenarios, topologies and endpoints."""
    console = Console()
    for each in (kind,) if kind else KINDS:
        table = Table(title=None, box=None, pad_edge=False, header_style="bold")
        table.add_column(each)
        table.add_column("description")
        for name in names(each):
            table.add_row(name, _description(each, name))
        console.print(table)
        if not kind and each != KINDS[-1]:
            console.print()


def validate_(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|FILE]...", help="all bundled ones when absent")
    ] = None,
) -> None:
    """Check scenarios, topologies and endpoints, and what they refer to. Exit code 2 if anything is wrong."""
    problems = []
    checked = 0
    for name in files or [str(find(kind, each)) for kind in KINDS for each in names(kind)]:
        try:
            _check(name)
            checked += 1
        except SpecificationError as error:
            problems += error.problems
    if problems:
        raise SpecificationError(list(dict.fromkeys(problems)))
    print(f"{checked} specification{'s are' if checked != 1 else ' is'} right")


def schema(folder: Annotated[Path, typer.Argument(help="where the files are written")]) -> None:
    """Write the JSON Schemas of scenarios, topologies and endpoints, for editors."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (folder / f"{kind}.schema.json").write_text(schema_text(kind), encoding="utf-8")


def _description(kind: Kind, name: str) -> str:
    description = Document.read(find(kind, name)).data.get("description", "")
    return str(description)


def _check(name: str) -> None:
    kind = _kind_of(name)
    if kind == "topology":
        load_topology(name)
    elif kind == "endpoint":
        load_endpoint(name)
    else:
        plan_runs([name], element="nfqueue")


def _kind_of(name: str) -> Kind:
    """Tell what a name or a file is: by its folder, else by the keys it has."""
    if not name.endswith(".toml") and "/" not in name:
        for kind in KINDS:
            if name in names(kind):
                return kind
        known = [known for kind in KINDS for known in names(kind)]
        near = difflib.get_close_matches(name, known, n=1)
        meant = f" (is {near[0]!r} meant?)" if near else ""
        message = f"is no file and no name{meant}; give a .toml file or one of: {', '.join(known)}"
        raise SpecificationError.one(name, "", message)
    path = Path(name)
    if not path.is_file():
        fault = "is a folder; give a file" if path.is_dir() else "no such file"
        raise SpecificationError.one(name, "", fault)
    data = Document.read(path).data
    if "workload" in data or "extends" in data or "expect" in data:
        return "scenario"
    if "path" in data or "node" in data:
        return "topology"
    if "client" in data or "server" in data or "capabilities" in data:
        return "endpoint"
    return "scenario"

"""``harness doctor``: what this machine can do, and how to get what it lacks."""

import errno
import json
import os
import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from harness.sandbox import Finding, check, launch, python_module
from harness.sandbox.errors import explain

EXIT_LACKING = 4
_NOBODY = 65534


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("doctor", epilog="Example: harness doctor")(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False,
) -> None:
    """Show what this machine can do. Exit code 4 if it lacks something that every run needs."""
    findings = check()
    if all(finding.ok for finding in findings if finding.required):
        findings += [_ordinary_users(), *_inside()]
    if as_json:
        print(json.dumps([finding.__dict__ for finding in findings], indent=2))
    else:
        Console().print(_table(findings))
    sys.exit(EXIT_LACKING if any(finding.required and not finding.ok for finding in findings) else 0)


def _ordinary_users() -> Finding:
    """Try, as an ordinary user, what a sandbox needs first; root may do it in any case."""
    name = "namespaces for ordinary users"
    command = ["unshare", "--user", "--map-root-user", "--net", "ip", "link", "set", "lo", "up"]
    as_user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **as_user)  # type: ignore[call-overload]
    except OSError as error:
        return Finding(name, False, False, f"cannot be tried: {error.strerror}", "run script/bootstrap")
    if done.returncode == 0:
        return Finding(name, True, False, "allowed: no root is needed")
    refused = explain("a user namespace", errno.EPERM, privileged=False)
    return Finding(name, False, False, refused.reason, refused.remedy)


def _inside() -> list[Finding]:
    with launch(python_module("harness.run.capabilities"), stdout=subprocess.PIPE) as sandbox:
        text = "\n".join(sandbox.lines())
        code = sandbox.wait()
    if code != 0:
        return [Finding("a program inside", False, True, f"ended with exit code {code}", "see the message above")]
    return [Finding(**finding) for finding in json.loads(text)]


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "what", "found", "how to get it"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        mark = "[green]yes[/]" if finding.ok else ("[red]no[/]" if finding.required else "[yellow]no[/]")
        table.add_row(mark, finding.name, finding.detail, finding.remedy)
    return table

"""What this machine allows a sandbox to be, found by making one: for ``harness doctor``."""

import json
import subprocess
import time
from dataclasses import dataclass

from harness.sandbox.errors import SandboxError, SandboxUnavailable
from harness.sandbox.process import launch, python_module

_PROBES = {
    "user": ("root inside the sandbox", True, "report this: the maps of the user namespace were not accepted"),
    "interfaces": ("interfaces inside the sandbox", True, "install iproute2 and use a kernel with CONFIG_VETH"),
    "temporary": ("private temporary folder", True, "use a kernel with CONFIG_TMPFS"),
    "realtime": (
        "real-time scheduling inside the sandbox",
        False,
        "run as root, or give this user the limit: a line 'USER - rtprio 99' in /etc/security/limits.conf",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One thing tried.

    Attributes:
        name: what was tried.
        ok: whether it worked.
        required: whether a run is impossible without it; otherwise it is worse for the lack.
        detail: what was found.
        remedy: what brings it; empty if it worked.
    """

    name: str
    ok: bool
    required: bool
    detail: str
    remedy: str = ""


def check() -> list[Finding]:
    """Make a sandbox and try in it what a run needs; takes about 0.2 s."""
    started = time.monotonic()
    try:
        with launch(python_module("harness.sandbox.probe"), stdout=subprocess.PIPE) as sandbox:
            elapsed = time.monotonic() - started
            text = "".join(sandbox.lines())
            code = sandbox.wait()
    except SandboxUnavailable as error:
        return [Finding("private namespaces", False, True, error.reason, error.remedy)]
    except SandboxError as error:
        return [Finding("private namespaces", False, True, str(error), "see the message")]
    kind = "with" if sandbox.report.user_namespace else "without (root only)"
    detail = f"made in {elapsed * 1000:.0f} ms, {kind} user namespace"
    findings = [Finding("private namespaces", True, True, detail)]
    try:
        results: dict[str, tuple[bool, str]] = json.loads(text)
    except ValueError:
        remedy = "run python -m harness.sandbox.probe to see why"
        return [*findings, Finding("a program inside", False, True, f"it ended with exit code {code}", remedy)]
    for key, (name, required, remedy) in _PROBES.items():
        ok, found = results[key]
        findings.append(Finding(name, ok, required, found, "" if ok else remedy))
    return findings

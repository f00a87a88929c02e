"""Private user, network, mount, PID and IPC namespaces, in which every run happens and with which all of it goes.

A sandbox is four processes deep: the program outside; ``harness.sandbox.enter``, which makes the namespaces and waits;
the first process inside, which reaps and passes signals on; and the command. When any of the first three ends, in any
way, the kernel kills everything inside, and with the processes go interfaces, mounts and temporary files.
"""

import os
from pathlib import Path

from harness.sandbox.check import Finding, check
from harness.sandbox.errors import SandboxError, SandboxUnavailable
from harness.sandbox.order import EXIT_UNAVAILABLE, VARIABLE
from harness.sandbox.process import AsyncSandbox, Report, Sandbox, launch, launch_async, python_module, run
from harness.sandbox.terminal import take_terminal

__all__ = [
    "EXIT_UNAVAILABLE",
    "AsyncSandbox",
    "Finding",
    "Report",
    "Sandbox",
    "SandboxError",
    "SandboxUnavailable",
    "check",
    "inside",
    "launch",
    "launch_async",
    "python_module",
    "run",
    "take_terminal",
]


def inside() -> bool:
    """Tell whether the calling process runs in a sandbox."""
    return os.environ.get(VARIABLE) == str(Path("/proc/self/ns/pid").stat().st_ino)

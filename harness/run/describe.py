"""What a run was made on: kernel, programs, CPU, and the state of the source, for run.json's ``environment``."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from harness.network.namespaces import run_in
from harness.network.paths import PathInstance
from harness.spec.loader import PROJECT

_PROGRAMS = {
    "iproute2": ["ip", "-Version"],
    "iperf3": ["iperf3", "--version"],
    "ethtool": ["ethtool", "--version"],
    "iptables": ["iptables", "--version"],
}
_VERSION = re.compile(r"\d+(?:\.\d+)+")


def source_state() -> dict[str, Any]:
    """Return the git commit of the project and whether files differ from it; empty outside a checkout."""
    git = shutil.which("git")
    if git is None or not (PROJECT / ".git").exists():
        return {}
    commit = _printed([git, "-C", str(PROJECT), "rev-parse", "HEAD"])
    changed = _printed([git, "-C", str(PROJECT), "status", "--porcelain", "--untracked-files=no"])
    return {"git_commit": commit, "git_changed": bool(changed)} if commit else {}


def machine() -> dict[str, Any]:
    """Return kernel, CPU and the versions of what takes part; takes about 20 ms."""
    return {
        "kernel": platform.release(),
        "kernel_build": platform.version(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "clock": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "user": "root" if Path("/proc/self/uid_map").read_text().split()[1] == "0" else "ordinary user",
        "versions": {
            "python": platform.python_version(),
            "harness": importlib.metadata.version("multipath-lab"),
            "mininet": _mininet_version(),
            **{name: _version(command) for name, command in _PROGRAMS.items()},
        },
    }


def qdiscs(paths: dict[str, PathInstance]) -> dict[str, list[str]]:
    """Return the queueing disciplines of the middle nodes' interfaces as ``tc`` prints them."""
    found: dict[str, list[str]] = {}
    for path in paths.values():
        for node in (path.forward.shaper, path.backward.shaper):
            found[node.node] = run_in(node.pid, ["tc", "qdisc", "show"]).splitlines()
    return found


def _cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return found[1] if found else platform.processor() or "unknown"


def _mininet_version() -> str:
    from mininet.net import VERSION

    return str(VERSION)


def _version(command: list[str]) -> str:
    found = _VERSION.search(_printed(command))
    return found[0] if found else "absent"


def _printed(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""

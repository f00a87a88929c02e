"""Why a sandbox cannot be had: the setting or container that forbids it, found by looking, and what allows it."""

import errno
import os
from pathlib import Path

_NAMESPACE_LIMITS = ("user", "net", "mnt", "pid", "ipc")


class SandboxError(Exception):
    """A sandbox was asked for something that it cannot do; the message says what and why."""


class SandboxUnavailable(SandboxError):
    """This machine does not allow a sandbox.

    Attributes:
        reason: what is missing or forbids it.
        remedy: what brings it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


def _setting(name: str, proc: Path) -> str | None:
    try:
        return (proc / "sys" / name.replace(".", "/", 1)).read_text().strip()
    except OSError:
        return None


def explain(step: str, number: int, *, privileged: bool, proc: Path = Path("/proc")) -> SandboxUnavailable:
    """Name the cause of a refused step.

    Args:
        step: what was refused, as a noun ("new namespaces", "mount of /proc").
        number: its errno.
        privileged: whether the process asking was root (with CAP_SYS_ADMIN) where it started.
        proc: where the kernel's settings are read.
    """
    for name in _NAMESPACE_LIMITS:
        if _setting(f"user.max_{name}_namespaces", proc) == "0":
            return SandboxUnavailable(
                f"no {name} namespaces are allowed (user.max_{name}_namespaces is 0)",
                f"allow them as root with: sysctl -w user.max_{name}_namespaces=10000",
            )
    if not privileged:
        if _setting("kernel.unprivileged_userns_clone", proc) == "0":
            return SandboxUnavailable(
                "ordinary users may not make user namespaces (kernel.unprivileged_userns_clone is 0)",
                "run as root, or allow it as root with: sysctl -w kernel.unprivileged_userns_clone=1",
            )
        if _setting("kernel.apparmor_restrict_unprivileged_userns", proc) == "1":
            return SandboxUnavailable(
                "AppArmor keeps ordinary users from user namespaces"
                " (kernel.apparmor_restrict_unprivileged_userns is 1, the default of Ubuntu since 23.10)",
                "run as root, or allow it as root with: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
            )
    refused = f"{step} refused ({os.strerror(number)})"
    if number in (errno.ENOSPC, errno.EUSERS):
        return SandboxUnavailable(
            f"{refused}: a limit on namespaces is reached",
            "raise user.max_user_namespaces and its siblings, or nest fewer user namespaces (the kernel allows 32)",
        )
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENODEV):
        return SandboxUnavailable(
            f"{refused}: this kernel lacks a kind of namespace or file system",
            "use a kernel with CONFIG_USER_NS, CONFIG_NET_NS, CONFIG_PID_NS, CONFIG_IPC_NS and CONFIG_TMPFS",
        )
    return SandboxUnavailable(
        f"{refused}: a container's seccomp or masked paths, or a security module, forbids it",
        "run outside the container, or start it with --privileged (Docker, Podman)",
    )

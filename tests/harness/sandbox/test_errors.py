"""The cause of a refusal, found in the kernel's settings: simulated by files, since most cannot be set in a test."""

import errno
from pathlib import Path

import pytest

from harness.sandbox.errors import explain


def _proc(folder: Path, **settings: str) -> Path:
    for name, value in settings.items():
        file = folder / "sys" / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value + "\n")
    return folder


class TestExplain:
    def test_debians_switch(self, tmp_path: Path) -> None:
        proc = _proc(tmp_path, kernel__unprivileged_userns_clone="0")
        error = explain("new namespaces", errno.EPERM, privileged=False, proc=proc)
        assert "kernel.unprivileged_userns_clone is 0" in error.reason
        assert error.remedy.endswith("sysctl -w kernel.unprivileged_userns_clone=1")

    def test_ubuntus_switch(self, tmp_path: Path) -> None:
        proc = _proc(tmp_path, kernel__unprivileged_userns_clone="1", kernel__apparmor_restrict_unprivileged_userns="1")
        error = explain("mapping of users", errno.EACCES, privileged=False, proc=proc)
        assert "AppArmor" in error.reason
        assert error.remedy.endswith("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")

    def test_the_switches_do_not_concern_root(self, tmp_path: Path) -> None:
        proc = _proc(tmp_path, kernel__unprivileged_userns_clone="0", kernel__apparmor_restrict_unprivileged_userns="1")
        error = explain("mount proc on /proc", errno.EPERM, privileged=True, proc=proc)
        assert error.reason.startswith("mount proc on /proc refused (Operation not permitted): a container's")

    @pytest.mark.parametrize("kind", ["user", "net", "mnt", "pid", "ipc"])
    def test_a_limit_of_nought(self, tmp_path: Path, kind: str) -> None:
        proc = _proc(tmp_path, **{f"user__max_{kind}_namespaces": "0"})
        error = explain("new namespaces", errno.ENOSPC, privileged=True, proc=proc)
        assert str(error) == (
            f"no {kind} namespaces are allowed (user.max_{kind}_namespaces is 0);"
            f" allow them as root with: sysctl -w user.max_{kind}_namespaces=10000"
        )

    def test_a_limit_reached(self, tmp_path: Path) -> None:
        assert "limit" in explain("new namespaces", errno.ENOSPC, privileged=False, proc=tmp_path).reason

    def test_a_kernel_without_namespaces(self, tmp_path: Path) -> None:
        error = explain("new namespaces", errno.EINVAL, privileged=False, proc=tmp_path)
        assert "kernel lacks" in error.reason
        assert "CONFIG_USER_NS" in error.remedy

"""The program between the one outside and the sandbox: makes the namespaces, starts their first process, waits for it.

It is started by ``harness.sandbox.launch`` alone, which passes it the ends of two pipes: on the status pipe it
reports once that the sandbox stands or why not; the lifeline ends when the program outside does.
"""

import contextlib
import errno
import json
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from harness.programs import add_administrators_folders
from harness.sandbox.errors import SandboxError, SandboxUnavailable, explain
from harness.sandbox.init import FORWARDED, KILLED, SignalPipe, exit_code, supervise
from harness.sandbox.limits import raise_limits
from harness.sandbox.mounts import TEMPORARY, arrange
from harness.sandbox.order import EXIT_UNAVAILABLE, VARIABLE, Order
from harness.sandbox.syscalls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    die_with_parent,
    loopback_up,
    unshare,
)

_SIGNALS = (*FORWARDED, signal.SIGQUIT, signal.SIGCHLD)
_CAP_SETGID, _CAP_SETUID, _CAP_SYS_ADMIN = 6, 7, 21


def main() -> NoReturn:
    """Run the program: ``python -m harness.sandbox.enter ORDER COMMAND…``."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    order, command = Order.decode(sys.argv[1]), sys.argv[2:]
    for descriptor in (order.status, order.lifeline):
        os.set_inheritable(descriptor, False)
    if order.bound_to_thread:
        die_with_parent()
    privileged = _privileged()
    report: dict[str, object] = {"limits": raise_limits()}
    try:
        report["user_namespace"] = _new_namespaces(privileged)
    except SandboxUnavailable as error:
        _refuse(order.status, error)
    if order.bound_to_thread:
        die_with_parent()  # again: new credentials may have cleared it
    # The write end stays open in this process alone: its end tells the first process that this one has gone.
    tie_read, tie_write = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(tie_write)
        _first_process(order, (order.lifeline, tie_read), command, report, privileged)
    os.close(tie_read)
    os.close(order.status)
    os._exit(_wait(first, order.lifeline))


def _privileged() -> bool:
    if os.geteuid() != 0:
        return False
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return all(effective >> capability & 1 for capability in (_CAP_SETGID, _CAP_SETUID, _CAP_SYS_ADMIN))


def _new_namespaces(privileged: bool) -> bool:
    """Enter new namespaces; return whether a user namespace is among them.

    Raises:
        SandboxUnavailable: they are not to be had.
    """
    flags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC
    try:
        _with_user_namespace(flags, privileged)
    except OSError as refusal:
        if not privileged:
            raise explain("new namespaces", refusal.errno or 0, privileged=privileged) from None
        # Root needs no user namespace for the others, and works where they are switched off.
        try:
            unshare(flags)
        except OSError as error:
            raise explain("new namespaces", error.errno or 0, privileged=privileged) from None
        return False
    return True


def _with_user_namespace(flags: int, privileged: bool) -> None:
    """Enter a new user namespace, mapped, and the others.

    The maps are written by a helper that stays outside: only a process there may map more than itself.

    Raises:
        OSError: the kernel refused.
    """
    entered_read, entered_write = os.pipe()
    process = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.close(entered_write)
        code = errno.EPERM
        try:
            code = _map_when_entered(entered_read, process, privileged)
        finally:
            os._exit(code)
    os.close(entered_read)
    try:
        unshare(flags | CLONE_NEWUSER)
        os.write(entered_write, b"+")
    finally:
        os.close(entered_write)
        code = exit_code(os.waitpid(helper, 0)[1])
    if code != 0:
        raise OSError(code, f"mapping of users: {os.strerror(code)}")


def _map_when_entered(entered: int, process: int, privileged: bool) -> int:
    """Write the maps of the process once it says that it has entered; return 0 or an errno."""
    die_with_parent()
    if not os.read(entered, 1):
        return 0
    folder = Path(f"/proc/{process}")
    try:
        if privileged:
            # Root keeps all users, so that it may still write into folders of others, as it may outside.
            users, groups = (_whole(Path(f"/proc/self/{name}").read_text()) for name in ("uid_map", "gid_map"))
        else:
            (folder / "setgroups").write_text("deny")  # the kernel's condition for an ordinary user's map
            users, groups = f"0 {os.geteuid()} 1\n", f"0 {os.getegid()} 1\n"
        (folder / "uid_map").write_text(users)
        (folder / "gid_map").write_text(groups)
    except OSError as error:
        return error.errno or errno.EPERM
    return 0


def _whole(text: str) -> str:
    """Return the map that gives every user of this namespace the same number in the new one."""
    lines = (line.split() for line in text.splitlines())
    return "".join(f"{inside} {inside} {count}\n" for inside, _outside, count in lines)


def _first_process(
    order: Order,
    lifelines: Sequence[int],
    command: Sequence[str],
    report: Mapping[str, object],
    privileged: bool,
) -> NoReturn:
    code = KILLED
    try:
        die_with_parent()
        folder = Path.cwd()
        try:
            arrange([folder, *map(Path, order.keep)])
            loopback_up()
        except SandboxError as error:
            _refuse(order.status, error)
        except OSError as error:
            _refuse(order.status, explain(error.strerror or "a step", error.errno or 0, privileged=privileged))
        os.chdir(folder)  # through the bound mount, if there is one now
        os.environ["TMPDIR"] = str(TEMPORARY)
        add_administrators_folders()
        os.environ[VARIABLE] = str(Path("/proc/self/ns/pid").stat().st_ino)
        _say(order.status, {"ready": report})
        os.close(order.status)
        code = supervise(command, lifelines=lifelines, terminal=order.terminal)
    except Exception:
        sys.excepthook(*sys.exc_info())  # a fault of this program: say it before the exit below hides it
    finally:
        os._exit(code)


def _wait(first: int, lifeline: int) -> int:
    """Wait for the sandbox's first process, pass signals on to it, and return its exit code."""
    with SignalPipe(_SIGNALS) as signals:
        poll = select.poll()
        poll.register(signals.descriptor, select.POLLIN)
        poll.register(lifeline, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            numbers = signals.drain()
            if lifeline in ready:
                # The first process sees this too, unless it is stopped or stuck.
                poll.unregister(lifeline)
                numbers.append(signal.SIGQUIT)
            for number in numbers:
                with contextlib.suppress(ProcessLookupError):
                    if number == signal.SIGQUIT:
                        os.kill(first, signal.SIGKILL)
                    elif number in FORWARDED:
                        os.kill(first, number)
            # This returns only after the kernel has killed and reaped everything inside.
            process, status = os.waitpid(first, os.WNOHANG)
            if process == first:
                return exit_code(status)


def _refuse(status: int, error: SandboxError) -> NoReturn:
    if isinstance(error, SandboxUnavailable):
        _say(status, {"unavailable": [error.reason, error.remedy]})
    else:
        _say(status, {"error": str(error)})
    os._exit(EXIT_UNAVAILABLE)


def _say(status: int, message: Mapping[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(status, json.dumps(message).encode())


if __name__ == "__main__":
    main()

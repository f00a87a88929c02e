"""A small path of four namespaces for the sandbox tests: two ends, two middle nodes, tbf on the middle nodes."""

import ctypes
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from harness.network.namespaces import run_in
from harness.network.paths import Attachment, Direction, PathInstance

_PR_SET_PDEATHSIG = 1


@contextmanager
def namespace() -> Iterator[int]:
    """A process in a network namespace of its own; yields its pid."""
    own = _identity("self")
    process = subprocess.Popen(
        ["unshare", "--net", "sleep", "600"],
        preexec_fn=lambda: ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 9),
    )
    try:
        limit = time.monotonic() + 10
        while _identity(str(process.pid)) == own:
            assert process.poll() is None, "unshare failed"
            assert time.monotonic() < limit, "unshare has made no namespace"
            time.sleep(0.001)
        run_in(process.pid, ["ip", "link", "set", "lo", "up"])
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _identity(pid: str) -> int:
    with open(f"/proc/{pid}/ns/net") as file:
        return os.fstat(file.fileno()).st_ino


def join(first: Attachment, second: Attachment, *, ipv6: bool) -> None:
    """Join two interfaces by a veth pair, with offloads off; without IPv6, nothing is sent there unasked."""
    run_in(
        first.pid,
        [
            "ip",
            "link",
            "add",
            first.interface,
            "type",
            "veth",
            "peer",
            "name",
            second.interface,
            "netns",
            str(second.pid),
        ],
    )
    for end in (first, second):
        run_in(end.pid, ["ethtool", "-K", end.interface, "tso", "off", "gso", "off", "gro", "off", "tx", "off"])
        setting = "accept_dad=0" if ipv6 else "disable_ipv6=1"
        run_in(end.pid, ["sysctl", "-qw", f"net.ipv6.conf.{end.interface}.{setting}"])
        run_in(end.pid, ["ip", "link", "set", end.interface, "up"])


@dataclass(frozen=True)
class Shape:
    """A tbf: rate in bit/s, burst and limit in bytes."""

    rate: float
    burst: int = 6250
    limit: int = 100 * 1514


def shape(at: Attachment, tbf: Shape) -> None:
    """Set a tbf at the root of an interface."""
    run_in(
        at.pid,
        ["tc", "qdisc", "replace", "dev", at.interface, "root", "handle", "1:", "tbf",
         "rate", f"{tbf.rate:.0f}bit", "burst", str(tbf.burst), "limit", str(tbf.limit)],
    )  # fmt: skip


@contextmanager
def path(
    name: str = "p1",
    family: Literal["ipv4", "ipv6"] = "ipv4",
    forward: Shape | None = None,
    backward: Shape | None = None,
) -> Iterator[PathInstance]:
    """A path client — a — b — server with the given shapers; no delay elements."""
    with namespace() as client, namespace() as a, namespace() as b, namespace() as server:
        ends = {
            "client": Attachment("client", client, "c0"),
            "a_near": Attachment(f"{name}a", a, "a0"),
            "a_far": Attachment(f"{name}a", a, "a1"),
            "b_far": Attachment(f"{name}b", b, "b1"),
            "b_near": Attachment(f"{name}b", b, "b0"),
            "server": Attachment("server", server, "s0"),
        }
        join(ends["client"], ends["a_near"], ipv6=family == "ipv6")
        join(ends["a_far"], ends["b_far"], ipv6=family == "ipv6")
        join(ends["b_near"], ends["server"], ipv6=family == "ipv6")
        nets = ["10.1.1", "10.1.2", "10.1.3"] if family == "ipv4" else ["fd00:1::", "fd00:2::", "fd00:3::"]
        length, dot, v = ("24", ".", "-4") if family == "ipv4" else ("64", "", "-6")

        def address(end: str, net: int, host: int) -> str:
            value = f"{nets[net]}{dot}{host}"
            # Without nodad an IPv6 address is tentative for a moment even where detection is off.
            nodad = ["nodad"] if family == "ipv6" else []
            run_in(ends[end].pid, ["ip", v, "address", "add", f"{value}/{length}", "dev", ends[end].interface, *nodad])
            return value

        from_address = address("client", 0, 1)
        a_near, a_far = address("a_near", 0, 2), address("a_far", 1, 1)
        b_far, b_near = address("b_far", 1, 2), address("b_near", 2, 2)
        to_address = address("server", 2, 1)
        forwarding = "net.ipv4.ip_forward=1" if family == "ipv4" else "net.ipv6.conf.all.forwarding=1"
        for pid in (a, b):
            run_in(pid, ["sysctl", "-qw", forwarding])
        for pid, via in ((client, a_near), (a, b_far), (b, a_far), (server, b_near)):
            run_in(pid, ["ip", v, "route", "add", "default", "via", via])
        if forward:
            shape(ends["a_far"], forward)
        if backward:
            shape(ends["b_far"], backward)
        yield PathInstance(
            name=name, family=family, from_=ends["client"], to=ends["server"],
            a_near=ends["a_near"], b_near=ends["b_near"], from_address=from_address, to_address=to_address,
            forward=Direction(name, "forward", ends["a_far"], ends["b_near"], "b1", 1),
            backward=Direction(name, "backward", ends["b_far"], ends["a_near"], "a1", 2),
        )  # fmt: skip

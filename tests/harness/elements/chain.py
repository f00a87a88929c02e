"""A path in private namespaces, for element tests and benchmarks: client — a — b — server, with nothing on it."""

import contextlib
import subprocess
from collections.abc import Iterator

from harness.network.namespaces import run_in
from harness.network.paths import Attachment, Direction, Family, PathInstance


@contextlib.contextmanager
def chain(name: str = "p", number: int = 1, family: Family = "ipv4") -> Iterator[PathInstance]:
    """Make a path; must run in a sandbox. Its nodes live until the end of the block."""
    with contextlib.ExitStack() as nodes:
        pids = [nodes.enter_context(_node()) for _ in range(4)]
        client, a, b, server = pids
        links = ((client, a, "c0", "a0"), (a, b, "a1", "b0"), (b, server, "b1", "s0"))
        for index, (left, right, left_name, right_name) in enumerate(links):
            peer = f"name {right_name} address {_hardware(index, 2)} netns /proc/{right}/ns/net"
            run_in(left, f"ip link add {left_name} address {_hardware(index, 1)} type veth peer {peer}".split())
            for pid, interface, host in ((left, left_name, 1), (right, right_name, 2)):
                _configure(pid, interface, _address(family, number, index, host))
                other = _address(family, number, index, 3 - host).split("/")[0]
                neighbour = f"ip neighbour replace {other} lladdr {_hardware(index, 3 - host)} dev {interface}"
                run_in(pid, [*neighbour.split(), "nud", "permanent"])
        for pid, gateway in (
            (client, _address(family, number, 0, 2)),
            (a, _address(family, number, 1, 2)),
            (b, _address(family, number, 1, 1)),
            (server, _address(family, number, 2, 1)),
        ):
            gateway = gateway.split("/")[0]
            run_in(pid, ["ip", "-6" if family == "ipv6" else "-4", "route", "add", "default", "via", gateway])
        yield PathInstance(
            name=name,
            family=family,
            from_=Attachment("client", client, "c0"),
            to=Attachment("server", server, "s0"),
            a_near=Attachment(f"{name}a", a, "a0"),
            b_near=Attachment(f"{name}b", b, "b1"),
            from_address=_address(family, number, 0, 1).split("/")[0],
            to_address=_address(family, number, 2, 2).split("/")[0],
            forward=Direction(
                name,
                "forward",
                Attachment(f"{name}a", a, "a1"),
                Attachment(f"{name}b", b, "b1"),
                "b0",
                2 * number,
            ),
            backward=Direction(
                name,
                "backward",
                Attachment(f"{name}b", b, "b0"),
                Attachment(f"{name}a", a, "a0"),
                "a1",
                2 * number + 1,
            ),
        )


@contextlib.contextmanager
def _node() -> Iterator[int]:
    # It says when its namespace is there, and ends when its input does, or with this process.
    node = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; read end"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert node.stdin is not None
    assert node.stdout is not None
    node.stdout.readline()
    run_in(node.pid, ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    try:
        yield node.pid
    finally:
        node.stdin.close()
        node.wait()
        node.stdout.close()


def _hardware(link: int, host: int) -> str:
    return f"02:00:00:00:{link:02x}:{host:02x}"


def _configure(pid: int, interface: str, address: str) -> None:
    # Counters of an interface count all frames: on an IPv4 path none of neighbour discovery is wanted among them.
    without = "0" if ":" in address else "1"
    run_in(pid, ["sysctl", "-qw", f"net.ipv6.conf.{interface}.disable_ipv6={without}"])
    run_in(pid, ["sysctl", "-qw", f"net.ipv6.conf.{interface}.accept_dad=0"])
    run_in(pid, ["ethtool", "-K", interface, "tso", "off", "gso", "off", "gro", "off", "tx", "off", "rx", "off"])
    run_in(pid, ["ip", "address", "add", address, "dev", interface])
    run_in(pid, ["ip", "link", "set", interface, "up"])


def _address(family: Family, number: int, link: int, host: int) -> str:
    return f"10.{number}.{link}.{host}/24" if family == "ipv4" else f"fd00:{number}:{link}::{host}/64"

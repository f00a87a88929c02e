"""What this kernel and these programs can do, tried inside a sandbox; as a program it prints JSON."""

import json
import os
import shutil
import socket
import struct
import sys
import time
from dataclasses import asdict
from pathlib import Path

from harness.elements import available_elements
from harness.measure.machine import percentile
from harness.network.namespaces import CommandFailed, run_in
from harness.sandbox import Finding

IPPROTO_MPTCP = 262
TCP_FASTOPEN = 23
TCP_FASTOPEN_NO_COOKIE = 34
TCPI_OPT_SYN_DATA = 0x20
MSG_FASTOPEN = 0x20000000
_TIMER_ROUNDS = 100
_TIMER_STEP_NS = 3_000_000


def probe() -> list[Finding]:
    """Try everything; takes about half a second."""
    found = [_programs(), _mininet(), _shaper()]
    elements = available_elements()
    for name, lack in (("netem", elements.netem), ("nfqueue", elements.nfqueue)):
        found.append(
            Finding(f"element {name}", lack is None, False, lack or "works", _ELEMENT_REMEDY[name] if lack else "")
        )
    if not elements.names():
        found.append(
            Finding("delay and loss", False, True, "neither netem nor NFQUEUE", "take a kernel with one of them")
        )
    found += [
        _congestion(),
        _mptcp(),
        _fast_open("TCP Fast Open", socket.IPPROTO_TCP, "take a kernel with TCP Fast Open (3.7 or later)"),
        _fast_open("Multipath TCP with Fast Open", IPPROTO_MPTCP, "take a kernel of 6.2 or later with CONFIG_MPTCP"),
        _pressure(),
        _clock(),
    ]
    return found


_ELEMENT_REMEDY = {
    "netem": "take a kernel with sch_netem (Debian: linux-image-amd64; Ubuntu: the package linux-modules-extra of the "
    "running kernel); the element nfqueue serves without it",
    "nfqueue": "take a kernel with CONFIG_NETFILTER_XT_TARGET_NFQUEUE; the element netem serves without it",
}


def _programs() -> Finding:
    wanted = ("ip", "tc", "iptables", "ip6tables", "nft", "ethtool", "nsenter", "mnexec", "tcpdump", "iperf3", "ping")
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/sbin"
    missing = [name for name in wanted if shutil.which(name, path=path) is None]
    if missing:
        return Finding("programs", False, True, f"missing: {', '.join(missing)}", "run script/bootstrap")
    return Finding("programs", True, True, f"all {len(wanted)} are there")


def _mininet() -> Finding:
    try:
        from mininet.net import VERSION
    except ImportError as error:
        return Finding(
            "Mininet", False, True, str(error), "run script/bootstrap (the distribution's package, not PyPI's)"
        )
    return Finding("Mininet", True, True, f"version {VERSION}")


def _shaper() -> Finding:
    try:
        run_in(os.getpid(), ["ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"])
        tbf = ["tbf", "rate", "10mbit", "burst", "10kb", "limit", "100kb"]
        run_in(os.getpid(), ["tc", "qdisc", "add", "dev", "probe0", "root", *tbf])
        run_in(os.getpid(), ["ip", "link", "del", "probe0"])
    except CommandFailed as error:
        return Finding(
            "rate shaping (veth, tbf)", False, True, str(error), "take a kernel with CONFIG_VETH and CONFIG_NET_SCH_TBF"
        )
    return Finding("rate shaping (veth, tbf)", True, True, "works")


def _congestion() -> Finding:
    known = []
    for name in ("cubic", "reno", "bbr"):
        with socket.socket() as probe_socket:
            try:
                probe_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
                known.append(name)
            except OSError:
                continue
    if "cubic" not in known:
        return Finding(
            "congestion control", False, True, f"no cubic; there are: {', '.join(known)}", "load the module tcp_cubic"
        )
    return Finding("congestion control", True, True, ", ".join(known))


def _mptcp() -> Finding:
    remedy = "take a kernel of 5.6 or later with CONFIG_MPTCP, and iproute2 of 5.8 or later"
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP).close()
        run_in(os.getpid(), ["ip", "mptcp", "limits", "show"])
    except (OSError, CommandFailed) as error:
        return Finding("Multipath TCP", False, False, str(error), remedy)
    enabled = Path("/proc/sys/net/mptcp/enabled").read_text().strip() == "1"
    return Finding("Multipath TCP", enabled, False, "works" if enabled else "switched off", "" if enabled else remedy)


def _fast_open(name: str, protocol: int, remedy: str) -> Finding:
    """Send data in a SYN over loopback and see whether it was acknowledged."""
    try:
        Path("/proc/sys/net/ipv4/tcp_fastopen").write_text("7")
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as listener,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as client,
        ):
            listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 5)
            listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            client.settimeout(2)
            client.sendto(b"hello", MSG_FASTOPEN, listener.getsockname())
            options = struct.unpack_from("5xB", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104))[0]
    except OSError as error:
        return Finding(name, False, False, str(error), remedy)
    acknowledged = bool(options & TCPI_OPT_SYN_DATA)
    detail = "data in the SYN is acknowledged" if acknowledged else "data in the SYN is not acknowledged"
    return Finding(name, acknowledged, False, detail, "" if acknowledged else remedy)


def _pressure() -> Finding:
    try:
        Path("/proc/pressure/cpu").read_text()
    except OSError:
        return Finding(
            "CPU pressure", False, False, "not told by this kernel", "boot with psi=1; idle CPU is judged without it"
        )
    return Finding("CPU pressure", True, False, "told by the kernel")


def _clock() -> Finding:
    """Watch a bare timer for a third of a second: the smallest lateness that anything on this machine can have."""
    late = []
    deadline = time.monotonic_ns()
    for _ in range(_TIMER_ROUNDS):
        deadline += _TIMER_STEP_NS
        time.sleep(max(0, deadline - time.monotonic_ns()) / 1e9)
        late.append(time.monotonic_ns() - deadline)
    late.sort()
    source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    name = source.read_text().strip() if source.exists() else "unknown clock source"
    median, worst = percentile(late, 0.5) / 1e6, percentile(late, 0.99) / 1e6
    detail = f"{name}; a bare timer is {median:.2f} ms late (99 %: {worst:.2f} ms)"
    good = worst < 10
    return Finding("clock and timer", good, False, detail, "" if good else _clock_remedy())


def _clock_remedy() -> str:
    product = Path("/sys/class/dmi/id/product_name")
    if product.exists() and "VirtualBox" in product.read_text():
        return "give this VirtualBox machine one CPU, or use libvirt: its timers are late with several"
    return "end other programs, or take a machine that is not shared"


def main() -> None:
    """Print what was found, in JSON."""
    json.dump([asdict(capability) for capability in probe()], sys.stdout)


if __name__ == "__main__":
    main()

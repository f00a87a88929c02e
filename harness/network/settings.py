"""Kernel settings of the emulated network's nodes: what is set, and what is read back for the record."""

import re
from collections.abc import Mapping
from pathlib import Path

from harness.network.namespaces import CommandFailed, enter, run_in

_EVERY_NODE = {
    # The path that a packet takes is decided by routes alone.
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    # Addresses are usable at once; no router is asked for any.
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.dad_transmits": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv6.conf.all.accept_ra": "0",
    "net.ipv6.conf.default.router_solicitations": "0",
    # An interface that goes down and up again, as a fault, has its address back.
    "net.ipv6.conf.all.keep_addr_on_down": "1",
    "net.ipv6.conf.default.keep_addr_on_down": "1",
}
_FORWARDING = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}
_HOSTS = {
    # Nothing learned in one run or connection helps the next.
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv4.tcp_rmem": "4096 131072 6291456",
    "net.ipv4.tcp_wmem": "4096 16384 4194304",
    "net.ipv4.tcp_timestamps": "1",
    "net.ipv4.tcp_sack": "1",
    "net.ipv4.tcp_window_scaling": "1",
    "net.ipv4.tcp_ecn": "2",
    "net.ipv4.tcp_fastopen": "3",
}
_HOSTS_WHERE_PRESENT = {"net.mptcp.enabled": "1"}

# The key of TCP Fast Open is a secret; results are made to be shown.
_RECORDED = re.compile(
    r"net/(ipv4/(tcp_(?!fastopen_key)\w+|ip_forward|conf/(all|default)/rp_filter|ip_no_pmtu_disc)|ipv6/conf/all/forwarding|mptcp/\w+)$"
)

OFFLOADS = {
    # One packet on the wire is one packet in a queue, in a capture and in a loss decision; checksums are real ones.
    "tso": "tcp-segmentation-offload",
    "gso": "generic-segmentation-offload",
    "gro": "generic-receive-offload",
    "sg": "scatter-gather",
    "tx": "tx-checksumming",
    "rx": "rx-checksumming",
}


class SettingRefused(Exception):
    """The kernel does not take a setting; the message names it, its node and the value."""


def sysctls_of(*, forwards: bool, is_host: bool, extra: Mapping[str, str | int]) -> dict[str, str]:
    """Return the settings of a node; ``extra`` ones, of the scenario, win."""
    wanted = dict(_EVERY_NODE)
    if forwards:
        wanted |= _FORWARDING
    if is_host:
        wanted |= _HOSTS
        wanted |= {key: value for key, value in _HOSTS_WHERE_PRESENT.items() if _file(key).exists()}
        wanted |= {key: str(value) for key, value in extra.items()}
    return wanted


def set_sysctls(node: str, pid: int, wanted: Mapping[str, str]) -> None:
    """Write settings in the namespace of ``pid`` and read each one back.

    Raises:
        SettingRefused: the kernel has no such setting, refuses the value, or keeps another one.

    """
    with enter(pid):
        for key, value in wanted.items():
            file = _file(key)
            try:
                file.write_text(value)
                kept = file.read_text()
            except OSError as error:
                raise SettingRefused(f"{key} = {value} on node {node}: {error.strerror}") from None
            if kept.split() != value.split():
                raise SettingRefused(f"{key} = {value} on node {node}: the kernel keeps {kept.strip()!r}")


def read_sysctls(pid: int) -> dict[str, str]:
    """Return every setting that matters to a transport, as the namespace of ``pid`` has it."""
    found: dict[str, str] = {}
    with enter(pid):
        for folder in ("ipv4", "ipv4/conf/all", "ipv4/conf/default", "ipv6/conf/all", "mptcp"):
            root = Path("/proc/sys/net") / folder
            for file in sorted(root.iterdir()) if root.is_dir() else []:
                name = str(file.relative_to("/proc/sys"))
                if _RECORDED.match(name) and file.is_file():
                    try:
                        found[name.replace("/", ".")] = file.read_text().strip()
                    except OSError:  # some are for the host's administrator only
                        continue
    return found


def switch_offloads_off(node: str, pid: int, interfaces: list[str]) -> dict[str, dict[str, str]]:
    """Switch the offloads of interfaces off and return what each says of them afterwards.

    Raises:
        SettingRefused: one stays on.

    """
    states: dict[str, dict[str, str]] = {}
    for interface in interfaces:
        flags = [word for flag in OFFLOADS for word in (flag, "off")]
        # ethtool fails as a whole where one flag is fixed, so what counts is what it says afterwards.
        run_in(pid, ["ethtool", "-K", interface, *flags], check=False)
        try:
            printed = run_in(pid, ["ethtool", "-k", interface])
        except CommandFailed as error:
            raise SettingRefused(f"offloads of {interface} on node {node} cannot be read: {error}") from None
        state = {
            key: value.split()[0] for key, _, value in (line.partition(": ") for line in printed.splitlines()) if value
        }
        states[interface] = {name: state.get(name, "absent") for name in OFFLOADS.values()}
        still_on = [name for name, value in states[interface].items() if value == "on" and name != "rx-checksumming"]
        if still_on:
            raise SettingRefused(f"{', '.join(still_on)} of {interface} on node {node} stays on")
    return states


def _file(key: str) -> Path:
    return Path("/proc/sys") / key.replace(".", "/")

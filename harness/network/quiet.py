"""Keeping hosts quiet while their paths are calibrated after a transfer.

The endpoints have ended then, but the kernel still retransmits what their connections had under way, for minutes where
a path was dead. On a path that has just been restored this would be measured as a wrong delay and a wrong rate.
"""

from harness.network.namespaces import run_in

MARK = 0x6C6162
"""Mark (SO_MARK) of the packets that may leave a quiet host: the calibration's."""

_TABLE = f"""
table inet quiet {{
    chain output {{
        type filter hook output priority 0; policy accept;
        meta l4proto {{ tcp, udp }} meta mark != {MARK} drop
    }}
}}
"""


def silence(pid: int) -> None:
    """Let nothing of TCP and UDP leave the node of ``pid`` but what bears the mark.

    Raises:
        CommandFailed: ``nft`` is missing, or the kernel refuses.

    """
    run_in(pid, ["nft", "-f", "-"], input=_TABLE)


def release(pid: int) -> None:
    """Let the node of ``pid`` send again."""
    run_in(pid, ["nft", "delete", "table", "inet", "quiet"])

"""TCP_INFO of every TCP socket (MPTCP subflows are such sockets too) in the endpoints' nodes, ten times a second."""

import socket
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from harness.measure.errors import MeasurementError
from harness.measure.inet_diag import SOCK_DIAG_BY_FAMILY, TcpSocket, decode_socket, encode_request
from harness.measure.periodic import Periodic
from harness.measure.rows import Cell, RowFile, seconds
from harness.network.namespaces import enter
from impl.nfqueue.netlink import NETLINK_SOCK_DIAG, NetlinkSocket

COLUMNS = (
    "time_s", "node", "path", "local", "remote", "state", "congestion", "rtt_ms", "rttvar_ms", "cwnd", "ssthresh",
    "bytes_acked", "bytes_received", "retrans", "total_retrans", "delivered", "mss", "pacing_mbps",
)  # fmt: skip
INTERVAL_NS = 100_000_000


class TcpInfoSampler:
    """Samples the TCP sockets of some nodes into tcp_info.csv until stopped.

    Args:
        path: the file.
        zero_ns: CLOCK_MONOTONIC that is time 0 in it.
        nodes: name → pid of each endpoint node.
        paths: client's address → name of the path; by it each socket of either end gets its path.
        skip_ports: local or remote ports of connections that are the harness's own.

    """

    def __init__(
        self,
        path: Path,
        zero_ns: int,
        nodes: Mapping[str, int],
        paths: Mapping[str, str],
        skip_ports: Collection[int] = (),
    ) -> None:
        self._path = path
        self._zero_ns = zero_ns
        self._nodes = dict(nodes)
        self._paths = dict(paths)
        self._skip_ports = frozenset(skip_ports)
        self._sockets: dict[str, NetlinkSocket] = {}
        self._congestion: dict[str, set[str]] = {name: set() for name in nodes}
        self._file: RowFile | None = None
        self._periodic = Periodic("TCP_INFO sampler", INTERVAL_NS, self._sample)

    @property
    def congestion(self) -> dict[str, list[str]]:
        """The congestion controls seen so far, by node."""
        return {node: sorted(seen) for node, seen in self._congestion.items()}

    async def start(self) -> None:
        """Open a socket in every node, create the file and take the first sample.

        Raises:
            MeasurementError: a node is gone, or the kernel has no sock_diag, or the file cannot be created.

        """
        try:
            for name, pid in self._nodes.items():
                with enter(pid):
                    self._sockets[name] = NetlinkSocket(NETLINK_SOCK_DIAG)
            self._file = RowFile(self._path, COLUMNS)
        except OSError as error:
            self._close()
            raise MeasurementError("TCP_INFO sampler", f"cannot be started: {error}") from error
        try:
            self._periodic.start()
        except MeasurementError:
            self._close()
            raise

    def check(self) -> None:
        """Raise if sampling has ended by itself.

        Raises:
            MeasurementError: it has.

        """
        self._periodic.check()

    async def stop(self) -> None:
        """End sampling and close the file.

        Raises:
            MeasurementError: sampling had failed.

        """
        try:
            await self._periodic.stop()
        finally:
            self._close()

    def _close(self) -> None:
        for netlink in self._sockets.values():
            netlink.close()
        if self._file is not None:
            self._file.close()

    def _sample(self, _now_ns: int) -> None:
        assert self._file is not None
        rows: list[list[Cell]] = []
        for node, netlink in self._sockets.items():
            for family in (socket.AF_INET, socket.AF_INET6):
                messages = list(netlink.dump(SOCK_DIAG_BY_FAMILY, encode_request(family)))
                time_s = seconds(time.monotonic_ns(), self._zero_ns)
                for message in messages:
                    found = decode_socket(message.payload)
                    if self._skip_ports.isdisjoint((found.local_port, found.remote_port)):
                        if found.congestion:
                            self._congestion[node].add(found.congestion)
                        rows.append([time_s, node, path_of(found, self._paths), *cells(found)])
        self._file.write(rows)


def path_of(found: TcpSocket, paths: Mapping[str, str]) -> str:
    """Return the path of a socket, by whichever of its addresses is the client's; empty if neither is."""
    return paths.get(found.local) or paths.get(found.remote) or ""


def cells(found: TcpSocket) -> list[Cell]:
    """Return the columns of tcp_info.csv that come from the socket itself."""
    info = found.info
    return [
        _endpoint(found.local, found.local_port),
        _endpoint(found.remote, found.remote_port),
        found.state,
        found.congestion,
        None if info.rtt_us is None else f"{info.rtt_us / 1e3:.3f}",
        None if info.rttvar_us is None else f"{info.rttvar_us / 1e3:.3f}",
        info.snd_cwnd,
        info.snd_ssthresh,
        info.bytes_acked,
        info.bytes_received,
        info.retrans,
        info.total_retrans,
        info.delivered,
        info.snd_mss,
        None if info.pacing_mbps is None else f"{info.pacing_mbps:.3f}",
    ]


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

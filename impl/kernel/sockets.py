"""Sockets of the kernel's transports: TCP and Multipath TCP, with TLS 1.3 on top or not, and their options."""

import contextlib
import errno
import ipaddress
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from impl.contract.setting import EndpointError, Setting, UnsupportedError

IPPROTO_MPTCP: Final = 262
SOL_MPTCP: Final = 284
MPTCP_INFO: Final = 1
TCP_IS_MPTCP: Final = 43
_MPTCP_INFO_FLAGS: Final = slice(8, 12)
_MPTCP_FLAG_FALLBACK: Final = 1
_CONGESTION_NAME: Final = 16
_BACKLOG: Final = 128


class Transport(StrEnum):
    """What carries the bytes."""

    TCP = "tcp"
    TLS = "tls"
    MPTCP = "mptcp"
    MPTCP_TLS = "mptcp-tls"

    @property
    def multipath(self) -> bool:
        """Whether it is Multipath TCP."""
        return self in (Transport.MPTCP, Transport.MPTCP_TLS)

    @property
    def encrypted(self) -> bool:
        """Whether TLS runs on it."""
        return self in (Transport.TLS, Transport.MPTCP_TLS)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A connection ready for data.

    Attributes:
        socket: the socket, TLS included.
        path: the client's address.
        local: our address to bind, remote: the server's address, for further connections on the same path.
        connect_ms: time for the transport's handshake; handshake_ms: for that of TLS, None without.
        congestion: the congestion control that the kernel says it uses.

    """

    socket: socket.socket
    path: str
    local: str | None
    remote: str
    connect_ms: float
    handshake_ms: float | None
    congestion: str


def mixed(addresses: Sequence[str]) -> bool:
    """Tell whether there are both IPv4 and IPv6 addresses."""
    return len({ipaddress.ip_address(address).version for address in addresses}) > 1


def plain_address(address: str) -> str:
    """Return an address as people write it: ``::ffff:10.0.0.1`` is 10.0.0.1."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


class SocketMaker:
    """Makes the sockets of one endpoint: their family, protocol and options.

    The kernel adds an IPv6 subflow only to an IPv6 Multipath TCP socket. Where a run has addresses of both families,
    such sockets are therefore IPv6 ones, and IPv4 addresses are mapped.
    """

    def __init__(self, transport: Transport, congestion: str | None, *, mapped: bool) -> None:
        self.transport = transport
        self._congestion = congestion
        self._mapped = mapped and transport.multipath

    def listener(self, address: str, port: int) -> socket.socket:
        """Return a listening socket.

        Raises:
            EndpointError: the address cannot be bound.
            UnsupportedError: the kernel has no Multipath TCP.

        """
        sock = self._make(address)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self._form(address), port))
            sock.listen(_BACKLOG)
        except OSError as error:
            sock.close()
            raise EndpointError(f"cannot listen on {address} port {port}: {error.strerror}") from None
        return sock

    def connect(self, local: str | None, remote: str, port: int, limit: float) -> socket.socket:
        """Return a connected socket; ``limit`` in seconds.

        Raises:
            OSError: the connection could not be made.
            EndpointError: an option is refused.

        """
        sock = self._make(remote)
        try:
            if local is not None:
                sock.bind((self._form(local), 0))
            sock.settimeout(limit)
            sock.connect((self._form(remote), port))
            sock.settimeout(None)
        except BaseException:
            sock.close()
            raise
        return sock

    def set_congestion(self, sock: socket.socket) -> str:
        """Set the congestion control, read it back, and return its name.

        Raises:
            EndpointError: the kernel refuses it; the message says what would help.

        """
        if self._congestion is not None:
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, self._congestion.encode())
            except OSError as error:
                raise EndpointError(_refused(self._congestion, error)) from None
        name = congestion_of(sock)
        if self._congestion is not None and name != self._congestion:
            raise EndpointError(f"congestion control {self._congestion!r} was set, but the kernel uses {name!r}")
        return name

    def _form(self, address: str) -> str:
        return f"::ffff:{address}" if self._mapped and ":" not in address else address

    def _make(self, address: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._form(address) else socket.AF_INET
        protocol = IPPROTO_MPTCP if self.transport.multipath else socket.IPPROTO_TCP
        try:
            sock = socket.socket(family, socket.SOCK_STREAM, protocol)
        except OSError as error:
            if self.transport.multipath and error.errno in (errno.EPROTONOSUPPORT, errno.ENOPROTOOPT, errno.EINVAL):
                raise UnsupportedError(
                    f"the kernel gives no Multipath TCP socket ({error.strerror}); "
                    "it needs CONFIG_MPTCP and net.mptcp.enabled = 1"
                ) from None
            raise EndpointError(f"cannot make a socket for {address}: {error.strerror}") from None
        try:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if self._mapped else 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.set_congestion(sock)
        except BaseException:
            sock.close()
            raise
        return sock


def _refused(name: str, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"congestion control {name!r} is refused: the kernel has none of that name (or its module is not loaded)"
    if error.errno == errno.EPERM:
        return (
            f"congestion control {name!r} is refused: it is not in net.ipv4.tcp_allowed_congestion_control, "
            "and this process lacks CAP_NET_ADMIN in its network namespace"
        )
    return f"congestion control {name!r} is refused: {error.strerror}"


def congestion_of(sock: socket.socket) -> str:
    """Return the name of the congestion control of a TCP or Multipath TCP socket."""
    name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, _CONGESTION_NAME)
    return name.split(b"\0", 1)[0].decode()


def fallback_reason(sock: socket.socket) -> str | None:
    """Return why a connection that should be Multipath TCP is plain TCP, or None when it is Multipath TCP."""
    try:
        if sock.getsockopt(socket.IPPROTO_TCP, TCP_IS_MPTCP) == 0:
            return "the peer, or something on the path, did not speak Multipath TCP"
        info = sock.getsockopt(SOL_MPTCP, MPTCP_INFO, 128)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOPROTOOPT):
            return "the peer, or something on the path, did not speak Multipath TCP"
        return None  # closed or reset: nothing to be learned
    flags = int.from_bytes(info[_MPTCP_INFO_FLAGS], sys.byteorder)
    return "Multipath TCP was given up during the connection" if flags & _MPTCP_FLAG_FALLBACK else None


def client_context(setting: Setting) -> ssl.SSLContext:
    """Return the TLS 1.3 context of a client that trusts the harness's CA alone.

    Raises:
        EndpointError: HARNESS_CA is not set or cannot be read.

    """
    if setting.ca is None:
        raise EndpointError("HARNESS_CA is not set; TLS needs the certificate of the harness's CA")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _common(context, setting)
    with _readable("HARNESS_CA"):
        context.load_verify_locations(setting.ca)
    return context


def server_context(setting: Setting) -> ssl.SSLContext:
    """Return the TLS 1.3 context of a server with the harness's certificate.

    Raises:
        EndpointError: HARNESS_CERTIFICATE or HARNESS_KEY is not set or cannot be read.

    """
    if setting.certificate is None or setting.key is None:
        raise EndpointError("HARNESS_CERTIFICATE and HARNESS_KEY are not set; TLS needs them")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _common(context, setting)
    context.num_tickets = 0  # nothing is resumed here, and unread tickets can reset a closing connection
    with _readable("HARNESS_CERTIFICATE and HARNESS_KEY"):
        context.load_cert_chain(setting.certificate, setting.key)
    return context


def _common(context: ssl.SSLContext, setting: Setting) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if setting.keylog is not None:
        with _readable("SSLKEYLOGFILE"):
            context.keylog_filename = str(setting.keylog)


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EndpointError(f"{name}: {error.strerror or error}") from None


def open_connection(
    maker: SocketMaker, context: ssl.SSLContext | None, local: str | None, remote: str, port: int, limit: float
) -> Connection:
    """Connect, and do the TLS handshake where there is a ``context``; at most ``limit`` seconds for each.

    Raises:
        OSError: the connection or the handshake failed.
        EndpointError: an option is refused.

    """
    began = time.monotonic()
    sock = maker.connect(local, remote, port, limit)
    connected = time.monotonic()
    handshake_ms = None
    if context is not None:
        sock.settimeout(limit)
        try:
            sock = context.wrap_socket(sock, server_hostname=remote)
        except BaseException:
            sock.close()
            raise
        sock.settimeout(None)
        handshake_ms = round((time.monotonic() - connected) * 1e3, 3)
    return Connection(
        socket=sock,
        path=plain_address(sock.getsockname()[0]),
        local=local,
        remote=remote,
        connect_ms=round((connected - began) * 1e3, 3),
        handshake_ms=handshake_ms,
        congestion=congestion_of(sock),
    )

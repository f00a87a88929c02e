"""What aioquic is configured with for a run: certificates, congestion control, limits, logs."""

import ipaddress
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from cryptography.x509 import load_pem_x509_certificates

from impl.contract.setting import EndpointError, Role, Setting, UnsupportedError
from impl.quic.qlog import StreamingLogger

ALPN: Final = "harness"
CONGESTION: Final = ("cubic", "reno")
"""Congestion controls that aioquic has; the first is taken where none is asked for."""

_IP_MTU_DISCOVER: Final = 10
_IP_MTU: Final = 14
_IPV6_MTU_DISCOVER: Final = 23
_IPV6_MTU: Final = 24
_NEVER_FRAGMENT: Final = 2
_DISCARD_PORT: Final = 9
_HEADERS: Final = {4: 20 + 8, 6: 40 + 8}
_LARGEST_DATAGRAM: Final = 1500 - 48
# Several times what the paths of the scenarios hold with full queues: flow control must not be what limits them.
_CONNECTION_WINDOW: Final = 16 << 20
_STREAM_WINDOW: Final = 8 << 20
_IDLE_LIMIT: Final = 60.0
_BUFFER: Final = 4 << 20


def configure(setting: Setting, role: Role, *, keys: TextIO | None) -> QuicConfiguration:
    """Return the configuration of ``role``; ``keys`` is open for appending TLS secrets.

    Raises:
        UnsupportedError: aioquic has no such congestion control.
        EndpointError: a certificate is not given or cannot be read.

    """
    congestion = setting.congestion or CONGESTION[0]
    if congestion not in CONGESTION:
        raise UnsupportedError(f"aioquic has no congestion control {congestion!r}; it has: {', '.join(CONGESTION)}")
    configuration = QuicConfiguration(
        alpn_protocols=[ALPN],
        congestion_control_algorithm=congestion,
        idle_timeout=_IDLE_LIMIT,
        is_client=role == "client",
        max_data=_CONNECTION_WINDOW,
        max_stream_data=_STREAM_WINDOW,
        max_datagram_size=datagram_size(setting, role),
        secrets_log_file=keys,
        quic_logger=None if setting.qlog is None else StreamingLogger(setting.qlog),
    )
    if role == "client":
        authority = _given(setting.ca, "HARNESS_CA")
        _reading("HARNESS_CA", lambda: load_pem_x509_certificates(authority.read_bytes()))
        configuration.verify_mode = ssl.CERT_REQUIRED
        configuration.load_verify_locations(cafile=str(authority))
    else:
        chain, key = _given(setting.certificate, "HARNESS_CERTIFICATE"), _given(setting.key, "HARNESS_KEY")
        _reading("HARNESS_CERTIFICATE and HARNESS_KEY", lambda: configuration.load_cert_chain(chain, key))
    return configuration


def _given(path: Path | None, name: str) -> Path:
    if path is None:
        raise EndpointError(f"{name} is not set; QUIC needs it")
    return path


def _reading(name: str, load: Callable[[], object]) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        raise EndpointError(f"{name}: {getattr(error, 'strerror', None) or error}") from None


def datagram_size(setting: Setting, role: Role) -> int:
    """Return the largest UDP payload that fits every path, as this node's interfaces tell; 1200 bytes at least."""
    pairs = [(local, remote) for local, remote in setting.pairs() if local is not None]
    sizes = [_fitting(*(pair if role == "client" else pair[::-1])) for pair in pairs]
    return max(SMALLEST_MAX_DATAGRAM_SIZE, min([_LARGEST_DATAGRAM, *(size for size in sizes if size is not None)]))


def _fitting(local: str, remote: str) -> int | None:
    """Return the largest payload from ``local`` to ``remote``; None where the path is down now."""
    version = ipaddress.ip_address(local).version
    try:
        with udp_socket(local) as probe:
            probe.connect((remote, _DISCARD_PORT))
            option = (socket.IPPROTO_IP, _IP_MTU) if version == 4 else (socket.IPPROTO_IPV6, _IPV6_MTU)
            return probe.getsockopt(*option) - _HEADERS[version]
    except (OSError, EndpointError):
        return None


def udp_socket(local: str | None, port: int = 0, *, like: str | None = None) -> socket.socket:
    """Return a UDP socket whose packets are never fragmented, bound to ``local``, or of the family of ``like``.

    Raises:
        EndpointError: the address cannot be bound.

    """
    version = ipaddress.ip_address(local or like or "::").version
    sock = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        if version == 4:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _NEVER_FRAGMENT)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _NEVER_FRAGMENT)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        if local is not None:
            sock.bind((local, port))
    except OSError as error:
        sock.close()
        raise EndpointError(f"cannot use UDP on {local} port {port}: {error.strerror}") from None
    return sock

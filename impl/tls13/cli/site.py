"""What ``tls serve`` answers: a page about the connection, pseudo-random bytes, and files; no I/O but reading those."""

import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from impl.tls13.client import Client
from impl.tls13.events import HandshakeCompleted
from impl.tls13.http import CHUNK, Request, encode_head
from impl.tls13.server import Server

_METHODS: Final = ("GET", "HEAD")
_MAX_DIGITS: Final = 15  # of N in /bytes/N


@dataclass(frozen=True, slots=True)
class Answer:
    """A response.

    Attributes:
        status: of the response.
        length: of the body, bytes.
        body: its pieces.
        fields: of the header, besides those that every answer has.

    """

    status: HTTPStatus
    length: int
    body: Iterator[bytes]
    fields: Mapping[str, str] = field(default_factory=dict)

    def head(self, *, keep_alive: bool, now: float) -> bytes:
        """The status line and the header."""
        fields = {
            "Date": formatdate(now, usegmt=True),
            "Server": "multipath-lab",
            "Content-Length": str(self.length),
            **self.fields,
            "Connection": "keep-alive" if keep_alive else "close",
        }
        return encode_head(f"HTTP/1.1 {self.status.value} {self.status.phrase}", fields)


def text(status: HTTPStatus, words: str, fields: Mapping[str, str] | None = None) -> Answer:
    """An answer of plain text."""
    body = f"{words}\n".encode()
    return Answer(status, len(body), iter([body]), {"Content-Type": "text/plain; charset=utf-8", **(fields or {})})


def answer(request: Request, page: str, root: Path | None) -> Answer:
    """Answer a request.

    Args:
        request: what is asked for.
        page: what `/` says.
        root: folder whose files are served, or None.

    """
    if request.method not in _METHODS:
        return text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered here", {"Allow": ", ".join(_METHODS)})
    path = _path(request.target)
    if path is None:
        return text(HTTPStatus.BAD_REQUEST, "a target begins with / or https://")
    if path == "/":
        return text(HTTPStatus.OK, page)
    _, _, count = path.rpartition("/bytes/")
    if path == f"/bytes/{count}" and count.isascii() and count.isdigit() and len(count) <= _MAX_DIGITS:
        kind = {"Content-Type": "application/octet-stream"}
        return Answer(HTTPStatus.OK, int(count), pseudo_random(int(count)), kind)
    return _file(path, root) or text(HTTPStatus.NOT_FOUND, f"there is no {path}")


def negotiated(core: Client | Server, handshake: HandshakeCompleted | None, peer: object) -> str:
    """The page about a connection."""
    lines = [f"peer: {peer}"]
    if core.cipher_suite is not None:
        lines.append(f"cipher suite: {core.cipher_suite.name}")
    if handshake is None:
        return "\n".join([*lines, "handshake: not over: this request came as early data, and may be a replayed one"])
    return "\n".join([*lines, *agreed_upon(handshake)])


def agreed_upon(handshake: HandshakeCompleted) -> list[str]:
    """What a handshake has led to, a line for each matter."""
    protocol = handshake.alpn_protocol
    lines = [
        f"group: {handshake.group.name}",
        f"server name: {handshake.server_name or 'none'}",
        f"application protocol: {protocol.decode('ascii', 'replace') if protocol else 'none'}",
        f"resumed: {'yes' if handshake.resumed else 'no'}",
        f"early data: {'accepted' if handshake.early_data_accepted else 'none'}",
        f"HelloRetryRequest: {'yes' if handshake.hello_retry_request else 'no'}",
    ]
    chain = [certificate.subject.rfc4514_string() or "no name" for certificate in handshake.peer_chain]
    return [*lines, *(f"client certificate: {name}" for name in chain or ["none"])]


def pseudo_random(count: int) -> Iterator[bytes]:
    """The first `count` bytes of one and the same sequence."""
    # The key stream of AES in counter mode: nothing else is quick enough to keep up with TLS.
    key_stream = Cipher(algorithms.AES(bytes(16)), modes.CTR(bytes(16))).encryptor()
    zeros = bytes(CHUNK)
    for start in range(0, count, CHUNK):
        piece = key_stream.update(zeros)
        yield piece if count - start >= CHUNK else piece[: count - start]


def _path(target: str) -> str | None:
    if not target.startswith("/"):
        if not target.lower().startswith(("http://", "https://")):
            return None
        target = target.partition("://")[2]
        target = target[target.find("/") :] if "/" in target else "/"
    return unquote(target.partition("?")[0].partition("#")[0])


def _file(path: str, root: Path | None) -> Answer | None:
    """A file below the root, wherever `..` and symbolic links lead; None for anything else."""
    if root is None or "\0" in path:
        return None
    try:
        file = (root / path.lstrip("/")).resolve()
        if not file.is_relative_to(root.resolve()) or not file.is_file():
            return None
        length = file.stat().st_size
        body = _pieces(file, length)
        next(body)  # opens it: here, where it can still be refused
    except OSError:
        return None
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Answer(HTTPStatus.OK, length, body, {"Content-Type": kind})


def _pieces(file: Path, length: int) -> Iterator[bytes]:
    with file.open("rb") as source:
        yield b""
        left = length
        while left and (piece := source.read(min(left, CHUNK))):
            left -= len(piece)
            yield piece

"""HTTP/1.1 as far as GET and PUT need it, for both sides, on asyncio's streams or their like (RFC 9110, RFC 9112)."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

MAX_LINE: Final = 8192
"""The longest line of a header that is taken, bytes."""
MAX_FIELDS: Final = 100
"""The most fields of a header that are taken."""
CHUNK: Final = 2**18
"""How much of a body is read at once, bytes."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_LINE: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/([0-9])\.([0-9])")
_STATUS_LINE: Final = re.compile(r"HTTP/1\.[0-9] ([1-5][0-9][0-9])(?: (.*))?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ENDS_EARLY: Final = "the stream ends within a header"
_CHUNK_SIZE: Final = re.compile(r"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class ByteReader(Protocol):
    """What messages are read from: an ``asyncio.StreamReader``, or something with these methods of it."""

    async def read(self, n: int = -1, /) -> bytes:
        """Read up to `n` bytes; empty at the end."""

    async def readuntil(self, separator: bytes = b"\n", /) -> bytes:
        """Read up to a separator and with it."""


class BadMessage(Exception):
    """A message cannot be understood.

    Attributes:
        reason: what is wrong with it, in words for a person.
        status: with which a server answers such a request.

    """

    def __init__(self, reason: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its body.

    Attributes:
        method: as it was sent; names of methods are case-sensitive.
        target: what is asked for, as it was sent.
        minor: version: 1 for HTTP/1.1, 0 for HTTP/1.0.
        fields: values of the header's fields by name in lower case.

    """

    method: str
    target: str
    minor: int
    fields: Mapping[str, str]

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open for another request, for servers that read no bodies."""
        return self.persistent and not self.has_body

    @property
    def has_body(self) -> bool:
        """Whether a body follows (RFC 9112, section 6)."""
        return "content-length" in self.fields or "transfer-encoding" in self.fields

    @property
    def persistent(self) -> bool:
        """Whether the client wants the connection to stay open for another request (RFC 9112, section 9.3)."""
        options = _list(self.fields.get("connection", ""))
        return "close" not in options if self.minor else "keep-alive" in options


@dataclass(frozen=True, slots=True)
class Response:
    """A response without its body.

    Attributes:
        status: three digits.
        reason: the server's words for it, often empty.
        fields: values of the header's fields by name in lower case.

    """

    status: int
    reason: str
    fields: Mapping[str, str]


def encode_head(first_line: str, fields: Mapping[str, str]) -> bytes:
    """A request's or response's first line and header, to the empty line at its end."""
    lines = [first_line, *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def read_request(reader: ByteReader) -> Request | None:
    """Read a request up to its empty line; None if the client sends no more of them.

    Raises:
        BadMessage: it is not HTTP/1.x, or larger than what is taken.

    """
    line = await _line_or_end(reader)
    if line == "":
        line = await _line_or_end(reader)  # left over after a body, by old clients (RFC 9112, section 2.2)
    if line is None:
        return None
    parts = _REQUEST_LINE.fullmatch(line)
    if parts is None:
        raise BadMessage("not a request line: it has a method, a target and HTTP/1.1")
    method, target, major, minor = parts.groups()
    if major != "1":
        raise BadMessage(f"HTTP/{major}.{minor} is not spoken here", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    fields = await _fields(reader)
    if minor != "0" and "host" not in fields:
        raise BadMessage("the field Host is missing (RFC 9112, section 3.2)")
    if "," in fields.get("host", ""):
        raise BadMessage("more than one host")
    return Request(method, target, min(int(minor), 1), fields)


async def read_response(reader: ByteReader) -> Response:
    """Read a final response up to its empty line; interim ones are skipped.

    Raises:
        BadMessage: it is not HTTP/1.x, larger than what is taken, or not there.

    """
    while True:
        line = await _line_or_end(reader)
        if line is None:
            raise BadMessage("the server closed the connection instead of answering")
        parts = _STATUS_LINE.fullmatch(line)
        if parts is None:
            raise BadMessage(f"the answer is not HTTP/1.1: it begins with {line[:40]!r}")
        fields = await _fields(reader)
        status = int(parts[1])
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise BadMessage("the server switches to a protocol that was not asked for")
        if status >= HTTPStatus.OK:
            return Response(status, parts[2] or "", fields)


async def read_body(reader: ByteReader, response: Response) -> AsyncIterator[bytes]:
    """Read the body of a response to GET, piece by piece (RFC 9112, section 6.3).

    Raises:
        BadMessage: its length is not understood, or it ends before that.

    """
    fields = response.fields
    if response.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
        return
    if "transfer-encoding" in fields:
        if _list(fields["transfer-encoding"]) != ["chunked"]:
            raise BadMessage(f"the transfer coding {fields['transfer-encoding']!r} is unknown; chunked is known")
        async for piece in _chunked(reader):
            yield piece
    elif "content-length" in fields:
        async for piece in _exactly(reader, _content_length(fields["content-length"])):
            yield piece
    else:
        # The stream's end is the body's: that it was not cut off is for TLS's close_notify to say.
        while piece := await reader.read(CHUNK):
            yield piece


async def read_request_body(reader: ByteReader, request: Request) -> AsyncIterator[bytes]:
    """Read the body of a request, piece by piece (RFC 9112, section 6.3); nothing if it has none.

    Raises:
        BadMessage: its length is not understood, or it ends before that.

    """
    fields = request.fields
    if "transfer-encoding" in fields:
        if _list(fields["transfer-encoding"]) != ["chunked"] or "content-length" in fields or not request.minor:
            raise BadMessage("a body has either a length, or the transfer coding chunked of HTTP/1.1")
        async for piece in _chunked(reader):
            yield piece
    elif "content-length" in fields:
        async for piece in _exactly(reader, _content_length(fields["content-length"])):
            yield piece


async def _chunked(reader: ByteReader) -> AsyncIterator[bytes]:
    while True:
        line = await _line(reader)
        parts = _CHUNK_SIZE.fullmatch(line)
        if parts is None:
            raise BadMessage(f"not the size of a chunk: {line[:40]!r}")
        size = int(parts[1], 16)
        if size == 0:
            break
        async for piece in _exactly(reader, size):
            yield piece
        if await _line(reader):
            raise BadMessage("a chunk is longer than its size says")
    await _fields(reader)  # trailers


async def _exactly(reader: ByteReader, count: int) -> AsyncIterator[bytes]:
    left = count
    while left:
        piece = await reader.read(min(left, CHUNK))
        if not piece:
            raise BadMessage(f"the body ends {left} of {count} bytes too early")
        left -= len(piece)
        yield piece


def _content_length(value: str) -> int:
    lengths = set(_list(value))
    length = lengths.pop()
    if lengths or re.fullmatch(r"[0-9]{1,15}", length) is None:
        raise BadMessage(f"not a length: {value[:40]!r}")
    return int(length)


async def _fields(reader: ByteReader) -> dict[str, str]:
    fields: dict[str, str] = {}
    count = 0
    while line := await _line(reader):
        count += 1
        if count > MAX_FIELDS:
            raise _too_large(f"more than {MAX_FIELDS} fields in a header")
        name, colon, value = line.partition(":")
        # A line that begins with a space goes on with the one before it in old HTTP; that is refused (section 5.2).
        if not colon or _TOKEN.fullmatch(name) is None:
            raise BadMessage(f"not a field of a header: {line[:40]!r}")
        name, value = name.lower(), value.strip(" \t")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


async def _line(reader: ByteReader) -> str:
    line = await _line_or_end(reader)
    if line is None:
        raise BadMessage(_ENDS_EARLY)
    return line


async def _line_or_end(reader: ByteReader) -> str | None:
    """A line without its end, which may be a lone line feed; None if the stream ends before it."""
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise BadMessage(_ENDS_EARLY) from None
        return None
    except asyncio.LimitOverrunError:
        raise _too_large("a line without end") from None
    if len(line) > MAX_LINE:
        raise _too_large(f"a line of {len(line)} bytes; {MAX_LINE} are taken")
    text = line.decode("latin-1").removesuffix("\n").removesuffix("\r")
    if _CONTROL.search(text):
        raise BadMessage("a control character in a header")
    return text


def _too_large(reason: str) -> BadMessage:
    return BadMessage(reason, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


def _list(value: str) -> list[str]:
    return [element.strip(" \t").lower() for element in value.split(",")]

"""One HTTP exchange over a stream, from the client's side: a download or an upload."""

import asyncio
import base64
import binascii
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self
from urllib.parse import SplitResult

from impl.tcpls.api import Stream
from impl.tcpls.errors import SessionOver, StreamError
from impl.tls13.cli.errors import ReaderLeft, explain, failed, usage
from impl.tls13.cli.urls import request_head
from impl.tls13.http import CHUNK, BadMessage, Response, read_body, read_response

Progress = Callable[[int], None]
"""Is told of so many more bytes of a body."""

REDIRECTED: Final = 300
_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):")


class ExchangeFailed(Exception):
    """An exchange came to nothing, for this reason; others may go on."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How an exchange has ended.

    Attributes:
        status: of the response.
        size: of the body, bytes.

    """

    status: int
    size: int


class Output:
    """Where a body goes: a file, which is made when the first byte is there, or standard output.

    Args:
        path: the file; None for standard output.

    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file: BinaryIO | None = sys.stdout.buffer if path is None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.path is not None and self._file is not None:
            self._file.close()

    async def write(self, piece: bytes) -> None:
        """Write a piece.

        Raises:
            ReaderLeft: nobody reads standard output any more.
            CommandFailed: the file cannot be written.

        """
        try:
            if self._file is None:
                assert self.path is not None
                self._file = self.path.open("wb")
            if self.path is None:
                # Whoever reads it may be slow, and the session must go on meanwhile.
                await asyncio.to_thread(self._file.write, piece)
            else:
                self._file.write(piece)
        except BrokenPipeError:
            raise ReaderLeft from None
        except OSError as error:
            raise failed(str(self.path or "standard output"), explain(error)) from None


async def download(
    stream: Stream, url: SplitResult, output: Output, *, started: Callable[[int | None], None], progress: Progress
) -> Answered:
    """Get a URL.

    Args:
        stream: a new one.
        url: what to get.
        output: where the body goes; nothing is written there if the server refuses.
        started: is told the body's size, or None if the server does not say.
        progress: is told how it goes on.

    Raises:
        ExchangeFailed: there is no body, or not all of it.
        CommandFailed: the output cannot be written.

    """
    try:
        stream.write(request_head("GET", url))
        response = await read_response(stream)
        _require_good(response)
        length = response.fields.get("content-length", "")
        started(int(length) if length.isascii() and length.isdecimal() else None)
        size = 0
        await output.write(b"")
        async for piece in read_body(stream, response):
            await output.write(piece)
            size += len(piece)
            progress(len(piece))
        stream.close()
        return Answered(response.status, size)
    except BadMessage as error:
        raise ExchangeFailed(error.reason) from None
    except (SessionOver, StreamError) as error:
        raise ExchangeFailed(_ended(error)) from None
    finally:
        with suppress(SessionOver, StreamError):
            stream.close()


@dataclass(frozen=True, slots=True)
class Source:
    """What is uploaded.

    Attributes:
        file: open for reading.
        name: for messages.
        size: bytes; None if that is not known before.

    """

    file: BinaryIO
    name: str
    size: int | None

    async def read(self) -> bytes:
        """The next piece; empty at the end."""
        try:
            if self.size is None:
                return await asyncio.to_thread(self.file.read, CHUNK)  # somebody may be slow in writing it
            return self.file.read(CHUNK)
        except OSError as error:
            raise usage(f"{self.name}: {explain(error)}") from None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """How an upload has ended.

    Attributes:
        status: of the response.
        size: bytes.
        digest: SHA-256 of what was sent.
        verified: the server has the same; otherwise it does not say what it has.

    """

    status: int
    size: int
    digest: str
    verified: bool


async def upload(stream: Stream, url: SplitResult, source: Source, *, progress: Progress) -> Uploaded:
    """Put something to a URL, and compare the SHA-256 that the server answers (Repr-Digest of RFC 9530).

    Raises:
        ExchangeFailed: the server does not take it, or it is not the same there.
        CommandFailed: the source cannot be read.

    """
    try:
        response, size, digest = await _put(stream, url, source, progress)
        answered = digest_of(response)
        async for _ in read_body(stream, response):
            pass
        if answered is not None and answered != digest:
            raise ExchangeFailed(
                f"the server has something else: its SHA-256 is {answered.hex()}, that of what was sent {digest.hex()}"
            )
        return Uploaded(response.status, size, digest.hex(), verified=answered is not None)
    except BadMessage as error:
        raise ExchangeFailed(error.reason) from None
    except (SessionOver, StreamError) as error:
        raise ExchangeFailed(_ended(error)) from None
    finally:
        with suppress(SessionOver, StreamError):
            stream.close()


def digest_of(response: Response) -> bytes | None:
    """The SHA-256 of what the server has, if it says so (RFC 9530, section 3)."""
    found = _DIGEST.search(response.fields.get("repr-digest", ""))
    if found is None:
        return None
    try:
        return base64.b64decode(found[1], validate=True)
    except binascii.Error:
        return None


async def _put(stream: Stream, url: SplitResult, source: Source, progress: Progress) -> tuple[Response, int, bytes]:
    chunked = source.size is None
    length = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(source.size)}
    digest, size = sha256(), 0
    stream.write(request_head("PUT", url, {**length, "Content-Type": "application/octet-stream"}))
    answer = asyncio.ensure_future(read_response(stream))
    complete = False
    try:
        while not answer.done() and not complete:
            piece = await source.read()
            if piece:
                await _write(stream, piece, answer, chunked=chunked)
                digest.update(piece)
                size += len(piece)
                progress(len(piece))
                if source.size is not None and size > source.size:
                    raise ExchangeFailed(f"{source.name} grows while it is sent")
            elif source.size is not None and size < source.size:
                raise ExchangeFailed(f"{source.name} has become shorter while it was sent")
            elif chunked:
                stream.write(b"0\r\n\r\n")
            complete = not piece or size == source.size
        response = await answer
    finally:
        if not answer.cancel() and not answer.cancelled():
            answer.exception()  # somebody has looked at it, whatever else went wrong
    _require_good(response)
    if not complete:
        raise ExchangeFailed(f"the server answers {response.status} before it has the whole")
    return response, size, digest.digest()


async def _write(stream: Stream, piece: bytes, answer: asyncio.Future[Response], *, chunked: bool) -> None:
    """Send a piece, and wait until more can be sent or the server answers: one that refuses takes no more."""
    stream.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    drained = asyncio.ensure_future(stream.drain())
    try:
        await asyncio.wait((drained, answer), return_when=asyncio.FIRST_COMPLETED)
        if drained.done():
            drained.result()
    finally:
        drained.cancel()


def _require_good(response: Response) -> None:
    if response.status >= REDIRECTED:
        target = f", and says to go to {response.fields['location']}" if "location" in response.fields else ""
        raise ExchangeFailed(f"the server answers {response.status} {response.reason}".rstrip() + target)


def _ended(error: Exception) -> str:
    return f"the session is over: {error}"

"""Downloads and uploads over a stream, with servers that do as they like."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import pytest

from impl.tcpls.api import Stream
from impl.tcpls.cli.exchanges import ExchangeFailed, Output, Source, Uploaded, digest_of, download, upload
from impl.tcpls.errors import SessionOver
from impl.tls13.cli.errors import CommandFailed
from impl.tls13.http import Response

T = TypeVar("T")
URL = urlsplit("https://host:1/path?query")


class Answering:
    """A stream whose answer is there when so much of the body was written."""

    def __init__(self, answer: bytes, *, after: int = 0, breaks: bool = False) -> None:
        self._reader = asyncio.StreamReader()
        self._answer: bytes | None = answer
        self._after = after
        self._breaks = breaks
        self.written = b""
        self.closed = False
        self._answer_if_due()

    async def read(self, n: int = -1) -> bytes:
        return await self._reader.read(n)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        return await self._reader.readuntil(separator)

    def write(self, data: bytes) -> None:
        self.written += data
        self._answer_if_due()

    async def drain(self) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def close(self) -> None:
        self.closed = True

    def _answer_if_due(self) -> None:
        if self._answer is not None and len(self.written.partition(b"\r\n\r\n")[2]) >= self._after:
            self._reader.feed_data(self._answer)
            self._answer = None
            if self._breaks:
                self._reader.set_exception(SessionOver("gone"))
            else:
                self._reader.feed_eof()


def run(stream: Callable[[], Answering], exchange: Callable[[Stream], Awaitable[T]]) -> tuple[T, Answering]:
    async def main() -> tuple[T, Answering]:
        made = stream()
        result = await exchange(cast(Stream, made))
        assert made.closed
        return result, made

    return asyncio.run(main())


class TestDownload:
    def get(self, answer: bytes, path: Path, **options: Any) -> tuple[int, list[int | None], list[int], bytes]:
        started: list[int | None] = []
        progress: list[int] = []

        async def exchange(stream: Stream) -> int:
            with Output(path) as output:
                done = await download(stream, URL, output, started=started.append, progress=progress.append)
            return done.size

        size, stream = run(lambda: Answering(answer, **options), exchange)
        return size, started, progress, stream.written

    def test_a_body(self, tmp_path: Path) -> None:
        size, started, progress, written = self.get(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", tmp_path / "out"
        )
        assert (size, started, sum(progress)) == (5, [5], 5)
        assert (tmp_path / "out").read_bytes() == b"hello"
        assert written.startswith(b"GET /path?query HTTP/1.1\r\nHost: host:1\r\n")

    def test_one_of_unknown_length(self, tmp_path: Path) -> None:
        size, started, _, _ = self.get(b"HTTP/1.1 200 OK\r\n\r\nto the end", tmp_path / "out")
        assert (size, started) == (10, [None])

    def test_an_empty_one_makes_a_file(self, tmp_path: Path) -> None:
        assert self.get(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", tmp_path / "out")[0] == 0
        assert (tmp_path / "out").read_bytes() == b""

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (b"HTTP/1.1 404 Gone away\r\n\r\n", "answers 404 Gone away"),
            (b"HTTP/1.1 301\r\nLocation: /there\r\n\r\n", "answers 301, and says to go to /there"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "45 of 50 bytes too early"),
            (b"hello\r\n", "not HTTP/1.1"),
            (b"", "instead of answering"),
        ],
    )
    def test_failures(self, tmp_path: Path, answer: bytes, words: str) -> None:
        with pytest.raises(ExchangeFailed, match=words):
            self.get(answer, tmp_path / "out")

    def test_the_end_of_the_session(self, tmp_path: Path) -> None:
        with pytest.raises(ExchangeFailed, match="the session is over: gone"):
            self.get(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", tmp_path / "out", breaks=True)

    def test_a_file_that_cannot_be_made(self, tmp_path: Path) -> None:
        with pytest.raises(CommandFailed, match="Is a directory"):
            self.get(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", tmp_path)


class TestUpload:
    def put(self, answer: bytes, content: bytes, size: int | None, **options: Any) -> tuple[Uploaded, bytes, int]:
        progress: list[int] = []
        source = Source(io.BytesIO(content), "source", size)
        uploaded, stream = run(
            lambda: Answering(answer, **options), lambda stream: upload(stream, URL, source, progress=progress.append)
        )
        return uploaded, stream.written, sum(progress)

    def test_a_file(self) -> None:
        uploaded, written, sent = self.put(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", b"hello", 5, after=5)
        assert (uploaded.status, uploaded.size, sent) == (201, 5, 5)
        assert uploaded.digest == sha256(b"hello").hexdigest()
        assert not uploaded.verified
        assert b"\r\nContent-Length: 5\r\n" in written
        assert written.endswith(b"\r\n\r\nhello")

    def test_of_unknown_length(self) -> None:
        content = bytes(300_000)
        _, written, _ = self.put(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", content, None, after=300_020)
        body = written.partition(b"\r\n\r\n")[2]
        assert body.startswith(b"40000\r\n")
        assert body.endswith(b"\r\n0\r\n\r\n")

    def test_the_servers_digest(self) -> None:
        field = b"Repr-Digest: sha-512=:AA==:, sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:\r\n"
        answer = b"HTTP/1.1 200 OK\r\n" + field + b"Content-Length: 0\r\n\r\n"
        assert self.put(answer, b"abc", 3, after=3)[0].verified
        with pytest.raises(ExchangeFailed, match="the server has something else"):
            self.put(answer, b"abd", 3, after=3)

    def test_a_server_that_refuses_before_the_end(self) -> None:
        with pytest.raises(ExchangeFailed, match="answers 413"):
            self.put(b"HTTP/1.1 413 Too much\r\n\r\n", bytes(10_000_000), 10_000_000, after=1_000_000)

    def test_a_server_that_takes_a_part(self) -> None:
        with pytest.raises(ExchangeFailed, match="before it has the whole"):
            self.put(b"HTTP/1.1 200 OK\r\n\r\n", bytes(10_000_000), 10_000_000, after=1_000_000)

    @pytest.mark.parametrize(("size", "words"), [(4, "source grows"), (6, "has become shorter"), (0, "source grows")])
    def test_a_source_that_changes(self, size: int, words: str) -> None:
        with pytest.raises(ExchangeFailed, match=words):
            self.put(b"", b"hello", size, after=10**9)


class TestDigest:
    @pytest.mark.parametrize("value", ["", "sha-512=:AA==:", "sha-256=:A:", "md5=:AA==:, sha-256=AA=="])
    def test_none(self, value: str) -> None:
        assert digest_of(Response(200, "", {"repr-digest": value})) is None

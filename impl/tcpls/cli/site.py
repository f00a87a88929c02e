"""What ``tcpls serve`` answers on a stream: one HTTP/1.1 connection, request after request."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from impl.tcpls.api import Session, Stream
from impl.tcpls.cli import units
from impl.tcpls.cli.recorder import Recorder
from impl.tcpls.cli.uploads import Uploads
from impl.tcpls.errors import SessionOver, StreamError
from impl.tls13.cli import site
from impl.tls13.cli.site import Answer
from impl.tls13.http import BadMessage, Request, read_request

_IDLE_LIMIT: Final = 60.0  # seconds that a stream waits for a request
_METHODS: Final = "GET, HEAD, PUT"


@dataclass(slots=True)
class Tally:
    """What a session has moved.

    Attributes:
        streams: how many the client has opened.
        sent: bytes of bodies.
        received: bytes of bodies.

    """

    streams: int = 0
    sent: int = 0
    received: int = 0


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whom a stream belongs to.

    Attributes:
        session: the session.
        recorder: what has happened to its connections.
        tally: what it has moved.
        name: the client, for messages.

    """

    session: Session
    recorder: Recorder
    tally: Tally
    name: str

    def page(self) -> str:
        """What is told about a session."""
        lines = [f"peer: {self.name}"]
        lines.append(f"protocol: {'TCPLS' if self.session.core.tcpls else 'plain TLS 1.3'}")
        started = self.session.started
        if started is not None:
            lines += [f"cipher suite: {started.handshake.cipher_suite}", *site.agreed_upon(started.handshake)]
        for row in self.recorder.rows():
            moved = f"{units.size(row.sent)} sent, {units.size(row.received)} received"
            lines.append(f"connection {row.connection_id}: {row.path}, {row.state}, {moved}")
        return "\n".join(lines)


class Site:
    """Files, pseudo-random bytes, a page, and uploads.

    Args:
        root: folder whose files are served; None for none.
        upload: folder for what is put; None to drop it.
        log: is told of each request; None for nobody.

    """

    def __init__(self, root: Path | None, upload: Path | None, log: Callable[[str], None] | None) -> None:
        self._root = root
        self._uploads = Uploads(upload)
        self._log = log

    async def serve(self, stream: Stream, visitor: Visitor) -> None:
        """Answer the requests on a stream, until the client wants no more or the session is over."""
        with suppress(SessionOver, StreamError, OSError):  # of which the session's line tells, or a file cannot be read
            try:
                while await self._serve_one(stream, visitor):
                    pass
            finally:
                with suppress(SessionOver, StreamError):
                    stream.close()

    async def _serve_one(self, stream: Stream, visitor: Visitor) -> bool:
        """Answer one request; whether another one may follow."""
        request: Request | None = None
        keep_alive = False
        try:
            async with asyncio.timeout(_IDLE_LIMIT):
                request = await read_request(stream)
            if request is None:
                return False
            if request.method == "PUT":
                answer, size = await self._uploads.receive(stream, request)
                visitor.tally.received += size
                keep_alive = request.persistent
            else:
                answer = site.answer(request, visitor.page(), self._root)
                keep_alive = request.keep_alive
        except BadMessage as error:
            answer = site.text(error.status, error.reason)
        if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
            answer = site.text(answer.status, f"only {_METHODS} are answered here", {"Allow": _METHODS})
            keep_alive = False
        if self._log is not None:
            what = "a request that is none" if request is None else f"{request.method} {request.target}"
            self._log(f"{visitor.name}: stream {stream.id}: {what}: {answer.status.value}")
        await self._send(
            stream, visitor, answer, keep_alive=keep_alive, body=request is None or request.method != "HEAD"
        )
        return keep_alive

    @staticmethod
    async def _send(stream: Stream, visitor: Visitor, answer: Answer, *, keep_alive: bool, body: bool) -> None:
        stream.write(answer.head(keep_alive=keep_alive, now=time.time()))
        if body:
            for piece in answer.body:
                stream.write(piece)
                visitor.tally.sent += len(piece)
                await stream.drain()
        await stream.drain()

"""What ``tcpls bench`` measures: goodput, handshakes, joins, round trips; each with sessions of its own."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import SplitResult, urlsplit

from impl.tcpls.api import ClientSession, Stream
from impl.tcpls.cli.client import Setup, alone, open_session
from impl.tcpls.cli.exchanges import REDIRECTED
from impl.tcpls.cli.recorder import Recorder
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.joining import JoinMode
from impl.tcpls.paths import Candidate, Policy
from impl.tls13.cli.errors import failed
from impl.tls13.cli.urls import request_head
from impl.tls13.http import CHUNK, BadMessage, read_response
from impl.tls13.sessions import Session as Resumption

_ENDLESS: Final = 10**14  # bytes
_WARM_UP: Final = 0.2
_JOIN_LIMIT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Times:
    """Several measurements of a time, s."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Their median."""
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        """The shortest."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The longest."""
        return max(self.values)


class Bench:
    """Measures between here and one server.

    Args:
        setup: how sessions are begun.
        candidates: pairs of addresses, one for each connection that a session can have.
        seconds: how long each measurement lasts.

    """

    def __init__(self, setup: Setup, candidates: Sequence[Candidate], seconds: float) -> None:
        self._setup = setup
        self._candidates = tuple(candidates)
        self._seconds = seconds

    async def download(self, connections: int) -> float:
        """Goodput from the server over so many connections, bytes/s."""
        async with self._session(connections) as session:
            stream = session.open_stream()
            stream.write(request_head("GET", self._url(f"/bytes/{_ENDLESS}")))
            await self._require_good(stream)
            await self._read_for(stream, _WARM_UP)
            size, seconds = await self._read_for(stream, self._seconds)
            session.abort("measured")
        return size / seconds

    async def upload(self, connections: int) -> float:
        """Goodput to the server over so many connections, bytes/s: what it has acknowledged."""
        async with self._session(connections) as session:
            stream = session.open_stream()
            fields = {"Content-Length": str(_ENDLESS), "Want-Repr-Digest": "sha-256=0"}
            stream.write(request_head("PUT", self._url("/bench"), fields))
            refused = asyncio.ensure_future(self._require_good(stream))
            written = await self._write_for(stream, _WARM_UP, refused)
            before, begin = written - session.core.unacknowledged, time.monotonic()
            written += await self._write_for(stream, self._seconds, refused)
            size, seconds = written - session.core.unacknowledged - before, time.monotonic() - begin
            refused.cancel()
            await asyncio.gather(refused, return_exceptions=True)
            session.abort("measured")
        return size / seconds

    async def handshakes(self, *, resumed: bool) -> Times:
        """Times of handshakes one after the other, TCP's included, for as long as a measurement lasts."""
        setup = alone(replace(self._setup, policy=Policy.MANUAL), self._candidates[0])
        if resumed:
            setup = replace(setup, config=replace(setup.config, session=await self._ticket(setup)))
        times: list[float] = []
        end = time.monotonic() + self._seconds
        while not times or time.monotonic() < end:
            begin = time.monotonic()
            async with open_session(setup, Recorder()):
                times.append(time.monotonic() - begin)
        return Times(tuple(times))

    async def joins(self, mode: JoinMode) -> Times | None:
        """Times until a connection was joined, TCP's handshake included; None if there is but one pair of addresses."""
        others = self._candidates[1:]
        if not others:
            return None
        setup = replace(self._setup, policy=Policy.MANUAL, mode=mode, candidates=self._candidates)
        times: list[float] = []
        end = time.monotonic() + self._seconds / 2
        while not times or time.monotonic() < end:
            async with open_session(setup, Recorder()) as session:
                connected = session.joiner.manager.connected
                for candidate in self._candidates:
                    if candidate in connected:
                        continue
                    begin = time.monotonic()
                    async with asyncio.timeout(_JOIN_LIMIT):
                        await session.join(candidate.remote, local=candidate.local)
                    times.append(time.monotonic() - begin)
        return Times(tuple(times))

    async def pings(self) -> Times:
        """Round trips of Pings on an idle connection, one after the other."""
        times: list[float] = []
        end = time.monotonic() + self._seconds / 2
        async with self._session(1) as session:
            while not times or time.monotonic() < end:
                times.append(await session.ping(0))
        return Times(tuple(times))

    @asynccontextmanager
    async def _session(self, connections: int) -> AsyncIterator[ClientSession]:
        """A session with so many connections."""
        setup = replace(self._setup, candidates=self._candidates[:connections])
        try:
            async with open_session(setup, Recorder()) as session:
                if not session.core.tcpls:
                    raise failed(setup.place, "speaks plain TLS: there is nothing of TCPLS to measure")
                async with asyncio.timeout(_JOIN_LIMIT):
                    while sum(c.confirmed >= 0 for c in session.core.connections.values()) < connections:
                        for connection_id in list(session.core.connections):
                            await session.ping(connection_id)
                yield session
        except TimeoutError:
            raise failed(setup.place, f"fewer than {connections} connections within {_JOIN_LIMIT:g} s") from None
        except BadMessage as error:
            raise failed(setup.place, error.reason) from None
        except (SessionOver, StreamError) as error:
            raise failed(setup.place, f"the session is over: {error}") from None

    async def _ticket(self, setup: Setup) -> Resumption:
        tickets: list[Resumption] = []
        async with open_session(setup, Recorder(), on_ticket=tickets.append) as session:
            async with asyncio.timeout(_JOIN_LIMIT):
                while not tickets:
                    await session.ping(0)
        return tickets[-1]

    def _url(self, path: str) -> SplitResult:
        return urlsplit(f"https://{self._setup.place}{path}")

    @staticmethod
    async def _require_good(stream: Stream) -> None:
        response = await read_response(stream)
        if response.status >= REDIRECTED:
            raise BadMessage(f"the server answers {response.status} {response.reason}".rstrip())

    @staticmethod
    async def _read_for(stream: Stream, seconds: float) -> tuple[int, float]:
        size, begin = 0, time.monotonic()
        while (now := time.monotonic()) < begin + seconds:
            piece = await stream.read(CHUNK)
            if not piece:
                raise BadMessage("the server ends the body early")
            size += len(piece)
        return size, now - begin

    @staticmethod
    async def _write_for(stream: Stream, seconds: float, refused: asyncio.Future[None]) -> int:
        size, end, block = 0, time.monotonic() + seconds, bytes(CHUNK)
        while time.monotonic() < end:
            if refused.done():
                refused.result()
                raise BadMessage("the server answers before it has the whole")
            stream.write(block)
            await stream.drain()
            size += len(block)
        return size

"""The client: opens a session over all paths, does its task, and moves to another path when it is told to."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from impl.contract.eventlog import EventLog
from impl.contract.setting import EndpointError, Setting
from impl.contract.tasks import Download, Exchanges, ObjectStreams, Task, Upload
from impl.contract.transfer import map_payload
from impl.tcpls.api import ClientSession, Hooks, Stream, connect
from impl.tcpls.endpoint.options import Options, key_log, open_trace
from impl.tcpls.errors import SessionOver
from impl.tcpls.events import (
    ConnectionClosed,
    ConnectionJoined,
    ConnectionRecovered,
    ConnectionSuspected,
    Event,
    PathPreferred,
    SessionEnded,
)
from impl.tcpls.paths import Candidate
from impl.tcpls.sockets import AllFailed, SocketError
from impl.tcpls.trace import NO_TRACE
from impl.tls13.certificates import TrustStore
from impl.tls13.config import ClientConfig

_CONNECT_LIMIT: Final = 15.0
_READ: Final = 2**18


class Client:
    """One run of the client."""

    def __init__(self, setting: Setting, options: Options, events: EventLog) -> None:
        self.setting = setting
        self.events = events
        self._options = options
        self._session: ClientSession | None = None
        self._addresses: dict[int, str | None] = {}
        self._tasks: list[Task] = []
        self._readers: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._error: BaseException | None = None
        self._marks = list(setting.migrate)
        self._download: Download | None = None
        self._objects: ObjectStreams | None = None

    async def run(self) -> None:
        """Do the test case.

        Raises:
            EndpointError: it failed; the message says why.

        """
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(key_log(self.setting.keylog))
            trace = open_trace(self.setting.qlog, "client", 0)
            if trace is not None:
                stack.callback(trace.close)
            began = time.monotonic()
            try:
                session = self._session = await connect(
                    self.setting.connect,
                    self.setting.port,
                    self._config(),
                    self._options.settings,
                    candidates=[Candidate(local, remote) for local, remote in self.setting.pairs()],
                    policy=self._options.policy,
                    mode=self._options.mode,
                    hooks=Hooks(key_log=log, on_event=self._on_event),
                    trace=trace or NO_TRACE,
                    handshake_limit=_CONNECT_LIMIT,
                    congestion=self.setting.congestion,
                )
            except (AllFailed, SocketError, SessionOver, TimeoutError, ValueError) as error:
                raise EndpointError(f"no path to the server: {error or 'timed out'}") from None
            if not session.core.tcpls:
                raise EndpointError("the server speaks plain TLS: it has no extension tcpls")
            self._connected(session, began)
            try:
                await self._work(session)
                session.close()
                await session.wait_closed()
            except BaseException as error:
                session.abort(str(error) or "the client was ended")
                raise
            finally:
                for reader in self._readers:
                    reader.cancel()
                session.driver.detach_all()

    def _config(self) -> ClientConfig:
        if self.setting.ca is None:
            raise EndpointError("HARNESS_CA is not set: nobody could tell whether the server is the right one")
        try:
            trust = TrustStore.from_file(self.setting.ca)
        except (OSError, ValueError) as error:
            raise EndpointError(f"HARNESS_CA: {error}") from None
        return ClientConfig(server_name=self.setting.connect[0], trust=trust)

    def _connected(self, session: ClientSession, began: float) -> None:
        link = session.driver.link(0)
        local = link.local.address if link is not None else None
        self._addresses[0] = local
        self.events.write(
            "connected",
            path=local,
            connect_ms=round(session.connected.seconds * 1e3, 3),
            handshake_ms=round((time.monotonic() - began - session.connected.seconds) * 1e3, 3),
            congestion=link.congestion if link is not None else None,
            transport="tcpls",
        )

    async def _work(self, session: ClientSession) -> None:
        """Run the tasks until all are done."""
        self._begin(session)
        while not all(task.done for task in self._tasks):
            if self._error is not None:
                raise EndpointError(f"the session failed: {self._error}")
            if session.core.ended is not None and not self._readers:
                raise EndpointError("the server ended the session before everything was there")
            now = time.monotonic()
            for task in self._tasks:
                while not task.done and task.due_at is not None and task.due_at <= now:
                    task.tick(now)
            if self._objects is not None and self._download is not None and self._download.done:
                self._objects.end()
            if all(task.done for task in self._tasks):
                return
            due = [task.due_at for task in self._tasks if task.due_at is not None]
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(min(due) - time.monotonic(), 0.0) if due else None):
                    await self._changed.wait()

    def _begin(self, session: ClientSession) -> None:
        setting, events = self.setting, self.events
        bulk = Streams(self, session, self._first)
        if setting.testcase in ("download", "objects"):
            self._download = Download(setting, events, bulk, self._on_bytes)
            self._tasks.append(self._download)
            if setting.objects is not None:
                where = self._second if setting.objects.placement == "own" else self._first
                self._objects = ObjectStreams(setting, setting.objects, events, Streams(self, session, where))
                self._tasks.append(self._objects)
        else:
            assert setting.payload is not None, "the setting is checked for it"
            payload = map_payload(setting.payload, setting.bytes)
            kind: Callable[..., Task] = Upload if setting.testcase == "upload" else Exchanges
            self._tasks.append(kind(setting, events, bulk, payload))
        for task in self._tasks:
            task.start(time.monotonic())

    def _first(self) -> int | None:
        """Objects are compared on connections of the application's choice; all other data may go anywhere."""
        return self._pinned(0) if self.setting.testcase == "objects" else None

    def _second(self) -> int | None:
        return self._pinned(1)

    def _pinned(self, place: int) -> int | None:
        assert self._session is not None, "there are streams only in a session"
        there = sorted(self._session.core.connections)
        return there[min(place, len(there) - 1)] if there else None

    def _on_bytes(self, total: int) -> None:
        if self._objects is not None:
            self._objects.begin(time.monotonic())
        while self._marks and total >= self._marks[0]:
            self._marks.pop(0)
            self._migrate()

    def _migrate(self) -> None:
        session = self._session
        assert session is not None, "bytes come only in a session"
        ids = sorted(session.core.connections)
        preferred = min(session.core.connections.values(), key=lambda connection: connection.rank).id
        target = ids[(ids.index(preferred) + 1) % len(ids)]
        if target == preferred:
            raise EndpointError("there is no other connection to move to")
        session.migrate(target)
        self.events.write("migrated", **{"path": self._addresses.get(target), "from": self._addresses.get(preferred)})

    def address(self, connection_id: int) -> str | None:
        """The client's address of a connection."""
        return self._addresses.get(connection_id)

    def read(self, stream: Stream, task: Task, streams: "Streams") -> None:
        """Give a task what comes on a stream."""
        reader = asyncio.get_running_loop().create_task(self._read(stream, task, streams))
        self._readers.add(reader)
        reader.add_done_callback(self._read_over)

    def _read_over(self, reader: asyncio.Task[None]) -> None:
        self._readers.discard(reader)
        if not reader.cancelled() and (error := reader.exception()) is not None:
            self._error = self._error or error
        self._changed.set()

    async def _read(self, stream: Stream, task: Task, streams: "Streams") -> None:
        while chunks := await stream.read_chunks(_READ):
            now = time.monotonic()
            for data, connection_id in chunks:
                streams.path = self.address(connection_id)
                task.on_data(stream.id, bytes(data), False, now)
            self._changed.set()
        task.on_data(stream.id, b"", True, time.monotonic())

    def _on_event(self, event: Event) -> None:
        events = self.events
        if isinstance(event, ConnectionJoined):
            session = self._session
            link = session.driver.link(event.connection_id) if session is not None else None
            if link is not None:
                self._addresses[event.connection_id] = link.local.address
            events.write("path_joined", path=self.address(event.connection_id), connection=event.connection_id)
        elif isinstance(event, ConnectionClosed):
            path = self.address(event.connection_id)
            if event.failed and path is not None:
                events.write("path_failed", path=path, reason=event.reason, connection=event.connection_id)
            elif event.failed:
                events.write("note", text=f"connection {event.connection_id} could not be joined: {event.reason}")
        elif isinstance(event, ConnectionSuspected):
            path = self.address(event.connection_id)
            events.write("note", text=f"connection {event.connection_id} ({path}) is suspected: {event.reason}")
        elif isinstance(event, ConnectionRecovered | PathPreferred):
            kind = "works again" if isinstance(event, ConnectionRecovered) else "is preferred"
            path = self.address(event.connection_id)
            events.write("note", text=f"connection {event.connection_id} ({path}) {kind}")
        elif isinstance(event, SessionEnded):
            if not event.clean:
                self._error = self._error or SessionOver(event.reason)
            self._changed.set()


class Streams:
    """The session as a task sees it.

    Attributes:
        path: the client's address of the path on which the present data came.

    """

    def __init__(self, client: Client, session: ClientSession, pinned: Callable[[], int | None]) -> None:
        """`pinned` says which connection alone shall carry a stream; None lets any."""
        self.path: str | None = None
        self._client = client
        self._session = session
        self._pinned = pinned

    def open(self, task: Task) -> int:
        """Open a stream whose data go to `task`, and return its number."""
        stream = self._session.open_stream(connection=self._pinned())
        self._client.read(stream, task, self)
        return stream.id

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send data on a stream, and end it if so."""
        core = self._session.core
        core.write(stream, data)
        if end:
            core.finish(stream)
        self._session.driver.soon()

"""What a session sends: which streams have something, which connection carries it, what is sent again (4.2)."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from impl.tcpls.connection import Connection
from impl.tcpls.ledger import Run
from impl.tcpls.packing import Packer
from impl.tcpls.schedulers import BULK, Scheduler
from impl.tcpls.settings import Settings
from impl.tcpls.streams.sending import SendStream

BATCH: Final = 32
"""The most records that are made at a time: with 16 KiB each, they and their content fit into a cache."""
_LOOK_AGAIN: Final = 0.003
"""Seconds until a full path is looked at again."""
_HAND_OVER: Final = 8
"""Round trips, and a second at most, in which a connection that was moved away from carries what the new one cannot.

A new connection begins with a small congestion window: without that, goodput would break down for some round trips.
"""
_FIRST_WINDOW: Final = 2**14
"""Bytes that TCP sends at once on a new connection, or one that was idle (RFC 6928)."""
_TURN: Final = 2**16
"""Bytes that a stream may send before it is the next one's turn; more where it is the only one."""


class Outgoing:
    """The queues of one session.

    Streams with something to send stand in a queue: that of lost data, that of the session, or that of the connection
    which they are pinned to. Taking from a queue costs the same however many streams there are.

    Args:
        connections: of the session, by Connection ID.
        scheduler: who carries what.
        settings: of the session.

    Attributes:
        backlog: bytes written to streams and never sent.
        unacknowledged: bytes sent or to be sent that the peer has not acknowledged.
        word_awaited: it is about to turn out what must be sent again: a connection that has been idle waits for that.
        held_until: when to look again because a path is full, which nothing else will tell; None if there is no need.

    """

    def __init__(self, connections: Mapping[int, Connection], scheduler: Scheduler, settings: Settings) -> None:
        self.scheduler = scheduler
        self.backlog = 0
        self.unacknowledged = 0
        self.word_awaited = False
        self.held_until: float | None = None
        self._connections = connections
        self._settings = settings
        self._fresh: deque[SendStream] = deque()
        self._lost: deque[SendStream] = deque()
        self._in_lost: set[int] = set()
        self._unassigned: deque[bytes] = deque()
        self._progressed: set[int] = set()
        self._leaving: tuple[Connection, float] | None = None

    def written(self, stream: SendStream, size: int) -> None:
        """A stream has got so many more bytes, or its end."""
        self.backlog += size
        self.unacknowledged += size
        self._queue(stream)

    def hand_over(self, connection: Connection, now: float) -> None:
        """Another connection is preferred from now on: this one helps out until that has gathered speed."""
        self._leaving = (connection, now + min(_HAND_OVER * max(c.srtt for c in self._connections.values()), 1.0))

    def pin(self, stream: SendStream, connection_id: int) -> None:
        """Only this connection carries a stream's new data from now on."""
        if stream.waiting:
            before = self._connections.get(stream.pinned) if stream.pinned is not None else None
            (self._fresh if before is None else before.pinned).remove(stream)
            stream.waiting = False
        stream.pinned = connection_id
        self._queue(stream)

    def acknowledged(self, size: int) -> None:
        """The peer has acknowledged so many bytes, in order."""
        self.unacknowledged -= size

    def progressed(self, stream: SendStream) -> None:
        """Something of a stream was sent for the first time."""
        self._progressed.add(stream.stream_id)

    def take_progressed(self) -> set[int]:
        """The streams of which something was sent for the first time since the last call."""
        progressed, self._progressed = self._progressed, set()
        return progressed

    @property
    def waiting(self) -> bool:
        """Whether there is stream data that waits for a connection."""
        return bool(self._fresh or self._lost or any(c.pinned for c in self._connections.values()))

    def send(self, frame: bytes, *, prefer: Connection | None = None, resend: bool = True) -> None:
        """Send a frame that may go on any connection; without one that is usable it waits."""
        target = prefer if prefer is not None and prefer.usable else self.best()
        if target is None:
            self._unassigned.append(frame)
        else:
            target.control.append((frame, resend))

    def best(self, *, apart_from: Connection | None = None) -> Connection | None:
        """The usable connection that answers first."""
        usable = [c for c in self._connections.values() if c.usable and c is not apart_from]
        return min(usable, key=lambda c: (c.blocked, c.rank if not self._shares else 0, c.srtt), default=None)

    @property
    def _shares(self) -> bool:
        return self.scheduler.name != "primary-backup"

    def fill(self, connection: Connection, packer: Packer, now: float) -> None:
        """Put what this connection is to send into records."""
        if connection.usable:
            while self._unassigned and packer.frame(self._unassigned[0], resend=True):
                self._unassigned.popleft()
        while connection.control and packer.frame(connection.control[0][0], resend=connection.control[0][1]):
            connection.control.popleft()
        if not connection.usable:
            return
        before = packer.used
        self._fill_lost(connection, packer)
        if not connection.full and not self._saves_window(connection):
            self._fill_copies(connection, packer)
            self._fill_fresh(connection, packer, now)
        connection.sent += packer.used - before

    def fill_early(self, packer: Packer) -> None:
        """Put what was written before the handshake into records, as much as there is room for."""
        while self._fresh and (room := packer.room):
            stream = self._fresh.popleft()
            start, end, fin = stream.take_new(room)
            packer.stream(stream, start, end, fin=fin)
            self.backlog -= end - start
            stream.waiting = stream.has_new
            if stream.has_new:
                self._fresh.appendleft(stream)

    def offers(self, connection: Connection, now: float) -> bool:
        """Whether there is anything that this connection would send now."""
        if connection.control or (connection.usable and self._unassigned):
            return True
        if not connection.usable:
            return False
        if any(self._may_carry(connection, stream) for stream in self._lost):
            return True
        pinned = connection.pinned or self._stranded(connection)
        if not (connection.copies or pinned or self._fresh) or not self._allowed:
            return False
        if self._saves_window(connection):
            return False
        if connection.full:
            self.held_until = now + _LOOK_AGAIN
            return False
        return bool(connection.copies or pinned) or self._grant(connection, now) > 0

    def give_up(self, connection: Connection) -> int:
        """Hand what is under way on a connection to the others, to be sent again; how many bytes that is."""
        return sum(self._lose(run) for run in connection.ledger.give_up())

    def take_back(self, connection: Connection) -> None:
        """A connection that was given up works again."""
        connection.ledger.take_back()

    def forget(self, connection: Connection) -> None:
        """A connection is gone: its streams may be carried by any other, and its frames are sent again."""
        for frame, resend in connection.control:
            if resend:
                self._unassigned.append(frame)
        connection.control.clear()
        connection.copies.clear()
        while connection.pinned:
            stream = connection.pinned.popleft()
            stream.waiting = False
            stream.pinned = None
            self._queue(stream)

    def _lose(self, run: Run) -> int:
        stream = run.stream
        if stream is None:
            if run.frame:
                self._unassigned.append(run.frame)
            return len(run.frame)
        stream.lose(run.start, run.end, fin=run.fin)
        if stream.has_lost and stream.stream_id not in self._in_lost:
            self._in_lost.add(stream.stream_id)
            self._lost.append(stream)
        return run.end - run.start

    def _queue(self, stream: SendStream) -> None:
        if stream.waiting or not stream.has_new:
            return
        stream.waiting = True
        connection = self._connections.get(stream.pinned) if stream.pinned is not None else None
        if connection is None:
            stream.pinned = None
            self._fresh.append(stream)
        else:
            connection.pinned.append(stream)

    @property
    def _allowed(self) -> bool:
        """Whether new data may be sent at all: as much as is kept for acknowledgement is bounded."""
        return self.unacknowledged - self.backlog < self._settings.send_limit

    def _grant(self, connection: Connection, now: float) -> int:
        usable = [other for other in self._connections.values() if other.usable]
        if len(usable) == 1:
            return BULK  # there is nothing to choose
        if self._helps_out(connection, usable, now):
            return BULK
        # A stream that is not finished may get more, so this is not the tail of a transfer.
        backlog = self.backlog if self._fresh[0].finished and self._fresh[-1].finished else BULK
        return self.scheduler.grant(connection, usable, backlog, now)

    def _saves_window(self, connection: Connection) -> bool:
        """Whether a connection that has hardly anything under way should wait for what must be sent again."""
        return self.word_awaited and connection.queued < _FIRST_WINDOW

    def _helps_out(self, connection: Connection, usable: list[Connection], now: float) -> bool:
        """Whether the connection that was preferred before should carry what the new one does not take yet."""
        if self._leaving is None:
            return False
        leaving, until = self._leaving
        if now >= until:
            self._leaving = None
            return False
        preferred = min(usable, key=lambda c: c.rank)
        return connection is leaving and preferred is not leaving and (preferred.blocked or preferred.full)

    def _may_carry(self, connection: Connection, stream: SendStream) -> bool:
        """Pinned streams go elsewhere while their connection is not usable."""
        if stream.pinned is None or stream.pinned == connection.id:
            return True
        pinned = self._connections.get(stream.pinned)
        return pinned is None or not pinned.usable

    def _fill_lost(self, connection: Connection, packer: Packer) -> None:
        for _ in range(len(self._lost)):
            if not (room := packer.room):
                return
            stream = self._lost.popleft()
            if not self._may_carry(connection, stream):
                self._lost.append(stream)
                continue
            while stream.has_lost and (room := packer.room):
                start, end, fin = stream.take_lost(room)
                packer.stream(stream, start, end, fin=fin)
            if stream.has_lost:
                self._lost.appendleft(stream)
                return
            self._in_lost.discard(stream.stream_id)

    def _fill_copies(self, connection: Connection, packer: Packer) -> None:
        while connection.copies and (room := packer.room):
            stream, start, end, fin = connection.copies.popleft()
            stop = min(end, start + room)
            if stop < end:
                connection.copies.appendleft((stream, stop, end, fin))
            fin = fin and stop == end
            # One part at a time: each has a header of its own, for which there may be no room.
            gap = next(iter(stream.unacknowledged_parts(start, stop)), None)
            if gap is not None:
                if gap[1] < stop:
                    connection.copies.appendleft((stream, gap[1], stop, fin))
                packer.stream(stream, *gap, fin=fin and gap[1] == stop)
            elif fin and not stream.is_acknowledged(stop, stop, fin=True):
                packer.stream(stream, stop, stop, fin=True)

    def _fill_fresh(self, connection: Connection, packer: Packer, now: float) -> None:
        granted = self._grant(connection, now) if self._fresh and self._allowed else 0
        pinned = [connection.pinned, *self._stranded(connection)]
        queues = [queue for queue in (*pinned, self._fresh if granted > 0 else None) if queue]
        while queues and packer.room and self._allowed:
            for queue in tuple(queues):
                room = min(packer.room, granted) if queue is self._fresh else packer.room
                if not room:
                    queues.remove(queue)
                    continue
                stream = queue.popleft()
                alone = not queue and len(queues) == 1
                start, end, fin = stream.take_new(room if alone else min(room, _TURN))
                packer.stream(stream, start, end, fin=fin)
                self.backlog -= end - start
                self.progressed(stream)
                if queue is self._fresh:
                    granted -= end - start
                    if self.scheduler.copies:
                        self._copy(connection, stream, start, end, fin=fin)
                if stream.has_new:
                    queue.append(stream)
                else:
                    stream.waiting = False
                if not queue:
                    queues.remove(queue)

    def _stranded(self, connection: Connection) -> list[deque[SendStream]]:
        """The queues of streams whose own connection cannot carry them now."""
        others = self._connections.values()
        return [other.pinned for other in others if other is not connection and other.pinned and not other.usable]

    def _copy(self, sender: Connection, stream: SendStream, start: int, end: int, *, fin: bool) -> None:
        for other in self._connections.values():
            if other is not sender and other.usable:
                other.copies.append((stream, start, end, fin))

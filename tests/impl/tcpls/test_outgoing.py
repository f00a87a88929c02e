"""The queues: what goes first, what goes again, and what one record may cost."""

import pytest

from impl.tcpls.connection import Connection
from impl.tcpls.frames import Ack, ConnectionReset, Ping, Stream, decode_frames
from impl.tcpls.outgoing import Outgoing
from impl.tcpls.packing import Packer
from impl.tcpls.schedulers import make_scheduler
from impl.tcpls.settings import Settings
from impl.tcpls.streams.sending import SendStream
from tests.support.tcpls import Net, Path


class Sender:
    """The sending part of a session with two connections, each of which takes one record at a time."""

    def __init__(self, scheduler: str = "primary-backup", **options: object) -> None:
        net = Net()
        net.start(Path())
        net.join(Path())
        net.run(5)
        self.connections: dict[int, Connection] = net.client.connections
        for connection in self.connections.values():
            connection.control.clear()
        self.outgoing = Outgoing(self.connections, make_scheduler(scheduler), Settings(**options))  # type: ignore[arg-type]
        self.sequence = dict.fromkeys(self.connections, 1000)

    def write(self, stream: SendStream, data: bytes, *, fin: bool = False) -> None:
        stream.write(data)
        if fin:
            stream.finish()
        self.outgoing.written(stream, len(data))

    def record(self, connection_id: int = 0, size: int = 200) -> list[object]:
        """What goes into the next record of a connection."""
        connection = self.connections[connection_id]
        if not self.outgoing.offers(connection, 0.0):
            return []
        packer = Packer(bytearray(size), size, 1)
        self.outgoing.fill(connection, packer, 0.0)
        for run in packer.runs:
            run.first = run.last = self.sequence[connection_id]
            connection.ledger.add(run)
        self.sequence[connection_id] += 1
        content = bytes(packer._plain[: packer.used])
        return [
            (frame.stream_id, frame.offset, bytes(frame.data)) if isinstance(frame, Stream) else frame
            for frame in decode_frames(memoryview(content))
        ]


class TestOrder:
    def test_frames_go_before_data(self) -> None:
        sender, stream = Sender(), SendStream(0)
        sender.write(stream, b"x")
        sender.outgoing.send(Ping().encode(), resend=False)
        assert sender.record() == [Ping(), (0, 0, b"x")]
        assert sender.record() == []

    def test_lost_data_go_before_new_ones(self) -> None:
        sender, stream = Sender(), SendStream(0)
        sender.write(stream, b"a" * 100)
        sender.record()
        sender.outgoing.give_up(sender.connections[0])
        sender.write(stream, b"b" * 20)
        assert sender.record() == [(0, 0, b"a" * 100), (0, 100, b"b" * 20)]

    def test_streams_share_records(self) -> None:
        sender = Sender()
        for number in range(3):
            sender.write(SendStream(2 * number), bytes([number]) * 10)
        assert sender.record() == [(0, 0, bytes(10)), (2, 0, b"\1" * 10), (4, 0, b"\2" * 10)]

    def test_streams_take_turns(self) -> None:
        sender = Sender()
        for number in (0, 2):
            sender.write(SendStream(number), bytes(100_000))
        first = {frame[0] for _ in range(400) for frame in sender.record() if isinstance(frame, tuple)}
        assert first == {0, 2}


class TestWithoutConnection:
    def test_frames_wait(self) -> None:
        sender = Sender()
        closed = [sender.connections.pop(number) for number in (0, 1)]
        sender.outgoing.send(ConnectionReset(0).encode())
        sender.outgoing.send(Ack(0, 5).encode(), resend=False)
        sender.connections[1] = closed[1]
        assert sender.record(1) == [ConnectionReset(0), Ack(0, 5)]
        (run,) = sender.connections[1].ledger
        assert run.frame == ConnectionReset(0).encode()

    def test_frames_of_one_that_is_gone_are_sent_again_if_that_is_needed(self) -> None:
        sender = Sender()
        gone = sender.connections[0]
        for frame, resend in ((Ping().encode(), False), (ConnectionReset(1).encode(), True)):
            gone.control.append((frame, resend))
        del sender.connections[0]
        sender.outgoing.forget(gone)
        assert sender.record(1) == [ConnectionReset(1)]


class TestPinned:
    def test_data_have_their_own_queue(self) -> None:
        sender, stream = Sender(), SendStream(0, pinned=1)
        sender.write(stream, b"x")
        assert sender.record(0) == []
        assert sender.record(1) == [(0, 0, b"x")]

    def test_lost_data_stay_there_while_it_works(self) -> None:
        sender, stream = Sender(), SendStream(0, pinned=1)
        sender.write(stream, b"x")
        sender.record(1)
        sender.outgoing.give_up(sender.connections[1])
        assert sender.record(0) == []
        assert sender.record(1) == [(0, 0, b"x")]

    def test_data_move_when_it_is_gone(self) -> None:
        sender, stream = Sender(), SendStream(0, pinned=1)
        sender.write(stream, b"x")
        gone = sender.connections.pop(1)
        sender.outgoing.forget(gone)
        assert sender.record(0) == [(0, 0, b"x")]
        sender.write(stream, b"y")
        assert sender.record(0) == [(0, 1, b"y")]

    def test_moving_a_stream_that_waits(self) -> None:
        sender, stream = Sender(), SendStream(0)
        sender.write(stream, b"x")
        sender.outgoing.pin(stream, 1)
        assert sender.record(0) == []
        sender.outgoing.pin(stream, 0)
        assert sender.record(1) == []
        assert sender.record(0) == [(0, 0, b"x")]


class TestCopies:
    def test_go_to_every_other_connection(self) -> None:
        sender, stream = Sender("redundant"), SendStream(0)
        sender.write(stream, b"x" * 10, fin=True)
        assert sender.record(0) == sender.record(1) == [(0, 0, b"x" * 10)]

    def test_leave_out_what_is_acknowledged(self) -> None:
        sender, stream = Sender("redundant"), SendStream(0)
        sender.write(stream, bytes(range(100)), fin=True)
        sender.record(0)
        for start, end in ((0, 10), (20, 30), (90, 100)):
            stream.acknowledge(start, end, fin=end == 100)
        assert sender.record(1) == [(0, 10, bytes(range(10, 20))), (0, 30, bytes(range(30, 90)))]
        assert sender.record(1) == []

    @pytest.mark.parametrize("gaps", range(1, 12))
    def test_fit_however_many_gaps_there_are(self, gaps: int) -> None:
        sender, stream = Sender("redundant"), SendStream(0)
        sender.write(stream, bytes(range(180)), fin=True)
        sender.record(0)
        width = 180 // (2 * gaps)
        for number in range(gaps):
            stream.acknowledge((2 * number + 1) * width, (2 * number + 2) * width, fin=False)
        copied: dict[int, int] = {}
        while frames := sender.record(1):
            for frame in frames:
                assert isinstance(frame, tuple)
                copied |= {frame[1] + i: value for i, value in enumerate(frame[2])}
        assert copied == {n: n for n in range(180) if n // width % 2 == 0 or n >= 2 * gaps * width}


class TestLimit:
    def test_holds_back_new_data_alone(self) -> None:
        sender, stream = Sender(send_limit=100), SendStream(0)
        sender.write(stream, bytes(500))
        assert sender.record() == [(0, 0, bytes(185))]
        assert sender.record() == []
        sender.outgoing.give_up(sender.connections[0])
        assert sender.record() == [(0, 0, bytes(185))]
        sender.outgoing.acknowledged(stream.acknowledge(0, 185, fin=False))
        assert sender.record() == [(0, 185, bytes(185))]

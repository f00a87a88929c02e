"""Streams of a session: who opens which, how they end, what they cost."""

import os
import sys
from types import FrameType as PythonFrame

import pytest

from impl.tcpls.errors import StreamError
from impl.tcpls.events import StreamAcknowledged, StreamOpened, StreamReadable
from impl.tcpls.settings import Settings
from tests.support.tcpls import Net, Path


def started(**options: object) -> Net:
    net = Net(**options)  # type: ignore[arg-type]
    net.start(Path())
    net.reading = True
    return net


class TestOpening:
    def test_clients_have_even_numbers_and_servers_odd_ones(self) -> None:
        net = started()
        assert [net.client.open_stream() for _ in range(3)] == [0, 2, 4]
        assert [net.server.open_stream() for _ in range(3)] == [1, 3, 5]

    def test_the_peer_hears_of_all_up_to_the_one_that_is_used(self) -> None:
        net = started()
        for _ in range(3):
            last = net.client.open_stream()
        net.client.write(last, b"x")
        net.run(1, lambda: net.got(net.server, last) == b"x")
        assert net.events(net.server, StreamOpened) == [StreamOpened(stream_id=n) for n in (0, 2, 4)]
        net.server.write(2, b"answer on one that has not been used")
        net.run(1, lambda: bool(net.got(net.client, 2)))
        assert net.got(net.client, 2) == b"answer on one that has not been used"

    def test_both_sides_of_many_streams_carry_data_at_the_same_time(self) -> None:
        net = started()
        sent = {}
        for session, peer in ((net.client, net.server), (net.server, net.client)):
            for size in (0, 1, 3000, 70_000):
                stream = session.open_stream()
                data = os.urandom(size)
                session.write(stream, data)
                session.finish(stream)
                sent[id(peer), stream] = data
        net.run(10, lambda: len(net.finished) == len(sent))
        assert {key: bytes(data) for key, data in net.received.items()} == sent

    def test_what_is_written_before_the_handshake_goes_behind_it(self) -> None:
        net = Net()
        net.reading = True
        stream = net.client.open_stream()
        net.client.write(stream, b"early bird")
        net.start(Path())
        net.run(1, lambda: bool(net.got(net.server, stream)))
        assert net.got(net.server, stream) == b"early bird"


class TestEnding:
    def test_each_direction_by_itself(self) -> None:
        net = started()
        stream = net.client.open_stream()
        net.client.write(stream, b"question")
        net.client.finish(stream)
        net.run(1, lambda: (id(net.server), stream) in net.finished)
        assert net.got(net.server, stream) == b"question"
        assert stream in net.client.streams
        net.server.write(stream, b"answer")
        net.server.finish(stream)
        net.run(1, lambda: stream not in net.client.streams and stream not in net.server.streams)
        assert net.got(net.client, stream) == b"answer"
        assert len(net.client.streams) == len(net.server.streams) == 0

    def test_its_user_hears_once_that_the_peer_has_everything(self) -> None:
        net = started(settings=Settings(scheduler="redundant"))
        for _ in range(2):
            net.join(Path())
        net.run(1, lambda: len(net.client.connections) == 3)
        stream = net.client.open_stream()
        for _ in range(5):
            net.client.write(stream, bytes(30_000))
            net.run(0.05)
        net.client.finish(stream)
        net.run(3)
        assert net.events(net.client, StreamAcknowledged) == [StreamAcknowledged(stream_id=stream)]

    def test_nothing_is_written_behind_it(self) -> None:
        net = started()
        stream = net.client.open_stream()
        net.client.finish(stream)
        net.client.finish(stream)
        with pytest.raises(StreamError, match="was finished"):
            net.client.write(stream, b"more")

    def test_what_nobody_reads_is_dropped(self) -> None:
        net = started()
        net.reading = False
        stream = net.client.open_stream()
        net.client.write(stream, bytes(100_000))
        net.run(1)
        net.server.stop_reading(stream)
        net.client.write(stream, bytes(100_000))
        net.client.finish(stream)
        net.run(2)
        assert net.client.unacknowledged == 0
        assert net.server._incoming.buffered == net.server._incoming.unread == 0
        net.server.finish(stream)
        net.run(1)
        assert stream not in net.server.streams

    def test_unknown_streams_are_errors(self) -> None:
        net = started()
        for action in (net.client.read, net.client.pin):
            with pytest.raises(StreamError, match="stream 8 is not open"):
                action(8, 0)
        with pytest.raises(StreamError, match="stream 8 is not open"):
            net.client.write(8, b"")
        net.client.finish(8)
        net.client.stop_reading(8)
        assert net.client.unsent(8) == 0


class TestReading:
    def test_in_pieces(self) -> None:
        net = started()
        net.reading = False
        stream = net.client.open_stream()
        net.client.write(stream, b"0123456789")
        net.client.finish(stream)
        net.run(1)
        pieces = [b"".join(chunk.data for chunk in net.server.read(stream, 4)) for _ in range(3)]
        assert pieces == [b"0123", b"4567", b"89"]
        assert net.events(net.server, StreamReadable) == [StreamReadable(stream_id=stream)]

    def test_writers_see_how_much_waits_and_when_it_moves(self) -> None:
        net = started()
        stream = net.client.open_stream()
        net.client.write(stream, bytes(200_000))
        assert net.client.unsent(stream) == 200_000
        assert net.client.take_progressed() == set()
        net.run(0.02)
        assert 0 < net.client.unsent(stream) < 200_000
        assert net.client.take_progressed() == {stream}
        net.run(2)
        assert net.client.unsent(stream) == net.client.unacknowledged == 0


class Calls:
    """Counts the calls of Python functions."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> "Calls":
        sys.setprofile(self._take)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _take(self, _frame: PythonFrame, event: str, _arg: object) -> None:
        self.count += event == "call"


class TestTenThousandStreams:
    @staticmethod
    def calls_for_some_records(streams: int) -> int:
        """Calls that sending, receiving and acknowledging on 50 streams of so many open ones takes."""
        net = started()
        numbers = [net.client.open_stream() for _ in range(streams)]
        for stream in numbers:
            net.client.write(stream, b"x")
        net.run(20, lambda: net.client.unacknowledged == 0)
        assert len(net.server.streams) == streams
        with Calls() as calls:
            for stream in numbers[-50:]:
                net.client.write(stream, b"more")
                net.run(0.2, lambda: net.client.unacknowledged == 0)
        assert net.got(net.server, numbers[-1]) == b"xmore"
        return calls.count

    def test_cost_no_more_for_each_record_than_a_hundred(self) -> None:
        few, many = self.calls_for_some_records(100), self.calls_for_some_records(10_000)
        assert many < 1.2 * few

    def test_that_all_have_something_to_send_take_turns(self) -> None:
        net = started()
        numbers = [net.client.open_stream() for _ in range(10_000)]
        data = {}
        for stream in numbers:
            data[stream] = stream.to_bytes(4, "big") * (1 + stream % 7)
            net.client.write(stream, data[stream])
            net.client.finish(stream)
        with Calls() as calls:
            net.run(20, lambda: len(net.finished) == 10_000)
        assert {stream: net.got(net.server, stream) for stream in numbers} == data
        assert calls.count < 120 * 10_000

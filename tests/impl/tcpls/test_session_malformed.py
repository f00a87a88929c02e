"""A peer that breaks rules, and somebody on the path who changes bytes."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tcpls.events import ConnectionClosed
from impl.tcpls.frames import Ack, ConnectionReset, NewToken, Ping, Stream
from impl.tcpls.session import Session
from impl.tcpls.settings import Settings
from tests.support.tcpls import Net, Path


def started(paths: int = 1, **options: object) -> Net:
    net = Net(settings=Settings(**options))  # type: ignore[arg-type]
    net.start(Path())
    net.reading = True
    for _ in range(paths - 1):
        net.join(Path())
    net.run(1)
    return net


def reason(session: Session) -> str:
    assert session.ended is not None
    assert not session.ended.clean
    return session.ended.reason


class TestFramesThatNoClientMaySend:
    @pytest.mark.parametrize(
        ("content", "message", "alert"),
        [
            (NewToken(1, bytes(32)).encode(), "a client sends New Token", "illegal_parameter"),
            (Stream(1, 0, b"x").encode(), "stream 1, which is ours to open", "illegal_parameter"),
            (Ack(0, 10**6).encode(), "ACK of record 1000000 on connection 0", "illegal_parameter"),
            (Ack(0, 2**64 - 1).encode(), "ACK of record", "illegal_parameter"),
            (Ack(9, 0).encode(), "ACK for connection 9, which the session never had", "illegal_parameter"),
            (ConnectionReset(9).encode(), "Connection Reset for connection 9", "illegal_parameter"),
            (b"\x07", "unknown type 0x07 at byte 0", "decode_error"),
            (Ping().encode() + Ack(0, 0).encode()[:-1], "does not fit into its record", "decode_error"),
            (Stream(0, 2**64 - 1, b"xx").encode(), "beyond 2^64 - 1", "decode_error"),
            (Stream(0, 0, b"abc", True).encode() + Stream(0, 3, b"d").encode(), "ended at 3", "illegal_parameter"),
            (Stream(0, 5, b"", True).encode() + Stream(0, 4, b"", True).encode(), "ended at 5", "illegal_parameter"),
            (Stream(2**32 - 2, 0, b"x").encode(), "65536 are allowed", "internal_error"),
        ],
    )
    def test_end_the_session(self, content: bytes, message: str, alert: str) -> None:
        net = started()
        net.inject(net.client, 0, content)
        net.run(1)
        assert message in reason(net.server)
        assert f"the peer says {alert}" in reason(net.client)

    def test_acknowledgement_of_what_a_joined_connection_never_sent(self) -> None:
        net = started(2)
        number = net.server.connections[1].records.records_sent
        net.inject(net.client, 0, Ack(1, number - 1).encode())
        net.run(0.5)
        assert net.server.ended is None
        net.inject(net.client, 0, Ack(1, net.server.connections[1].records.records_sent).encode())
        net.run(0.5)
        assert "on connection 1, where" in reason(net.server)


class TestFramesThatNoServerMaySend:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (NewToken(0, bytes(32)).encode(), "New Token with sequence 0"),
            (NewToken(1, b"x" * 32).encode(), "two tokens have the sequence number 1"),
            (Stream(0, 0, b"x").encode(), "stream 0, which is ours to open"),
            (ConnectionReset(5).encode(), "Connection Reset for connection 5, which the session never had"),
        ],
    )
    def test_end_the_session(self, content: bytes, message: str) -> None:
        net = started()
        net.inject(net.server, 0, content)
        net.run(1)
        assert message in reason(net.client)


class TestWhatIsAllowed:
    def test_acknowledgements_for_a_connection_that_is_gone(self) -> None:
        net = started(2)
        net.wires[1].reset()
        net.run(0.5)
        net.inject(net.client, 0, Ack(1, 0).encode() + ConnectionReset(1).encode())
        net.run(0.5)
        assert net.server.ended is None

    def test_a_reset_for_the_connection_that_it_comes_on(self) -> None:
        for scheduler in ("primary-backup", "earliest-completion"):
            net = started(scheduler=scheduler)
            net.inject(
                net.client, 0, Stream(0, 0, b"x").encode() + Stream(0, 1, b"").encode() + ConnectionReset(0).encode()
            )
            net.run(0.5)
            assert net.got(net.server, 0) == b"x"
            assert not net.server.connections
            assert net.server.ended is None

    def test_an_empty_stream_frame_opens_a_stream(self) -> None:
        net = started()
        net.inject(net.client, 0, Stream(4, 0, b"").encode())
        net.run(0.5)
        assert len(net.server.streams) == 3

    def test_data_for_a_stream_that_is_over(self) -> None:
        net = started()
        stream = net.client.open_stream()
        net.client.write(stream, b"x")
        net.client.finish(stream)
        net.run(0.1)
        net.server.finish(stream)
        net.run(0.5)
        assert stream not in net.server.streams
        net.inject(net.client, 0, Stream(0, 0, b"x", True).encode())
        net.run(0.5)
        assert net.server.ended is None
        assert net.server.connections[0].duplicate == 1

    @settings(max_examples=60)
    @given(st.binary(max_size=80))
    def test_any_content_has_one_outcome(self, content: bytes) -> None:
        net = Net()
        net.start(Path())
        net.run(0.2)
        net.inject(net.client, 0, content)
        net.run(0.5)
        if net.server.ended is not None:
            assert net.server.ended.reason
            net.run(0.5)
            assert net.client.ended is not None


def flip_last(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


class TestTamperedRecords:
    CHANGES: dict[str, Callable[[bytes], bytes]] = {  # noqa: RUF012 - nobody changes it
        "a bit": flip_last,
        "another record's length": lambda data: data[:3] + b"\xff\xff" + data[5:],
        "an alert without protection": lambda data: b"\x15\x03\x03\x00\x02\x02\x28",
        "a handshake message": lambda data: b"\x16\x03\x03\x00\x04\x14\x00\x00\x00" + data,
        "change_cipher_spec": lambda data: b"\x14\x03\x03\x00\x01\x01" + data,
        "a record that comes twice": lambda data: data + data,
        "no TLS at all": lambda data: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    }

    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("by_client", [True, False], ids=["upload", "download"])
    def test_on_one_of_several_connections_it_alone_is_lost(self, change: str, by_client: bool) -> None:
        net = started(2)
        sender, receiver = (net.client, net.server) if by_client else (net.server, net.client)
        net.wires[1].tamper = lambda client, data: self.CHANGES[change](data) if client is by_client else data
        data = bytes(range(256)) * 400
        streams = [sender.open_stream(pinned=number) for number in (1, 0)]
        for stream in streams:
            sender.write(stream, data)
            sender.finish(stream)
        net.run(5, lambda: len(net.finished) == 2)
        assert [net.got(receiver, stream) for stream in streams] == [data, data]
        assert [event.connection_id for event in net.events(receiver, ConnectionClosed)] == [1]
        net.run(1)
        assert net.client.ended is net.server.ended is None
        assert list(net.client.connections) == list(net.server.connections) == [0]

    @pytest.mark.parametrize("by_client", [True, False])
    def test_on_the_only_one_the_session_ends(self, by_client: bool) -> None:
        net = started()
        sender, receiver = (net.client, net.server) if by_client else (net.server, net.client)
        net.wires[0].tamper = lambda client, data: flip_last(data) if client is by_client else data
        sender.write(sender.open_stream(), b"x")
        net.run(1)
        assert "cannot be opened" in reason(receiver) or "authentic" in reason(receiver)
        assert "bad_record_mac" in reason(sender)

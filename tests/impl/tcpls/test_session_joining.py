"""Connections that join a session: tokens, identities, both modes, and joins that fail."""

import pytest

from impl.tcpls.client import ClientSession
from impl.tcpls.connection import ConnectionState
from impl.tcpls.errors import StreamError
from impl.tcpls.events import ConnectionClosed, ConnectionJoined, KeyLogLine, SessionEnded, TokensReceived
from impl.tcpls.extensions import encode_join
from impl.tcpls.joining import JoinMode
from impl.tcpls.registries import DEFAULT_JOIN_EXTENSION, DEFAULT_TCPLS_EXTENSION
from impl.tcpls.settings import Settings
from impl.tls13 import Client, ClientAuthentication, ServerConfig
from impl.tls13.messages import ClientHello
from impl.tls13.registries import ContentType, NamedGroup
from tests.support import tls
from tests.support.tcpls import WALL, Net, Path, Wire


def started(connections: int = 4, server_config: ServerConfig | None = None) -> Net:
    net = Net(settings=Settings(connections=connections), server_config=server_config)
    net.start(Path())
    net.reading = True
    net.run(1, lambda: net.client.tokens == connections - 1)
    return net


def joined(net: Net, mode: JoinMode = JoinMode.DIRECT, path: Path | None = None) -> Wire:
    wire = net.join(path or Path(), mode)
    net.run(2, lambda: is_open(net, wire))
    assert is_open(net, wire)
    return wire


def is_open(net: Net, wire: Wire) -> bool:
    connection = net.client.connections.get(wire.client_id or 0)
    return connection is not None and connection.state is ConnectionState.OPEN


def hello_on(wire: Wire) -> ClientHello:
    """The ClientHello that a client has sent: its record's message without the header."""
    record = bytes(wire.log[True])
    assert record[0] == ContentType.HANDSHAKE
    return ClientHello.decode(record[9 : 5 + int.from_bytes(record[3:5], "big")])


def types(data: bytes) -> list[int]:
    found = []
    while data:
        found.append(data[0])
        data = data[5 + int.from_bytes(data[3:5], "big") :]
    return found


class TestTokens:
    def test_come_with_the_servers_first_flight(self) -> None:
        net = started(connections=4)
        assert net.events(net.client, TokensReceived) == [TokensReceived(count=1)] * 3
        assert net.clock.now - 1000 < 0.1

    def test_come_after_a_second_client_hello_as_well(self) -> None:
        config = tls.server_config(groups=(NamedGroup.SECP384R1,))
        net = started(server_config=config)
        assert net.client.tcpls
        assert net.client.tokens == 3
        joined(net)

    def test_wait_for_a_certificate_that_is_asked_for(self) -> None:
        config = tls.server_config(client_authentication=ClientAuthentication.REQUIRED, trust=tls.authority().trust)
        net = Net(
            settings=Settings(connections=4),
            server_config=config,
            client_config=tls.client_config(credentials=tls.credentials(client=True)),
        )
        wire = Wire(net, Path(), 0)
        net.wires.append(wire)
        net.client.start(net.clock.now)
        net.run(1, lambda: bool(net.servers))
        assert net.server.tcpls
        assert len(net.listener.tokens) == 0
        net.run(1, lambda: net.client.tokens == 3)
        assert net.server.started
        assert net.client.tokens == 3

    def test_none_where_one_connection_is_all(self) -> None:
        net = Net(settings=Settings(connections=1))
        net.start(Path())
        net.run(1)
        assert net.client.tokens == 0
        with pytest.raises(StreamError, match="no token that was not used"):
            net.client.join(net.clock.now)

    def test_a_connection_that_goes_brings_a_new_one(self) -> None:
        net = started(connections=3)
        joined(net)
        wire = joined(net)
        assert net.client.tokens == 0
        wire.reset()
        net.run(1, lambda: net.client.tokens == 1)
        assert net.client.tokens == 1
        assert joined(net).client_id == 3

    def test_one_whose_join_never_arrived_is_made_up_for(self) -> None:
        net = started(connections=3)
        path = Path()
        path.dead = True
        lost = net.join(path)
        assert lost.client_id is not None
        net.client.lost(lost.client_id, "no route to host", net.clock.now)
        net.run(1, lambda: net.client.tokens == 2)
        assert net.client.tokens == 2
        path.dead = False
        lost.revive()
        net.run(1)
        assert lost.server_failed is None or "not valid" in lost.server_failed
        assert lost.client_id not in net.server.connections

    def test_are_of_no_use_when_the_session_is_over(self) -> None:
        net = started()
        assert len(net.listener.tokens) == 3
        net.client.close(net.clock.now)
        net.run(2, lambda: net.server.ended is not None)
        assert len(net.listener.tokens) == 0


class TestIdentity:
    def test_is_the_tokens_number(self) -> None:
        net = started()
        assert [joined(net).client_id for _ in range(3)] == [1, 2, 3]
        assert sorted(net.client.connections) == sorted(net.server.connections) == [0, 1, 2, 3]
        assert net.events(net.server, ConnectionJoined) == [ConnectionJoined(connection_id=n) for n in (1, 2, 3)]
        assert net.events(net.client, ConnectionJoined) == [ConnectionJoined(connection_id=n) for n in (1, 2, 3)]

    def test_cannot_be_told_from_the_client_hellos(self) -> None:
        net = started()
        hellos = [hello_on(joined(net, mode)) for mode in (JoinMode.APPARENT, JoinMode.DIRECT, JoinMode.APPARENT)]
        first = hello_on(net.wires[0])
        hellos.append(first)
        assert len({hello.random for hello in hellos}) == 4
        for extension in set(first.extensions) & set(hellos[0].extensions):
            bodies = {hello.extensions[extension] for hello in hellos}
            assert len(bodies) == (4 if extension == 51 else 1), extension  # key shares are fresh, the rest is alike

    def test_sequence_numbers_begin_anew(self) -> None:
        net = started()
        before = net.client.connections[0].records.records_sent
        joined(net)
        assert net.client.connections[1].records.records_sent <= before
        assert net.server.connections[1].records.records_received == net.client.connections[1].records.records_sent

    def test_key_logs_have_what_analysers_need(self) -> None:
        net = started()
        wire = joined(net)
        random = hello_on(wire).random.hex()
        for session in (net.client, net.server):
            lines = [event.line for event in net.events(session, KeyLogLine)]
            assert f"TCPLS_CONNECTION {random} 00000001" in lines
            assert sum(random in line for line in lines) == 3


class TestOrder:
    @pytest.mark.parametrize("mode", list(JoinMode))
    def test_a_join_may_overtake_the_end_of_the_first_handshake(self, mode: JoinMode) -> None:
        net = Net()
        net.reading = True
        slow = Path(delay=0.2)
        first = Wire(net, slow, 0)
        net.wires.append(first)
        net.client.start(net.clock.now)
        net.run(1, lambda: net.client.started and net.client.tokens > 0)
        assert not net.server.started
        wire = joined(net, mode, Path(delay=0.01))
        assert wire.client_id is not None
        stream = net.client.open_stream(pinned=wire.client_id)
        net.client.write(stream, b"first come")
        net.run(0.1, lambda: bool(net.got(net.server, stream)))
        assert net.got(net.server, stream) == b"first come"
        net.run(1, lambda: net.server.started)
        assert net.server.started


class TestModes:
    def test_apparent_looks_like_a_handshake(self) -> None:
        net = started()
        wire = joined(net, JoinMode.APPARENT)
        net.transfer(net.client, net.server, bytes(1000))
        hello = hello_on(wire)
        assert len(hello.legacy_session_id) == 32
        assert types(bytes(wire.log[True]))[:3] == [22, 20, 23]
        assert types(bytes(wire.log[False]))[:3] == [22, 20, 23]
        assert wire.log[False][5] == 2  # a ServerHello
        assert bytes(hello.legacy_session_id) in bytes(wire.log[False][:200])

    def test_direct_has_no_handshake(self) -> None:
        net = started()
        wire = joined(net, JoinMode.DIRECT)
        assert hello_on(wire).legacy_session_id == b""
        assert set(types(bytes(wire.log[True]))[1:]) == set(types(bytes(wire.log[False]))) == {23}

    @pytest.mark.parametrize(("mode", "round_trips"), [(JoinMode.DIRECT, 1), (JoinMode.APPARENT, 2)])
    def test_how_long_they_take(self, mode: JoinMode, round_trips: int) -> None:
        net = started()
        begun = net.clock.now
        joined(net, mode, Path(delay=0.1))
        assert net.clock.now - begun == pytest.approx(0.2 * round_trips, abs=0.01)

    def test_data_goes_with_a_direct_join(self) -> None:
        net = started()
        net.wires[0].path.dead = True
        path = Path(delay=0.1)
        wire = net.join(path, JoinMode.DIRECT)
        assert wire.client_id is not None
        begun = net.clock.now
        stream = net.client.open_stream(pinned=wire.client_id)
        net.client.write(stream, b"at once")
        net.run(1, lambda: net.got(net.server, stream) == b"at once")
        assert net.clock.now - begun == pytest.approx(0.1, abs=0.01)

    def test_new_keys_wait_for_the_end_of_an_apparent_handshake(self) -> None:
        net = started()
        wire = net.join(Path(), JoinMode.APPARENT)
        assert wire.client_id is not None
        net.client.update_keys(wire.client_id)
        net.run(1, lambda: is_open(net, wire))
        stream = net.client.open_stream(pinned=wire.client_id)
        net.client.write(stream, b"with new keys")
        net.run(1, lambda: bool(net.got(net.server, stream)))
        assert net.got(net.server, stream) == b"with new keys"
        assert net.server.connections[1].received == 13

    @pytest.mark.parametrize("mode", list(JoinMode))
    def test_bytes_may_come_in_any_pieces(self, mode: JoinMode) -> None:
        net = started()
        wire = Wire(net, Path(), net.client.join(net.clock.now, mode))
        pieces: list[tuple[bool, bytes]] = []
        wire.send = lambda client, data: pieces.append((client, data))  # type: ignore[method-assign]
        net.wires.append(wire)
        net.work()
        for _ in range(2000):
            if not pieces:
                break
            client, data = pieces.pop(0)
            for byte in data:
                wire.receive(not client, bytes((byte,)))
        assert is_open(net, wire)
        assert net.server.connections[1].state is ConnectionState.OPEN


class TestRefusal:
    @staticmethod
    def attempt(net: Net, token: bytes, **changes: object) -> tuple[str | None, bytes]:
        """Join with a token of the test's choice; why that failed, and what the server says."""
        client = Client(tls.client_config(extensions={DEFAULT_JOIN_EXTENSION: token}, **changes))
        client.start(net.clock.now + WALL)
        arrival = net.listener.accept()
        assert arrival.receive(client.data_to_send(), net.clock.now) is None
        assert arrival.failed is not None
        assert arrival.failed.alert is not None
        assert arrival.failed.alert.name == "ILLEGAL_PARAMETER"
        return arrival.failed.reason, arrival.data_to_send()

    def test_of_a_token_that_nobody_gave(self) -> None:
        reason, answer = self.attempt(started(), encode_join(bytes(32)))
        assert reason is not None
        assert "not valid, or was used" in reason
        assert answer == bytes((ContentType.ALERT, 3, 3, 0, 2, 2, 47))

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_of_what_is_no_token(self, size: int) -> None:
        reason, _ = self.attempt(started(), bytes(size))
        assert reason is not None
        assert f"has {size} bytes" in reason

    def test_of_a_token_that_was_used(self) -> None:
        net = started()
        token = hello_on(joined(net)).extensions[DEFAULT_JOIN_EXTENSION]
        reason, _ = self.attempt(net, token)
        assert reason is not None
        assert "was used" in reason
        assert sorted(net.server.connections) == [0, 1]

    def test_of_two_tokens(self) -> None:
        net = started()
        client = Client(tls.client_config(extensions={DEFAULT_JOIN_EXTENSION: bytes(32)}))
        client.start(net.clock.now + WALL)
        record = bytearray(client.data_to_send())
        twin = DEFAULT_JOIN_EXTENSION.to_bytes(2, "big") + (32).to_bytes(2, "big") + bytes(32)
        place = record.index(twin)
        record[place:place] = twin
        for start, size in ((3, 2), (6, 3)):
            length = int.from_bytes(record[start : start + size], "big") + len(twin)
            record[start : start + size] = length.to_bytes(size, "big")
        lengthen_extensions(record, len(twin))
        arrival = net.listener.accept()
        assert arrival.receive(bytes(record), net.clock.now) is None
        assert arrival.failed is not None
        assert f"extension {DEFAULT_JOIN_EXTENSION} comes twice" in arrival.failed.reason

    def test_leaves_the_clients_session_as_it_was(self) -> None:
        net = started()
        net.listener.tokens.withdraw(net.server._issuer.issued)
        wire = net.join(Path())
        assert wire.client_id is not None
        stream = net.client.open_stream(pinned=wire.client_id)
        net.client.write(stream, b"goes another way")
        net.run(1, lambda: bool(net.got(net.server, stream)))
        assert net.got(net.server, stream) == b"goes another way"
        (closed,) = net.events(net.client, ConnectionClosed)
        assert closed.reason == "the peer refuses the join: illegal_parameter"
        assert net.client.ended is None

    def test_of_an_apparent_join_without_a_key_share_to_answer(self) -> None:
        net = started(server_config=tls.server_config(groups=(NamedGroup.X25519,)))
        token = net.server._issuer.issued[0]
        client = Client(tls.client_config(extensions={DEFAULT_JOIN_EXTENSION: token}, groups=(NamedGroup.SECP384R1,)))
        client.start(net.clock.now + WALL)
        arrival = net.listener.accept()
        arrival.receive(client.data_to_send(), net.clock.now)
        assert arrival.failed is not None
        assert "no key share" in arrival.failed.reason
        net.run(1)
        assert net.client.tokens == 4  # the wasted one still counts for the client


def lengthen_extensions(record: bytearray, size: int) -> None:
    """Add to the length of all extensions in a record with a ClientHello."""
    place = 5 + 4 + 2 + 32
    place += 1 + record[place]
    place += 2 + int.from_bytes(record[place : place + 2], "big")
    place += 1 + record[place]
    record[place : place + 2] = (int.from_bytes(record[place : place + 2], "big") + size).to_bytes(2, "big")


class TestExtensionTypes:
    def test_can_be_set_on_both_ends(self) -> None:
        settings = Settings(tcpls_extension=0xFFAA, join_extension=0xFFBB)
        net = Net(settings=settings)
        net.start(Path())
        joined(net)
        assert 0xFFAA in hello_on(net.wires[0]).extensions
        assert 0xFFBB in hello_on(net.wires[1]).extensions
        assert DEFAULT_TCPLS_EXTENSION not in hello_on(net.wires[0]).extensions

    def test_that_differ_mean_plain_tls(self) -> None:
        net = Net(settings=Settings(tcpls_extension=0xFFAA), server_settings=Settings())
        net.start(Path())
        assert net.client.tcpls is net.server.tcpls is False

    def test_a_tcpls_with_a_value_is_refused(self) -> None:
        net = Net()
        client = Client(tls.client_config(extensions={DEFAULT_TCPLS_EXTENSION: b"x"}))
        client.start(net.clock.now + WALL)
        arrival = net.listener.accept()
        assert arrival.receive(client.data_to_send(), net.clock.now) is None
        assert arrival.failed is not None
        assert "it has no value" in arrival.failed.reason


class TestArrival:
    @pytest.mark.parametrize("join", [False, True])
    def test_client_hellos_may_be_cut_anywhere(self, join: bool) -> None:
        net = started(connections=2)
        if join:
            connection_id = net.client.join(net.clock.now)
            client = net.client
        else:
            client = ClientSession(tls.client_config(), Settings(), net.clock.now, wall=WALL)
            client.start(net.clock.now)
            connection_id = 0
        out = bytearray(2**20)
        hello = bytes(out[: client.transmit(connection_id, out, net.clock.now)])
        size = 5 + int.from_bytes(hello[3:5], "big")
        for cut in range(1, size):
            arrival = net.listener.accept()
            assert arrival.receive(hello[:cut], net.clock.now) is None
            assert arrival.failed is None
            if not join or cut == size - 1:
                arrived = arrival.receive(hello[cut:], net.clock.now)
                assert arrived is not None
                assert arrived.new is not join
                assert arrival.unread() == hello[size:]

    @pytest.mark.parametrize(
        "garbage",
        [
            b"GET / HTTP/1.1\r\n\r\n",
            bytes(50),
            b"\x16\x03\x01\xff\xff" + bytes(9),
            b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
            b"\x17\x03\x03\x00\x20" + bytes(32),
            b"\x15\x03\x03\x00\x02\x02\x28",
        ],
        ids=range(6),
    )
    def test_garbage_has_one_clear_failure(self, garbage: bytes) -> None:
        net = Net()
        arrival = net.listener.accept()
        assert arrival.receive(garbage, net.clock.now) is None
        assert arrival.failed is not None
        assert arrival.failed.reason

    def test_a_client_that_closes_while_it_joins(self) -> None:
        net = started()
        net.join(Path(delay=0.3), JoinMode.APPARENT)
        net.client.close(net.clock.now)
        net.run(5, lambda: net.client.ended is not None and net.server.ended is not None)
        assert net.client.ended == net.server.ended == SessionEnded(reason="closed", clean=True)

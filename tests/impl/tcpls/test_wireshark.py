"""Tests of impl/tcpls/wireshark: tshark shows what is in captures that are made here, record by record."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from impl.tcpls.events import KeyLogLine
from impl.tcpls.frames import Ack, ConnectionReset, Frame, NewToken, Padding, Ping, Stream
from impl.tcpls.joining import JoinMode
from impl.tcpls.nonces import connection_nonces
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite, suite_by_name
from impl.tls13.key_log import key_log_line
from impl.tls13.key_schedule import next_traffic_secret, traffic_keys
from impl.tls13.messages import ClientHello, ServerHello
from impl.tls13.records import MAX_PLAINTEXT, Sealer
from impl.tls13.registries import ContentType
from tests.support.captures import Capture, Flow
from tests.support.tcpls import Net, Wire
from tests.support.tcpls import Path as NetPath

FOLDER = Path(__file__).parents[3] / "impl" / "tcpls" / "wireshark"
SUITES = tuple(CIPHER_SUITES.values())
AES_128 = suite_by_name("TLS_AES_128_GCM_SHA256")
DATA, HANDSHAKE, ALERT = ContentType.APPLICATION_DATA, ContentType.HANDSHAKE, ContentType.ALERT
TCPLS, JOIN = 0xFF70, 0xFF71
CHANGE_CIPHER_SPEC = b"\x14\x03\x03\x00\x01\x01"
TICKET = b"\x04\x00\x00\x06ticket"
KEY_UPDATE = b"\x18\x00\x00\x01\x01"
FINISHED = b"\x14\x00\x00\x20" + bytes(range(1, 33))
CLIENT, SERVER = 0, 1


def token(sequence: int) -> bytes:
    return bytes((sequence,)) * 31 + b"!"


def encrypted_extensions(*types: int) -> bytes:
    extensions = b"".join(kind.to_bytes(2, "big") + b"\0\0" for kind in types)
    body = len(extensions).to_bytes(2, "big") + extensions
    return b"\x08" + len(body).to_bytes(3, "big") + body


def message_record(message: bytes) -> bytes:
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


class Connection:
    """One connection of a session, on the wire."""

    def __init__(self, session: "Session", flow: Flow, connection_id: int) -> None:
        self.session = session
        self.flow = flow
        self.id = connection_id
        self.random = bytes((connection_id + 1,)) * 32
        self.secrets = list(session.secrets)
        self.sealers = [self._sealer(CLIENT), self._sealer(SERVER)]

    def _sealer(self, end: int) -> Sealer:
        suite = self.session.suite
        return Sealer(suite, traffic_keys(suite, self.secrets[end]), nonces=connection_nonces(self.id))

    def hello(self, extension: int, body: bytes = b"", *, session_id: bytes = b"s" * 32, fill: int = 0) -> bytes:
        extensions = {43: b"\x02\x03\x04", 51: b"\0\x24\0\x1d\0\x20" + b"k" * 32, 21: bytes(fill), extension: body}
        return message_record(ClientHello(self.random, session_id, (0x1303, 0x1301, 0x1302), extensions).encode())

    def server_hello(self) -> bytes:
        suite = self.session.suite.code
        return message_record(
            ServerHello(b"R" * 32, b"s" * 32, suite, {43: b"\x03\x04", 51: b"\0\x1d\0\x20" + b"k" * 32}).encode()
        )

    def record(self, end: int, *frames: Frame, padding: int = 0) -> bytes:
        """A record with frames."""
        return self.sealers[end].seal(DATA, b"".join(frame.encode() for frame in frames), padding)

    def update_keys(self, end: int) -> bytes:
        """A record with KeyUpdate; the ones after it have new keys."""
        record = self.sealers[end].seal(HANDSHAKE, KEY_UPDATE)
        self.secrets[end] = next_traffic_secret(self.session.suite, self.secrets[end])
        self.sealers[end] = self._sealer(end)
        return record

    def start(self, accepts: bool = True) -> None:
        """The handshake of the first connection."""
        session = self.session
        secrets = session.handshake_secrets
        client, server = (Sealer(session.suite, traffic_keys(session.suite, secret)) for secret in secrets)
        session.log("CLIENT_HANDSHAKE_TRAFFIC_SECRET", self.random, secrets[CLIENT])
        session.log("SERVER_HANDSHAKE_TRAFFIC_SECRET", self.random, secrets[SERVER])
        session.log_traffic_secrets(self.random)
        self.flow.client(self.hello(TCPLS))
        extensions = encrypted_extensions(0, TCPLS) if accepts else encrypted_extensions(0)
        certificate = b"\x0b\x00\x08\x00" + bytes(2048)
        flight = server.seal(HANDSHAKE, extensions) + server.seal(HANDSHAKE, certificate + FINISHED)
        self.flow.server(self.server_hello() + CHANGE_CIPHER_SPEC + flight)
        self.flow.client(CHANGE_CIPHER_SPEC + client.seal(HANDSHAKE, FINISHED))
        self.flow.server(self.sealers[SERVER].seal(HANDSHAKE, TICKET))

    def join(self, *, apparent: bool, logged: bool = True) -> None:
        """What comes before the records of a joined connection."""
        if logged:
            self.session.log_traffic_secrets(self.random)
            self.session.key_log.append(f"TCPLS_CONNECTION {self.random.hex()} {self.id:08x}")
        self.flow.client(self.hello(JOIN, token(self.id), session_id=b"s" * 32 if apparent else b""))
        if apparent:
            opaque = b"\x17\x03\x03\x00\x40" + bytes(range(64))
            self.flow.server(self.server_hello() + CHANGE_CIPHER_SPEC + opaque)
            self.flow.client(CHANGE_CIPHER_SPEC + opaque)


@dataclass
class Session:
    """What the connections of a session have in common, and a capture of them."""

    suite: CipherSuite = AES_128
    capture: Capture = field(default_factory=Capture)
    key_log: list[str] = field(default_factory=lambda: ["# a comment"])
    port: int = 40000

    def __post_init__(self) -> None:
        size = self.suite.hash_size
        self.secrets = (bytes(range(size)), bytes(range(100, 100 + size)))
        self.handshake_secrets = (b"c" * size, b"s" * size)

    def log(self, label: str, random: bytes, secret: bytes) -> None:
        self.key_log.append(key_log_line(label, random, secret))

    def log_traffic_secrets(self, random: bytes) -> None:
        for label, secret in zip(("CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"), self.secrets, strict=True):
            self.log(label, random, secret)

    def connection(self, connection_id: int) -> Connection:
        """A connection, of which none but the TCP handshake is captured yet: every second one over IPv6."""
        network = "10.0.0." if connection_id % 2 == 0 else "fd00::"
        client, server = f"{network}1", f"{network}2"
        flow = Flow(self.capture, (client, self.port + connection_id), (server, 8443))
        return Connection(self, flow, connection_id)


Shown = dict[str, list[str]]
"""The fields of one record, by name: the values, in order."""


class Tshark:
    """tshark with the dissector, with no settings of the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script: Path | None = FOLDER / "tcpls.lua"
        self.key_log_preference = "tcpls.keylog"
        self.snap_length = 65535

    def run(self, session: Session, *arguments: str) -> str:
        """Its output for what a session has in its capture."""
        capture = session.capture.write(self.folder / "capture.pcap", self.snap_length)
        keys = self.folder / "keys.log"
        keys.write_text("\n".join([*session.key_log, ""]))
        command = ["tshark", "-n", "-r", str(capture), *arguments]
        if self.script:
            command += ["-X", f"lua_script:{self.script}"]
        if self.key_log_preference:
            command += ["-o", f"{self.key_log_preference}:{keys}"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "Lua" not in done.stderr, done.stderr
        assert "Lua Error" not in done.stdout, done.stdout
        return done.stdout

    def info(self, session: Session, *arguments: str) -> list[str]:
        """The Info column of the packets that have TCPLS in them."""
        lines = self.run(
            session, "-Y", "tcpls", "-T", "fields", "-e", "_ws.col.Protocol", "-e", "_ws.col.Info", *arguments
        ).splitlines()
        assert all(line.startswith("TCPLS\tTCPLS ") for line in lines)
        return [line.removeprefix("TCPLS\tTCPLS ") for line in lines]

    def all_records(self, session: Session, *arguments: str) -> list[Shown]:
        """The records of TCPLS connections, in order, with all their fields."""
        pdml = ET.fromstring(self.run(session, "-T", "pdml", *arguments))  # noqa: S314 - made by tshark just now
        return [_fields(proto) for proto in pdml.iter("proto") if proto.get("name") == "tcpls"]

    def records(self, session: Session, *arguments: str) -> list[Shown]:
        """Those that were decrypted."""
        return [r for r in self.all_records(session, *arguments) if r.get("tcpls.record.kind") == ["tcpls"]]


def _fields(element: "ET.Element[str]") -> Shown:
    shown: Shown = {}
    for field_ in element.iter("field"):
        shown.setdefault(field_.get("name", ""), []).append(field_.get("show", ""))
    return shown


def place(record: Shown) -> tuple[str, int, int]:
    """Sender, connection and record sequence."""
    return (
        record["tcpls.sender"][0],
        int(record["tcpls.connection"][0]),
        int(record["tcpls.record.sequence"][0]),
    )


def data_of(records: Iterable[Shown]) -> bytes:
    """The stream data of records."""
    return b"".join(bytes.fromhex(text.replace(":", "")) for r in records for text in r.get("tcpls.stream.data", ()))


def pattern(size: int) -> bytes:
    return bytes((i * 7 + i // 251) % 256 for i in range(size))


@pytest.fixture
def tshark(tmp_path: Path) -> Tshark:
    return Tshark(tmp_path)


@pytest.fixture
def session() -> Session:
    return Session()


class TestDecryption:
    @pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
    def test_all_connections_of_a_session(self, tshark: Tshark, suite: CipherSuite) -> None:
        session = Session(suite)
        first, second, third = (session.connection(number) for number in range(3))
        first.start()
        data = pattern(3 * (MAX_PLAINTEXT - 15))
        parts = [data[i : i + MAX_PLAINTEXT - 15] for i in range(0, len(data), MAX_PLAINTEXT - 15)]
        offset = 2**40
        first.flow.server(first.record(SERVER, NewToken(1, token(1)), NewToken(2, token(2))))
        first.flow.client(first.record(CLIENT, Stream(0, 0, b"GET", True), Padding(300), Ping(), padding=50))
        second.join(apparent=True, logged=False)
        third.join(apparent=False, logged=False)
        for connection, part in zip((first, second, third), parts, strict=True):
            connection.flow.server(connection.record(SERVER, Stream(1, offset, part)))
            offset += len(part)
        second.flow.client(second.record(CLIENT, Ack(0, 2), Ack(2, 2**63 + 1), ConnectionReset(0)))
        records = tshark.records(session)
        assert [place(record) for record in records] == [
            ("server", 0, 0), ("server", 0, 1), ("client", 0, 0), ("server", 0, 2), ("server", 1, 0), ("server", 2, 0),
            ("client", 1, 0),
        ]  # fmt: skip
        ticket, tokens, request, *parts_shown, acks = records
        assert ticket["tcpls.record.content_type"] == ["22"]
        assert ticket["tcpls.handshake.type"] == ["4"]
        assert tokens["tcpls.frame.type"] == ["0x05", "0x05"]
        assert tokens["tcpls.token.sequence"] == ["1", "2"]
        assert tokens["tcpls.token.value"] == [":".join(f"{b:02x}" for b in token(i)) for i in (1, 2)]
        assert request["tcpls.frame.type"] == ["0x03", "0x00", "0x01"]
        assert request["tcpls.padding.length"] == ["300"]
        assert request["tcpls.record.length"] == [str(18 + 300 + 1)]
        assert request["tcpls.record.padding"] == ["50"]
        assert request["tcpls.stream.fin"] == ["1"]
        assert data_of([request]) == b"GET"
        assert [r["tcpls.stream.id"] for r in parts_shown] == [["1"]] * 3
        assert [int(r["tcpls.stream.offset"][0]) for r in parts_shown] == [2**40 + i * len(parts[0]) for i in range(3)]
        assert [r["tcpls.stream.length"] for r in parts_shown] == [[str(len(parts[0]))]] * 3
        assert [r["tcpls.stream.fin"] for r in parts_shown] == [["0"]] * 3
        assert data_of(parts_shown) == data
        assert acks["tcpls.ack.connection"] == ["0", "2"]
        assert acks["tcpls.ack.sequence"] == ["2", str(2**63 + 1)]
        assert acks["tcpls.reset.connection"] == ["0"]
        for record in records:
            assert record["tcpls.suite"] == [f"0x{suite.code:04x}"]
            assert record["tcpls.record.verified"] == ["0"]
            assert len(record["tcpls.record.tag"][0].split(":")) == 16

    def test_the_known_record_of_connection_1(self, tshark: Tshark, session: Session) -> None:
        # RFC 8448, section 3: server_application_traffic_secret_0, and the nonce of figure 8 made by hand.
        secret = bytes.fromhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
        session.secrets = (bytes(32), secret)
        second = session.connection(1)
        second.join(apparent=False)
        second.flow.server(bytes.fromhex("1703030012e916cdebf4f4c64607ac7f524f935d7ba8c0"))
        (record,) = tshark.records(session)
        assert place(record) == ("server", 1, 0)
        assert record["tcpls.frame.type"] == ["0x01"]

    @pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
    def test_joined_connections_without_the_first_one(self, tshark: Tshark, suite: CipherSuite) -> None:
        session = Session(suite)
        for number, apparent in ((200, True), (201, False)):
            connection = session.connection(number)
            connection.join(apparent=apparent)
            connection.flow.client(connection.record(CLIENT, Stream(4, 5, b"abc")))
            connection.flow.server(connection.record(SERVER, Ack(number, 0)))
        records = tshark.records(session)
        assert [place(record) for record in records] == [
            ("client", 200, 0), ("server", 200, 0), ("client", 201, 0), ("server", 201, 0),
        ]  # fmt: skip
        assert data_of(records) == b"abcabc"

    def test_key_updates_move_one_direction_of_one_connection(self, tshark: Tshark, session: Session) -> None:
        first, second = session.connection(0), session.connection(1)
        first.start()
        second.join(apparent=False)
        for number in range(3):
            for connection in (first, second):
                connection.flow.server(connection.record(SERVER, Stream(number, 0, b"%d" % connection.id)))
                connection.flow.client(connection.record(CLIENT, Ack(connection.id, number)))
            first.flow.server(first.update_keys(SERVER))
        records = tshark.records(session)
        updated = [r for r in records if r["tcpls.connection"] == ["0"] and r["tcpls.sender"] == ["server"]]
        assert [int(r["tcpls.record.sequence"][0]) for r in updated] == list(range(7))
        assert [int(r["tcpls.record.generation"][0]) for r in updated] == [0, 0, 0, 1, 1, 2, 2]
        assert [int(r["tcpls.record.nonce_sequence"][0]) for r in updated] == [0, 1, 2, 0, 1, 0, 1]
        assert [r.get("tcpls.key_update.request") for r in updated] == [None, None, ["1"], None, ["1"], None, ["1"]]
        others = [r for r in records if r not in updated]
        assert len(others) == 9
        assert {r["tcpls.record.generation"][0] for r in others} == {"0"}

    def test_alerts(self, tshark: Tshark, session: Session) -> None:
        first = session.connection(0)
        first.start()
        first.flow.client(first.sealers[CLIENT].seal(ALERT, b"\x01\x00"))
        first.flow.server(first.sealers[SERVER].seal(ALERT, b"\x02\x32", 7))
        close, error = tshark.records(session)[1:]
        assert (close["tcpls.alert.level"], close["tcpls.alert.description"]) == (["1"], ["0"])
        assert (error["tcpls.alert.level"], error["tcpls.alert.description"]) == (["2"], ["50"])
        assert error["tcpls.record.padding"] == ["7"]

    def test_messages_that_go_on_in_the_next_record(self, tshark: Tshark, session: Session) -> None:
        first = session.connection(0)
        first.start()
        seal = first.sealers[SERVER].seal
        first.flow.server(seal(HANDSHAKE, TICKET[:6]) + seal(HANDSHAKE, TICKET[6:] + TICKET))
        first.flow.server(first.record(SERVER, Ping()))
        assert tshark.info(session)[-2:] == [
            "c0 #1 new_session_ticket; c0 #2 handshake, continued, new_session_ticket",
            "c0 #3 PING",
        ]


class TestInfo:
    def test_of_every_record(self, tshark: Tshark, session: Session) -> None:
        first, second, third = (session.connection(number) for number in range(3))
        first.start()
        first.flow.server(first.record(SERVER, NewToken(1, token(1)), NewToken(2, token(2))))
        second.join(apparent=True)
        third.join(apparent=False)
        for _ in range(2):
            second.record(SERVER, Ping())
        second.sealers[SERVER] = Sealer(
            AES_128, traffic_keys(AES_128, session.secrets[SERVER]), nonces=connection_nonces(1)
        )
        second.flow.server(second.record(SERVER, Stream(0, 32738, bytes(100)), Ack(0, 44)))
        third.flow.client(
            third.record(CLIENT, Stream(1, 0, b"", True)) + third.record(CLIENT, Padding(9), ConnectionReset(1))
        )
        first.flow.client(first.record(CLIENT))
        assert tshark.info(session) == [
            "c0 ClientHello",
            "c0 ServerHello; c0 ChangeCipherSpec; c0 handshake",
            "c0 handshake",
            "c0 ChangeCipherSpec; c0 handshake",
            "c0 #0 new_session_ticket",
            "c0 #1 TOKEN 1, TOKEN 2",
            "c1 ClientHello, apparent join",
            "c1 ServerHello; c1 ChangeCipherSpec; c1 opaque record",
            "c1 ChangeCipherSpec; c1 opaque record",
            "c2 ClientHello, direct join",
            "c1 #0 STREAM 0 100@32738, ACK c0 #44",
            "c2 #0 STREAM 1 0@0 FIN; c2 #1 PADDING 9, RESET c1",
            "c0 #0 empty",
        ]

    def test_two_passes_show_the_same_as_one(self, tshark: Tshark, session: Session) -> None:
        first, second = session.connection(0), session.connection(1)
        first.start()
        first.flow.server(first.record(SERVER, NewToken(1, token(1))))
        second.join(apparent=True)
        for number in range(5):
            second.flow.server(second.record(SERVER, Stream(0, number * 5000, bytes(5000))), segment=1000)
            second.flow.client(second.record(CLIENT, Ack(1, number)) + second.update_keys(CLIENT))
        once = tshark.info(session)
        assert len(once) == 19
        assert tshark.info(session, "-2") == once


class TestHellos:
    def test_joins(self, tshark: Tshark, session: Session) -> None:
        first, second, third = (session.connection(number) for number in range(3))
        first.start()
        second.join(apparent=True)
        third.join(apparent=False)
        hellos = [r for r in tshark.all_records(session) if r.get("tls.handshake.type") == ["1"]]
        assert [r.get("tcpls.hello.tcpls") for r in hellos] == [["1"], None, None]
        assert [r.get("tcpls.join.mode") for r in hellos] == [None, ["apparent"], ["direct"]]
        assert [r["tcpls.connection"] for r in hellos] == [["0"], ["1"], ["2"]]
        assert [r["tcpls.join.token"][0].replace(":", "") for r in hellos[1:]] == [token(1).hex(), token(2).hex()]

    def test_a_token_of_a_wrong_size(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.flow.client(connection.hello(JOIN, b"short"))
        connection.flow.server(b"\x15\x03\x03\x00\x02\x02\x2f")
        hello, alert = tshark.all_records(session)
        assert hello["_ws.expert.message"] == ["A token has 32 bytes"]
        assert alert["tls.alert_message.desc"] == ["47"]

    def test_a_client_hello_of_several_segments(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.flow.client(connection.hello(JOIN, token(1), session_id=b"", fill=2000), segment=500)
        session.log_traffic_secrets(connection.random)
        session.key_log.append(f"TCPLS_CONNECTION {connection.random.hex()} 00000001")
        connection.flow.client(connection.record(CLIENT, Ping()))
        assert tshark.info(session) == ["c1 ClientHello, direct join", "c1 #0 PING"]

    def test_other_numbers_of_the_extensions(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.flow.client(connection.hello(0xFF99, token(1), session_id=b""))
        assert tshark.info(session) == []
        assert tshark.info(session, "-o", "tcpls.join_extension:65433") == ["c? ClientHello, direct join"]

    @pytest.mark.parametrize("fill", [0, 3000])
    def test_plain_tls_is_left_to_tls(self, tshark: Tshark, session: Session, fill: int) -> None:
        connection = session.connection(0)
        connection.flow.client(connection.hello(0x1234, fill=fill))
        connection.flow.server(connection.server_hello() + CHANGE_CIPHER_SPEC + connection.record(SERVER, Ping()))
        fields = (
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-e",
            "_ws.col.Protocol",
            "-e",
            "_ws.col.Info",
            "-Y",
            "tls.record",
        )
        shown = tshark.run(session, *fields)
        assert "TCPLS" not in shown
        tshark.script = None
        tshark.key_log_preference = ""
        assert shown == tshark.run(session, *fields)

    def test_a_server_that_refuses(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(0)
        connection.start(accepts=False)
        connection.flow.server(connection.sealers[SERVER].seal(DATA, b"HTTP/1.1 200 OK"))
        *_, last = tshark.info(session)
        assert last == "c0 ServerHello; c0 ChangeCipherSpec; c0 handshake, server refuses TCPLS"
        assert "Application Data" in tshark.run(session).splitlines()[-1]


class TestTransport:
    def test_any_segments(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        records = [connection.record(SERVER, Stream(0, i * 700, pattern(700))) for i in range(8)]
        connection.flow.server(b"".join(records), segment=333)
        shown = tshark.records(session)
        assert [place(record)[2] for record in shown] == list(range(8))
        assert data_of(shown) == pattern(700) * 8

    def test_what_is_sent_again_counts_once(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        one = connection.record(SERVER, Ping())
        connection.flow.server(one)
        connection.flow.again(SERVER, one, len(one))
        connection.flow.server(connection.record(SERVER, Ack(1, 0)))
        assert tshark.info(session)[1:] == ["c1 #0 PING", "c1 #1 ACK c1 #0"]

    def test_segments_out_of_order(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        stream = b"".join(connection.record(SERVER, Stream(0, i * 1000, bytes(1000))) for i in range(10))
        connection.flow.server(stream[:3000])
        connection.flow.skip(SERVER, 1000)
        connection.flow.server(stream[4000:8000], segment=1000)
        connection.flow.again(SERVER, stream[3000:4000], 5000)
        connection.flow.server(stream[8000:])
        shown = tshark.records(session, "-o", "tcp.reassemble_out_of_order:TRUE")
        assert [place(record)[2] for record in shown] == list(range(10))
        # Without the setting it shows that something is wrong, and what to do.
        messages = [m for r in tshark.all_records(session) for m in r.get("_ws.expert.message", ())]
        assert any("try tcp.reassemble_out_of_order" in message for message in messages)

    def test_records_that_are_not_in_the_capture(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        connection.flow.server(connection.record(SERVER, Ping()))
        for _ in range(5):
            connection.flow.skip(SERVER, len(connection.record(SERVER, Stream(0, 0, b"lost"))))
        connection.flow.server(connection.record(SERVER, Ack(1, 0)))
        connection.flow.server(connection.record(SERVER, Ack(1, 1)))
        shown = tshark.records(session)
        assert [place(record)[2] for record in shown] == [0, 6, 7]
        assert shown[1]["_ws.expert.message"] == ["5 records before this one are not in the capture"]

    def test_a_port_that_is_set(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        assert tshark.info(session, "-o", "tcpls.port:8000-9000") == ["c1 ClientHello, direct join"]
        assert tshark.info(session, "-o", "tcpls.port:") == ["c1 ClientHello, direct join"]
        assert tshark.info(session, "-d", "tcp.port==8443,tcpls") == ["c1 ClientHello, direct join"]


class TestWhatCannotBeShown:
    def expert(self, records: Sequence[Shown]) -> list[str]:
        return [message for record in records for message in record.get("_ws.expert.message", ())]

    def test_without_key_log(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        connection.flow.client(connection.record(CLIENT, Ping()))
        tshark.key_log_preference = ""
        _, record = tshark.all_records(session)
        assert self.expert([record]) == [
            "Not decrypted: no key log is given; set the preference tcpls.keylog"
        ]  # fmt: skip
        assert tshark.info(session)[1] == "c? not decrypted"

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("/none/keys.log", "/none/keys.log: No such file or directory"),
            (str(FOLDER), "Is a directory"),
        ],
    )
    def test_a_key_log_that_cannot_be_read(self, tshark: Tshark, session: Session, path: str, reason: str) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        connection.flow.client(connection.record(CLIENT, Ping()))
        tshark.key_log_preference = ""
        _, record = tshark.all_records(session, "-o", f"tcpls.keylog:{path}")
        assert self.expert([record]) == [f"Not decrypted: the key log cannot be read: {reason}"]

    def test_a_key_log_of_something_else(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False, logged=False)
        connection.flow.client(connection.record(CLIENT, Ping()))
        _, record = tshark.all_records(session)
        assert self.expert([record]) == [
            f"Not decrypted: the key log has no secrets of this connection's client random {'02' * 32}"
        ]

    def test_no_connection_id(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        del session.key_log[-1]
        connection.flow.client(connection.record(CLIENT, Ping()))
        _, record = tshark.all_records(session)
        assert "line TCPLS_CONNECTION of the key log" in self.expert([record])[0]

    def test_wrong_secrets(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        connection.flow.client(connection.record(CLIENT, Stream(0, 0, pattern(100))))
        session.key_log = [line.replace("000102", "ffffff") for line in session.key_log]
        _, record = tshark.all_records(session)
        assert record["tcpls.record.kind"] == ["closed"]
        assert "it makes no sense when decrypted" in self.expert([record])[0]

    def test_the_key_log_of_the_tls_preferences(self, tshark: Tshark, session: Session) -> None:
        first = session.connection(0)
        first.start()
        first.flow.client(first.record(CLIENT, Ping()))
        tshark.key_log_preference = "tls.keylog_file"
        assert tshark.info(session)[-1] == "c0 #0 PING"
        # TLS opens its own part.
        assert "Encrypted Extensions" in tshark.run(session, "-V", "-Y", "tcpls")

    def test_malformed_frames(self, tshark: Tshark, session: Session) -> None:
        cases = [
            (b"\x01\x07", "a frame of unknown type 0x07, at byte 1"),
            (b"\x02\0\0\0\0", "a Stream frame does not fit into its record, at byte 0"),
            (Stream(0, 0, b"abc").encode()[:-1], "a Stream frame does not fit into its record, at byte 0"),
            (b"\x04" + bytes(11), "an ACK frame does not fit into its record, at byte 0"),
            (b"\x05\x01" + bytes(31), "a New Token frame does not fit into its record, at byte 0"),
            (b"\x01\x06\0\0\0", "a Connection Reset frame does not fit into its record, at byte 1"),
        ]
        connection = session.connection(1)
        connection.join(apparent=False)
        connection.flow.client(connection.record(CLIENT, Ping()))
        for content, _ in cases:
            connection.flow.client(connection.sealers[CLIENT].seal(DATA, content))
        connection.flow.client(connection.record(CLIENT, Ping()))
        _, *malformed, after = tshark.records(session)
        assert self.expert(malformed) == [f"Malformed: {message}" for _, message in cases]
        assert place(after)[2] == len(cases) + 1
        assert self.expert([after]) == []

    def test_frames_that_the_capture_cuts_off(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        connection.flow.client(connection.record(CLIENT, Stream(0, 0, bytes(1000))))
        connection.flow.client(connection.record(CLIENT, Ping()))
        tshark.snap_length = 300
        assert tshark.info(session) == [
            "c1 ClientHello, direct join",
            "cut off by the capture",
            "c1 #1 PING",
        ]  # fmt: skip

    def test_what_is_no_record(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        connection.flow.client(b"GET / HTTP/1.1\r\n\r\n")
        _, record = tshark.all_records(session)
        assert self.expert([record]) == [
            "No TLS record: segments are missing or out of order; try tcp.reassemble_out_of_order"
        ]


class TestOurOwnSessions:
    def test_every_record(self, tshark: Tshark, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        flows: dict[int, Flow] = {}
        send = Wire.send

        def captured(wire: Wire, client: bool, data: bytes) -> None:
            if id(wire) not in flows:
                flows[id(wire)] = Flow(session.capture, ("10.0.0.1", 50000 + len(flows)), ("10.0.0.2", 9999))
            flows[id(wire)].send(CLIENT if client else SERVER, data)
            send(wire, client, data)

        monkeypatch.setattr(Wire, "send", captured)
        net = Net()
        net.start(NetPath())
        net.join(NetPath(), JoinMode.APPARENT)
        net.join(NetPath(), JoinMode.DIRECT)
        net.run(1)
        data = pattern(400_000)
        assert net.transfer(net.server, net.client, data) == data
        net.run(1)
        session.key_log = [event.line for event in net.client_events if isinstance(event, KeyLogLine)]
        records = tshark.all_records(session)
        kinds = [record["tcpls.record.kind"][0] for record in records]
        assert set(kinds) == {"plain", "handshake", "opaque", "tcpls"}
        assert kinds.count("opaque") == 2
        opened = [record for record in records if record["tcpls.record.kind"] == ["tcpls"]]
        assert not any("_ws.expert" in record for record in opened)
        for sender, number in sorted({place(record)[:2] for record in opened}):
            sequences = [place(record)[2] for record in opened if place(record)[:2] == (sender, number)]
            assert sequences == list(range(len(sequences)))
        received = bytearray(len(data))
        for record in opened:
            if record["tcpls.sender"] == ["server"]:
                shown = zip(record.get("tcpls.stream.offset", ()), record.get("tcpls.stream.data", ()), strict=False)
                for offset, text in shown:
                    part = bytes.fromhex(text.replace(":", ""))
                    received[int(offset) : int(offset) + len(part)] = part
        assert received == data
        assert {record["tcpls.connection"][0] for record in opened} == {"0", "1", "2"}


class TestInstallation:
    def test_as_a_folder_of_plugins(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        connection.flow.client(connection.record(CLIENT, Ping()))
        tshark.script = None
        shutil.copytree(FOLDER, tshark.folder / ".local/lib/wireshark/plugins/tcpls")
        assert tshark.info(session)[1] == "c1 #0 PING"

    def test_stream_data_can_be_left_out(self, tshark: Tshark, session: Session) -> None:
        connection = session.connection(1)
        connection.join(apparent=False)
        connection.flow.client(connection.record(CLIENT, Stream(0, 7, pattern(10_000)), Ack(1, 2)))
        columns = ("tcpls.stream.offset", "tcpls.ack.sequence", "tcpls.stream.data")
        fields = ["-T", "fields", "-Y", "tcpls.stream.id", *(word for column in columns for word in ("-e", column))]
        assert tshark.run(session, *fields) == f"7\t2\t{pattern(10_000).hex()}\n"
        assert tshark.run(session, *fields, "-o", "tcpls.data:FALSE") == "7\t2\t\n"

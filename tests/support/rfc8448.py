"""The example handshakes of RFC 8448: what each side sent, and every secret on the way, as frozen values.

``trace("simple_1rtt")`` and so on; ``NAMES`` has all. The file's "source" says where its values come from.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import rsa

Side = Literal["client", "server"]
NAMES = ("simple_1rtt", "resumed_0rtt", "hello_retry_request", "client_authentication", "compatibility_mode")
_FILE = Path(__file__).parents[1] / "impl" / "tls13" / "vectors" / "rfc8448.json"
_CONTENT_TYPES = {"change_cipher_spec": 20, "alert": 21, "handshake": 22, "application_data": 23}


@dataclass(frozen=True, slots=True)
class Message:
    """A handshake message with its four-byte header; name as in the RFC, "HelloRetryRequest" for that ServerHello."""

    sender: Side
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A record: `wire` has its header, `protection` names the traffic keys (None: plaintext).

    `sequence` is the record number under these keys.
    """

    sender: Side
    content_type: int  # of the content, also where the record is protected
    content: bytes
    messages: tuple[Message, ...]  # what the content is made of, if it is handshake messages
    protection: str | None
    sequence: int | None
    wire: bytes


@dataclass(frozen=True, slots=True)
class Flight:
    """The records that one side sends in a row."""

    sender: Side
    records: tuple[Record, ...]

    @property
    def wire(self) -> bytes:
        """The records' bytes."""
        return b"".join(record.wire for record in self.records)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The handshake messages within."""
        return tuple(message for record in self.records for message in record.messages)


@dataclass(frozen=True, slots=True)
class EphemeralKey:
    """A generated key pair: group as in NamedGroup, private key as 32 bytes (P-256: the big-endian scalar)."""

    group: int
    private_key: bytes
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Party:
    """What one side contributed; None where it did not authenticate with a certificate."""

    random: bytes
    session_id: bytes  # the server's is the echo
    keys: tuple[EphemeralKey, ...]  # in the order of generation
    certificate: bytes | None  # DER; the chains have one entry
    signature_scheme: int | None
    signature: bytes | None
    verify_data: bytes


@dataclass(frozen=True, slots=True)
class TrafficKeys:
    """Section 7.3 of RFC 8446."""

    key: bytes
    iv: bytes


@dataclass(frozen=True, slots=True)
class Ticket:
    """The NewSessionTicket of section 3 and its PSK."""

    lifetime: int  # seconds
    age_add: int
    nonce: bytes
    ticket: bytes
    max_early_data: int
    psk: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the trace in order; `values` by name (prk, hash, secret, finished_key, …)."""

    who: str  # client, server or both
    what: str
    name: str
    values: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Trace:
    """One section of RFC 8448. The cipher suite is always TLS_AES_128_GCM_SHA256."""

    section: int
    name: str
    title: str
    client: Party
    server: Party
    cookie: bytes | None  # of the HelloRetryRequest
    ticket: Ticket | None  # issued here
    psk: bytes | None  # offered and accepted here
    ticket_age: int | None  # milliseconds, as offered with the PSK
    binder: bytes | None
    secrets: Mapping[str, bytes]  # shared, early, handshake, master, client_handshake_traffic, exporter, resumption, …
    traffic_keys: Mapping[str, TrafficKeys]  # client_early, client_handshake, server_application, …
    messages: tuple[Message, ...]
    records: tuple[Record, ...]
    steps: tuple[Step, ...]

    @property
    def flights(self) -> tuple[Flight, ...]:
        """The records, grouped by who sends."""
        return tuple(Flight(sender, tuple(run)) for sender, run in groupby(self.records, lambda record: record.sender))

    def message(self, name: str, sender: Side | None = None, index: int = 0) -> bytes:
        """Return the index-th message of this name, with its header."""
        return [m.data for m in self.messages if m.name == name and sender in (None, m.sender)][index]

    def sent(self, sender: Side) -> bytes:
        """All that one side sends."""
        return b"".join(record.wire for record in self.records if record.sender == sender)


def trace(name: str) -> Trace:
    """Return one of NAMES."""
    return _traces()[name]


@cache
def server_rsa_key() -> rsa.RSAPrivateKey:
    """Section 2: the server's key in sections 3, 5 and 7 (1024 bits). Section 6's private keys are not in the RFC."""
    numbers = {name: int(value, 16) for name, value in _data()["server_rsa_key"].items()}
    public = rsa.RSAPublicNumbers(numbers["public_exponent"], numbers["modulus"])
    return rsa.RSAPrivateNumbers(
        p=numbers["prime1"],
        q=numbers["prime2"],
        d=numbers["private_exponent"],
        dmp1=numbers["exponent1"],
        dmq1=numbers["exponent2"],
        iqmp=numbers["coefficient"],
        public_numbers=public,
    ).private_key()


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(_FILE.read_text())
    return data


@cache
def _traces() -> dict[str, Trace]:
    return {data["name"]: _trace(data) for data in _data()["traces"]}


def _trace(data: dict[str, Any]) -> Trace:
    steps: list[dict[str, Any]] = data["steps"]
    messages: list[Message] = []
    records: list[Record] = []
    unsent: list[Message] = []
    for step in steps:
        if step["what"] == "construct":
            unsent.append(Message(step["who"], step["name"], bytes.fromhex(step["message"])))
        elif step["what"] == "send record":
            sent = tuple(unsent) if "messages" in step else ()
            assert [message.name for message in sent] == step.get("messages", [])
            records.append(_record(step, sent))
            messages += sent
            unsent = [] if sent else unsent
    return Trace(
        section=data["section"],
        name=data["name"],
        title=data["title"],
        client=_party("client", data),
        server=_party("server", data),
        cookie=_optional(data, "cookie"),
        ticket=_ticket(data["ticket"]) if "ticket" in data else None,
        psk=_optional(data, "psk"),
        ticket_age=data.get("ticket_age"),
        binder=_optional(data, "binder"),
        secrets={s["name"]: bytes.fromhex(s["secret"]) for s in steps if s["what"] in ("agree", "extract", "derive")},
        traffic_keys={
            s["name"]: TrafficKeys(bytes.fromhex(s["key"]), bytes.fromhex(s["iv"]))
            for s in steps
            if s["what"] == "traffic keys"
        },
        messages=tuple(messages),
        records=tuple(records),
        steps=tuple(_step(s) for s in steps if s["what"] not in ("construct", "send record")),
    )


def _record(step: dict[str, Any], sent: tuple[Message, ...]) -> Record:
    return Record(
        sender=step["who"],
        content_type=_CONTENT_TYPES[step["content_type"]],
        content=b"".join(message.data for message in sent) if sent else bytes.fromhex(step["content"]),
        messages=sent,
        protection=step.get("protection"),
        sequence=step.get("sequence"),
        wire=bytes.fromhex(step["record"]),
    )


def _party(side: Side, data: dict[str, Any]) -> Party:
    own = data[side]
    generated = [s for s in data["steps"] if s["what"] == "generate key pair" and s["who"] == side]
    return Party(
        random=bytes.fromhex(own["random"]),
        session_id=bytes.fromhex(own["session_id"]),
        keys=tuple(
            EphemeralKey(int(s["group"], 16), bytes.fromhex(s["private_key"]), bytes.fromhex(s["public_key"]))
            for s in generated
        ),
        certificate=_optional(own, "certificate"),
        signature_scheme=int(own["signature_scheme"], 16) if "signature_scheme" in own else None,
        signature=_optional(own, "signature"),
        verify_data=bytes.fromhex(own["verify_data"]),
    )


def _ticket(data: dict[str, Any]) -> Ticket:
    return Ticket(
        lifetime=data["lifetime"],
        age_add=data["age_add"],
        nonce=bytes.fromhex(data["nonce"]),
        ticket=bytes.fromhex(data["ticket"]),
        max_early_data=data["max_early_data"],
        psk=bytes.fromhex(data["psk"]),
    )


def _step(step: dict[str, Any]) -> Step:
    values = {k: v for k, v in step.items() if k not in ("who", "what", "name", "label", "truncated_length")}
    return Step(step["who"], step["what"], step.get("name", ""), {k: bytes.fromhex(v) for k, v in values.items()})


def _optional(data: dict[str, Any], key: str) -> bytes | None:
    return bytes.fromhex(data[key]) if key in data else None

"""Handshake messages cut out of records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.handshake_messages import MAX_MESSAGE_SIZE, HandshakeReassembly, RawMessage
from impl.tls13.registries import AlertDescription, HandshakeType

TYPES = sorted(set(HandshakeType) - {HandshakeType.HELLO_RETRY_REQUEST, HandshakeType.MESSAGE_HASH})
messages = st.lists(st.tuples(st.sampled_from(TYPES), st.binary(max_size=40)), max_size=6)


def encode(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def drain(reassembly: HandshakeReassembly) -> list[RawMessage]:
    found = []
    while (message := reassembly.next_message()) is not None:
        found.append(message)
    return found


class TestPieces:
    @given(messages, st.data())
    def test_any_split_gives_the_same_messages(
        self, sent: list[tuple[HandshakeType, bytes]], data: st.DataObject
    ) -> None:
        stream = b"".join(encode(kind, body) for kind, body in sent)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
        reassembly = HandshakeReassembly()
        found = []
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            reassembly.feed(stream[start:end])
            found += drain(reassembly)
        assert [(message.type, message.body) for message in found] == sent
        assert b"".join(message.encoded for message in found) == stream
        assert not reassembly.pending

    def test_pending_while_a_message_is_not_whole(self) -> None:
        reassembly = HandshakeReassembly()
        reassembly.feed(encode(HandshakeType.FINISHED, bytes(32))[:-1])
        assert reassembly.next_message() is None
        assert reassembly.pending

    def test_pending_while_a_message_has_not_been_taken(self) -> None:
        reassembly = HandshakeReassembly()
        reassembly.feed(encode(HandshakeType.FINISHED, b"") * 2)
        reassembly.next_message()
        assert reassembly.pending


class TestRefused:
    @pytest.mark.parametrize("kind", sorted(set(range(256)) - set(TYPES)))
    def test_types_that_do_not_exist_at_their_first_byte(self, kind: int) -> None:
        reassembly = HandshakeReassembly()
        reassembly.feed(bytes([kind]))
        with pytest.raises(TLSError) as error:
            reassembly.next_message()
        assert error.value.alert == AlertDescription.UNEXPECTED_MESSAGE

    def test_excessive_length_at_its_header(self) -> None:
        reassembly = HandshakeReassembly()
        reassembly.feed(bytes([HandshakeType.CERTIFICATE]) + (MAX_MESSAGE_SIZE + 1).to_bytes(3, "big"))
        with pytest.raises(TLSError) as error:
            reassembly.next_message()
        assert error.value.alert == AlertDescription.DECODE_ERROR

"""Tests of impl.nfqueue.messages: packets as the kernel writes them, read both ways; verdicts."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.nfqueue import messages
from impl.nfqueue.messages import Layout, Packet, brief, encode_verdict, parse_packet, verdict_prefix
from impl.nfqueue.netlink import NetlinkError, encode_attribute, encode_message, iter_messages, parse_attributes

packets = st.builds(
    Packet,
    id=st.integers(1, 2**32 - 1),
    protocol=st.sampled_from([0x0800, 0x86DD]),
    hook=st.integers(0, 4),
    indev=st.integers(1, 1000),
    outdev=st.integers(1, 1000),
    mark=st.integers(0, 2**32 - 1),
    time_ns=st.integers(1, 2**60 // 1000).map(lambda micros: micros * 1000),
    length=st.integers(21, 65535),
    payload=st.binary(min_size=20, max_size=20).map(memoryview),
)


def kernel_message(packet: Packet) -> bytes:
    """Write the packet as nfnetlink_queue does: in this order, and what is zero not at all."""
    u32 = struct.Struct(">I").pack
    parts = [
        struct.pack(">BBH", 2, 0, 7),
        encode_attribute(1, struct.pack(">IHB", packet.id, packet.protocol, packet.hook)),
    ]
    parts += [encode_attribute(5, u32(packet.indev)), encode_attribute(6, u32(packet.outdev))]
    if packet.mark:
        parts.append(encode_attribute(3, u32(packet.mark)))
    parts.append(encode_attribute(9, bytes(12)))
    if packet.time_ns:
        seconds, rest = divmod(packet.time_ns, 10**9)
        parts.append(encode_attribute(4, struct.pack(">QQ", seconds, rest // 1000)))
    if packet.length != len(packet.payload):
        parts.append(encode_attribute(13, u32(packet.length)))
    if packet.payload:
        parts.append(encode_attribute(10, packet.payload))
    return encode_message(messages.PACKET, 0, b"".join(parts))


class TestParsing:
    @given(packets)
    def test_every_field_is_read(self, packet: Packet) -> None:
        assert parse_packet(memoryview(kernel_message(packet))) == packet

    def test_without_capture_length_the_payload_is_the_packet(self) -> None:
        packet = Packet(1, 0x800, 2, 1, 2, 0, 0, 4, memoryview(b"abcd"))
        assert parse_packet(memoryview(kernel_message(packet))).length == 4

    def test_a_message_without_packet_header_is_refused(self) -> None:
        with pytest.raises(NetlinkError, match="packet header"):
            parse_packet(memoryview(encode_message(messages.PACKET, 0, bytes(4))))


class TestLayout:
    @given(packets, st.lists(packets, max_size=20))
    def test_reads_messages_of_its_form_as_the_parser_does_and_leaves_out_others(
        self, model: Packet, others: list[Packet]
    ) -> None:
        stride = 256
        first = kernel_message(model)
        layout = Layout.learn(memoryview(first), stride)
        assert layout is not None
        buffer = b"".join(kernel_message(packet).ljust(stride, b"\xff") for packet in [model, *others])
        same = [packet for packet in [model, *others] if bool(packet.mark) == bool(model.mark)]
        assert layout.read(memoryview(buffer)) == [brief(packet) for packet in same]

    def test_there_is_none_without_timestamp(self) -> None:
        packet = Packet(1, 0x800, 2, 1, 2, 0, 0, 1500, memoryview(bytes(20)))
        assert Layout.learn(memoryview(kernel_message(packet)), 256) is None


class TestVerdicts:
    @given(st.integers(1, 2**32 - 1), st.booleans())
    def test_prefix_and_id_make_the_message(self, packet_id: int, batch: bool) -> None:
        data = verdict_prefix(7, messages.NF_ACCEPT, batch=batch) + packet_id.to_bytes(4, "big")
        (message,) = iter_messages(data)
        assert message.type == (messages.VERDICT_BATCH if batch else messages.VERDICT)
        assert message.payload[:4] == struct.pack(">BBH", 0, 0, 7)
        assert parse_attributes(message.payload[4:])[2] == struct.pack(">II", messages.NF_ACCEPT, packet_id)

    @given(st.integers(0, 2**32 - 1), st.binary(min_size=1, max_size=2000))
    def test_mark_and_payload_are_carried(self, mark: int, payload: bytes) -> None:
        (message,) = iter_messages(encode_verdict(7, 1, messages.NF_ACCEPT, mark=mark, payload=payload))
        attributes = parse_attributes(message.payload[4:])
        assert attributes[3] == mark.to_bytes(4, "big")
        assert attributes[10] == payload

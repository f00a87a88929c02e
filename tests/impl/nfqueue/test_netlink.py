"""Tests of impl.nfqueue.netlink: the codec by properties, the socket against this kernel."""

import contextlib
import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.nfqueue.netlink import (
    NETLINK_ROUTE,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLMSG_ERROR,
    Message,
    NetlinkError,
    NetlinkSocket,
    encode_attribute,
    encode_message,
    encode_nested,
    error_of,
    iter_attributes,
    iter_messages,
    parse_attributes,
)

RTM_GETLINK, RTM_NEWLINK, RTM_DELLINK = 18, 16, 17
kinds = st.integers(1, 0x3FFF)


class TestAttributes:
    @given(st.lists(st.tuples(kinds, st.binary(max_size=40))))
    def test_what_is_encoded_is_parsed(self, attributes: list[tuple[int, bytes]]) -> None:
        data = b"".join(encode_attribute(kind, payload) for kind, payload in attributes)
        assert len(data) % 4 == 0
        assert [(kind, bytes(payload)) for kind, payload in iter_attributes(data)] == attributes

    @given(kinds, st.dictionaries(kinds, st.binary(max_size=20)))
    def test_nested_attributes_are_parsed(self, outer: int, inner: dict[int, bytes]) -> None:
        data = encode_nested(outer, *(encode_attribute(kind, payload) for kind, payload in inner.items()))
        assert {k: bytes(v) for k, v in parse_attributes(parse_attributes(data)[outer]).items()} == inner

    @given(st.binary(max_size=64))
    def test_garbage_is_parsed_or_refused(self, data: bytes) -> None:
        with contextlib.suppress(NetlinkError):  # and nothing else
            assert sum(4 + len(payload) for _, payload in iter_attributes(data)) <= len(data)

    def test_too_long_a_payload_is_refused(self) -> None:
        with pytest.raises(ValueError, match="65531"):
            encode_attribute(1, bytes(65532))


class TestMessages:
    @given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=40))))
    def test_what_is_encoded_is_parsed(self, parts: list[tuple[int, int, bytes]]) -> None:
        data = b"".join(encode_message(kind, flags, payload, sequence=7, port=9) for kind, flags, payload in parts)
        parsed = list(iter_messages(data))
        assert [(m.type, m.flags, bytes(m.payload)) for m in parsed] == parts
        assert all((m.sequence, m.port) == (7, 9) for m in parsed)

    @given(st.binary(max_size=64))
    def test_garbage_is_parsed_or_refused(self, data: bytes) -> None:
        with contextlib.suppress(NetlinkError):  # and nothing else
            assert sum(16 + len(message.payload) for message in iter_messages(data)) <= len(data)


class TestErrors:
    def test_zero_is_an_acknowledgement(self) -> None:
        assert error_of(Message(NLMSG_ERROR, 0, 1, 0, memoryview(struct.pack("=i", 0) + bytes(16)))) is None

    def test_the_kernels_words_are_taken_over(self) -> None:
        payload = struct.pack("=i", -errno.ENOENT) + bytes(16) + encode_attribute(1, b"No such thing\0")
        error = error_of(Message(NLMSG_ERROR, NLM_F_ACK_TLVS | NLM_F_CAPPED, 1, 0, memoryview(payload)))
        assert error is not None
        assert error.errno == errno.ENOENT
        assert "No such thing" in str(error)

    def test_the_quoted_request_is_skipped(self) -> None:
        quoted = encode_message(RTM_GETLINK, 0, b"12345678")
        payload = struct.pack("=i", -errno.EINVAL) + quoted + encode_attribute(1, b"Why\0")
        error = error_of(Message(NLMSG_ERROR, NLM_F_ACK_TLVS, 1, 0, memoryview(payload)))
        assert "Why" in str(error)


class TestSocket:
    def test_a_dump_lists_loopback(self) -> None:
        with NetlinkSocket(NETLINK_ROUTE) as netlink:
            links = list(netlink.dump(RTM_GETLINK, bytes(16)))
        names = {bytes(parse_attributes(link.payload[16:])[3]) for link in links if link.type == RTM_NEWLINK}
        assert b"lo\0" in names

    def test_a_refusal_is_an_error_and_the_socket_goes_on(self) -> None:
        with NetlinkSocket(NETLINK_ROUTE) as netlink:
            with pytest.raises(NetlinkError) as caught:
                netlink.request(RTM_GETLINK, struct.pack("=BxHiII", 0, 0, 0x7FFFFFFF, 0, 0))
            assert caught.value.errno == errno.ENODEV
            answer = netlink.request(RTM_GETLINK, struct.pack("=BxHiII", 0, 0, 1, 0, 0))
        assert [message.type for message in answer] == [RTM_NEWLINK]

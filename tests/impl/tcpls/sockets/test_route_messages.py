"""The codec of rtnetlink messages."""

import errno
import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.nfqueue.netlink import NetlinkError, encode_message
from impl.tcpls.sockets.route_messages import (
    RTM_GETADDR,
    RTM_GETLINK,
    AddressRecord,
    DumpEnd,
    LinkRecord,
    RouteRecord,
    encode_dump,
    iter_records,
)
from tests.impl.tcpls.sockets import rtnetlink

indices = st.integers(1, 2**31 - 1)
names = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/%"), min_size=1, max_size=15)
texts = st.ip_addresses().map(str).filter(lambda text: "%" not in text)


class TestLinks:
    @given(indices, names, st.integers(0, 2**32 - 1), st.booleans())
    def test_up_is_both_set_up_and_with_a_carrier(self, index: int, name: str, flags: int, gone: bool) -> None:
        [record] = iter_records(rtnetlink.link(index, name, flags, gone=gone))
        up = bool(flags & 0x1) and bool(flags & 0x10000)
        assert record == LinkRecord(index, name, up, gone)

    def test_a_port_that_leaves_its_bridge_is_not_gone(self) -> None:
        assert list(iter_records(rtnetlink.link(3, "eth0", gone=True, family=7))) == []


class TestAddresses:
    @given(indices, texts, st.booleans())
    def test_an_address(self, index: int, text: str, gone: bool) -> None:
        [record] = iter_records(rtnetlink.address(index, text, gone=gone))
        assert record == AddressRecord(index, text, True, gone)

    @pytest.mark.parametrize(
        ("flags", "valid"),
        [
            (0, True),
            (0x80, True),
            (0x20, True),
            (0x40, False),
            (0x08, False),
            (0x48, False),
            (0x44, True),
            (0x0C, False),
        ],
    )
    def test_duplicate_detection_must_allow_it(self, flags: int, valid: bool) -> None:
        [record] = iter_records(rtnetlink.address(2, "fd00::1", flags | 0x100))
        assert record == AddressRecord(2, "fd00::1", valid, False)

    def test_the_whole_flags_count_before_the_header_s(self) -> None:
        payload = struct.pack("=BBBBI", 10, 64, 0x40, 0, 2) + struct.pack("=HH", 20, 1) + bytes(15) + b"\1"
        assert list(iter_records(encode_message(20, 0, payload))) == [AddressRecord(2, "::1", False, False)]

    @pytest.mark.parametrize(("own", "other"), [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")])
    def test_of_a_point_to_point_link_our_end(self, own: str, other: str) -> None:
        [record] = iter_records(rtnetlink.address(2, own, peer=other))
        assert record == AddressRecord(2, own, True, False)

    def test_of_another_family_nothing(self) -> None:
        payload = struct.pack("=BBBBI", 16, 64, 0, 0, 2) + struct.pack("=HHI", 8, 1, 0)
        assert list(iter_records(encode_message(20, 0, payload))) == []


class TestRoutes:
    def test_both_families(self) -> None:
        assert list(iter_records(rtnetlink.route(4, 24) + rtnetlink.route(6, gone=True))) == [
            RouteRecord(4, 24, False),
            RouteRecord(6, 0, True),
        ]

    def test_the_hosts_own_addresses_multicast_and_caches_are_left_out(self) -> None:
        others = rtnetlink.route(4, table=255), rtnetlink.route(6, kind=5), rtnetlink.route(6, flags=0x200)
        assert list(iter_records(b"".join(others))) == []


class TestEnds:
    def test_of_a_listing(self) -> None:
        assert list(iter_records(rtnetlink.done(7))) == [DumpEnd(7, False, None)]

    def test_of_one_that_was_interrupted(self) -> None:
        assert list(iter_records(rtnetlink.done(7, interrupted=True))) == [DumpEnd(7, True, None)]

    @pytest.mark.parametrize("end", [rtnetlink.refused(7, errno.EBUSY), rtnetlink.done(7, code=-errno.EBUSY)])
    def test_of_one_that_failed(self, end: bytes) -> None:
        [record] = iter_records(end)
        assert isinstance(record, DumpEnd)
        assert record.sequence == 7
        assert record.error is not None
        assert record.error.errno == errno.EBUSY


class TestRobustness:
    @given(st.binary(max_size=200))
    def test_garbage_is_parsed_or_refused(self, data: bytes) -> None:
        try:
            records = list(iter_records(data))
        except NetlinkError:
            return
        assert len(records) <= len(data) // 16

    @given(st.sampled_from([16, 17, 20, 21, 24, 25, 2, 3]), st.binary(max_size=60))
    def test_known_types_with_any_payload(self, kind: int, payload: bytes) -> None:
        try:
            records = list(iter_records(encode_message(kind, 0, payload)))
        except NetlinkError:
            return
        for record in records:
            if isinstance(record, AddressRecord):
                assert ipaddress.ip_address(record.address).packed in payload

    def test_what_is_cut_short_is_named(self) -> None:
        with pytest.raises(NetlinkError, match="type 16 is cut short"):
            list(iter_records(encode_message(16, 0, bytes(4))))


class TestRequests:
    def test_both(self) -> None:
        assert encode_dump(RTM_GETLINK, 3) == encode_message(18, 0x301, bytes(16), sequence=3)
        assert encode_dump(RTM_GETADDR, 4) == encode_message(22, 0x301, bytes(8), sequence=4)

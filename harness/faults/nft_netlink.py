"""nftables of one node: tables loaded beforehand with ``nft``, their sets switched and counters read by netlink."""

import itertools
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from harness.network.namespaces import enter, run_in
from impl.nfqueue.netlink import (
    NETLINK_NETFILTER,
    NLM_F_ACK,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    NetlinkError,
    NetlinkSocket,
    encode_attribute,
    encode_message,
    encode_nested,
    error_of,
    iter_messages,
    parse_attributes,
)

# linux/netfilter/nfnetlink.h, nf_tables.h and nfnetlink_conntrack.h
_BATCH_BEGIN, _BATCH_END = 16, 17
_SUBSYSTEM_CONNTRACK, _SUBSYSTEM_NFTABLES = 1, 10
_NEW_SET_ELEMENT, _DELETE_SET_ELEMENT, _GET_OBJECT = 12, 14, 19
_CT_DELETE, _CT_GET_STATS = 2, 5
_NLM_F_CREATE = 0x400
_NFPROTO_UNSPEC, _NFPROTO_INET = 0, 1
_SET_LIST_TABLE, _SET_LIST_SET, _SET_LIST_ELEMENTS = 1, 2, 3
_LIST_ELEMENT, _ELEMENT_KEY, _DATA_VALUE = 1, 1, 1
_OBJECT_TABLE, _OBJECT_NAME, _OBJECT_TYPE, _OBJECT_DATA = 1, 2, 3, 4
_OBJECT_COUNTER = 1
_COUNTER_PACKETS = 2
_CT_STATS_ENTRIES = 1
_INTERFACE_NAME_SIZE = 16


@dataclass(frozen=True)
class Switch:
    """Put an interface's name into a set (``on``), or take it out."""

    set: str
    interface: str
    on: bool


def _generic(family: int, resource: int = 0) -> bytes:
    return struct.pack("!BBH", family, 0, resource)


def _text(kind: int, text: str) -> bytes:
    return encode_attribute(kind, text.encode() + b"\0")


def encode_switches(table: str, switches: Sequence[Switch], first_sequence: int) -> bytes:
    """Return one batch that makes all switches in an ``inet`` table at once, with an acknowledgement for each.

    The batch's begin has ``first_sequence`` as its number, the switches the numbers after that.
    """
    begin = encode_message(
        _BATCH_BEGIN, NLM_F_REQUEST, _generic(_NFPROTO_UNSPEC, _SUBSYSTEM_NFTABLES), sequence=first_sequence
    )
    middle = b"".join(
        encode_message(
            _SUBSYSTEM_NFTABLES << 8 | (_NEW_SET_ELEMENT if switch.on else _DELETE_SET_ELEMENT),
            NLM_F_REQUEST | NLM_F_ACK | (_NLM_F_CREATE if switch.on else 0),
            _generic(_NFPROTO_INET)
            + _text(_SET_LIST_TABLE, table)
            + _text(_SET_LIST_SET, switch.set)
            + encode_nested(_SET_LIST_ELEMENTS, _element(switch.interface)),
            sequence=sequence,
        )
        for sequence, switch in enumerate(switches, start=first_sequence + 1)
    )
    end = encode_message(
        _BATCH_END,
        NLM_F_REQUEST,
        _generic(_NFPROTO_UNSPEC, _SUBSYSTEM_NFTABLES),
        sequence=first_sequence + len(switches) + 1,
    )
    return begin + middle + end


def _element(interface: str) -> bytes:
    name = interface.encode().ljust(_INTERFACE_NAME_SIZE, b"\0")
    return encode_nested(_LIST_ELEMENT, encode_nested(_ELEMENT_KEY, encode_attribute(_DATA_VALUE, name)))


class NftNetlink:
    """An nftables table of family ``inet``, and connection tracking, of one node.

    Args:
        pid: a process whose network namespace is the node's.
        table: name of the table.
        script: the table in the language of ``nft``; loaded at once.

    Raises:
        OSError: no such process, or no right to enter its namespace.
        CommandFailed: ``nft`` is missing or refuses the script.

    """

    def __init__(self, pid: int, table: str, script: str) -> None:
        self._table = table
        # One transaction: an older table of that name gives way to this one.
        older = f"table inet {table}\ndelete table inet {table}\n"
        run_in(pid, ["nft", "-f", "-"], input=f"{older}table inet {table} {{\n{script}\n}}\n")
        with enter(pid):
            self._socket = NetlinkSocket(NETLINK_NETFILTER)
        self._batches = itertools.count(1)

    def close(self) -> None:
        """Close the socket; the table stays as it is."""
        self._socket.close()

    def switch(self, *switches: Switch) -> None:
        """Make all switches at once.

        Raises:
            NetlinkError: the kernel refused; nothing was switched.

        """
        # Numbers of batches are far from those that the socket gives to single requests.
        first = 0x8000_0000 + next(self._batches) * 256
        raw: socket.socket = self._socket.socket
        raw.send(encode_switches(self._table, switches, first))
        waiting = set(range(first + 1, first + 1 + len(switches)))
        while waiting:
            for message in iter_messages(raw.recv(1 << 16)):
                if message.type != NLMSG_ERROR or not first <= message.sequence <= first + len(switches) + 1:
                    continue
                error = error_of(message)
                if error is not None:
                    raise error
                waiting.discard(message.sequence)

    def packets(self, counter: str) -> int:
        """Return how many packets a named counter has counted.

        Raises:
            NetlinkError: the table has no such counter.

        """
        request = _generic(_NFPROTO_INET) + _text(_OBJECT_TABLE, self._table) + _text(_OBJECT_NAME, counter)
        request += encode_attribute(_OBJECT_TYPE, struct.pack("!I", _OBJECT_COUNTER))
        answer = self._socket.request(_SUBSYSTEM_NFTABLES << 8 | _GET_OBJECT, request)[0]
        data = parse_attributes(parse_attributes(answer.payload[4:])[_OBJECT_DATA])
        return int(struct.unpack("!Q", data[_COUNTER_PACKETS])[0])

    def tracked(self) -> int:
        """Return how many connections the node tracks."""
        answer = self._socket.request(_SUBSYSTEM_CONNTRACK << 8 | _CT_GET_STATS, _generic(_NFPROTO_UNSPEC))[0]
        return int(struct.unpack("!I", parse_attributes(answer.payload[4:])[_CT_STATS_ENTRIES])[0])

    def forget_connections(self) -> None:
        """Make the node forget all tracked connections, and with them the mappings of its NAT.

        Raises:
            NetlinkError: the kernel refused.

        """
        self._socket.request(_SUBSYSTEM_CONNTRACK << 8 | _CT_DELETE, _generic(_NFPROTO_UNSPEC))


__all__ = ["NetlinkError", "NftNetlink", "Switch", "encode_switches"]

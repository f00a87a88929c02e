"""Memory for records: it is used again, and never while a transport still needs what is in it."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13 import ApplicationDataReceived
from impl.tls13.streams.sending import PROTECTED, Sender, Workspace
from tests.support.tls import NOW, Pair, client_config, connected


class Slow(asyncio.WriteTransport):
    """A transport that keeps views of what it was given until it is told to send, as later asyncio's do."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[memoryview] = []
        self.sent = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.waiting.append(memoryview(data))

    def send(self) -> None:
        self.sent += b"".join(self.waiting)
        self.waiting.clear()

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.waiting))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert low == 0

    def is_closing(self) -> bool:
        return False


def received(both: Pair, data: bytes) -> bytes:
    events = both.server.receive(data, NOW)
    assert not both.failures()
    return b"".join(event.data for event in events if isinstance(event, ApplicationDataReceived))


class TestMemory:
    @settings(max_examples=30)
    @given(st.lists(st.one_of(st.none(), st.sampled_from([1, 100, 20_000, 100_000, PROTECTED, PROTECTED + 1]))))
    def test_what_waits_is_left_alone(self, steps: list[int | None]) -> None:
        both = connected()
        below, workspace = Slow(), Workspace()
        sender = Sender(both.client, below, workspace)
        numbers = random.Random(len(steps))
        written = b""
        for step in steps:
            if step is None:
                below.send()
                continue
            piece = bytearray(numbers.randbytes(step))
            written += piece
            sender.send(piece)
            piece[:] = bytes(step)
        below.send()
        assert received(both, below.sent) == written

    def test_it_is_used_again(self) -> None:
        both = connected()
        below, workspace = Slow(), Workspace()
        senders = [Sender(both.client, below, workspace) for _ in range(3)]
        for _ in range(20):
            for sender in senders:
                sender.send(bytes(PROTECTED))
                below.waiting.clear()
        assert len(workspace.free) <= len(senders)

    def test_a_user_who_does_not_wait_costs_no_more_than_what_waits(self) -> None:
        both = connected()
        below, workspace = Slow(), Workspace()
        sender = Sender(both.client, below, workspace)
        for _ in range(50):
            sender.send(bytes(1000))
        below.send()
        sender.send(bytes(1000))
        assert len(workspace.free) < 12

    @pytest.mark.parametrize("size", [10, 3 * PROTECTED])
    def test_new_keys_come_before_the_data(self, size: int) -> None:
        both = connected()
        below = Slow()
        sender = Sender(both.client, below, Workspace())
        sender.send(bytes(size))
        both.client.update_keys()
        sender.send(bytes(size))
        below.send()
        assert received(both, below.sent) == bytes(2 * size)

    def test_padded_records_have_room(self) -> None:
        both = connected(client_config(padding=lambda size, room: room))
        below = Slow()
        sender = Sender(both.client, below, Workspace())
        sender.send(b"1")
        sender.send(bytes(PROTECTED + 1))
        below.send()
        assert received(both, below.sent) == b"1" + bytes(PROTECTED + 1)

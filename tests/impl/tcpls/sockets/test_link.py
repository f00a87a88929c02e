"""Links over loopback: data in both directions, ends, losses, and what the kernel tells."""

import asyncio
import errno
import gc
import select
import socket
import time
import weakref

import pytest

from impl.tcpls.sockets.addresses import Endpoint
from impl.tcpls.sockets.errors import SocketError
from impl.tcpls.sockets.link import UNSENT_LIMIT, Link
from tests.impl.tcpls.sockets.links import Notes, pair, reset, until
from tests.support.tls_streams import run

MANY = bytes(range(256)) * 4096 * 16  # 16 MiB: more than any buffer takes


async def read_all(sock: socket.socket) -> bytes:
    """Read until the peer's end, beside the loop."""

    def read() -> bytes:
        return b"".join(iter(lambda: sock.recv(1 << 16), b""))

    return await asyncio.to_thread(read)


async def close_window(link: Link) -> None:
    """Send until the peer, who does not read, takes no more: from then on nothing leaves the send buffer."""

    def closed() -> bool:
        if link.unsent():
            info = link.info(0.0)
            return info.unacked == 0 and info.send_window < info.unsent
        link.send([bytes(10_000)])
        return False

    await until(closed)


class Sender(Notes):
    """Sends some data as room comes, then FIN."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.left = memoryview(data)

    def writable(self, link: Link) -> None:
        super().writable(link)
        self.go_on(link)

    def go_on(self, link: Link) -> None:
        while self.left and not link.blocked and not self.errors:
            self.left = self.left[link.send([self.left[:1000], self.left[1000:300_000]]) :]
        if not self.left:
            link.shutdown_write()


class TestSending:
    def test_several_buffers_go_in_order(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                link = Link(near, Notes())
                assert link.send([b"one", bytearray(b"two"), b"", memoryview(b"three")]) == 11
                assert not link.blocked
                link.close()
                assert await read_all(far) == b"onetwothree"

        run(main())

    def test_more_buffers_than_the_kernel_takes_at_a_time(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                link = Link(near, Notes())
                assert link.send([b"ab"] * 3000) == 6000
                link.close()
                assert await read_all(far) == b"ab" * 3000

        run(main())

    def test_nothing_is_sent_of_nothing(self) -> None:
        async def main() -> None:
            with pair() as (near, _):
                link = Link(near, Notes())
                assert link.send([]) == link.send([b"", b""]) == 0
                assert not link.blocked
                link.close()

        run(main())

    def test_a_full_kernel_blocks_and_room_is_told_once(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                notes = Notes()
                link = Link(near, notes)
                taken = link.send([MANY])
                assert 0 < taken < len(MANY)
                assert link.blocked
                assert link.send([b"more"]) == 0
                assert notes.writable_told == 0
                reading = asyncio.create_task(read_all(far))
                await until(lambda: notes.writable_told > 0)
                assert not link.blocked
                await asyncio.sleep(0)
                assert notes.writable_told == 1
                link.close()
                assert await reading == MANY[:taken]

        run(main())

    def test_all_arrives_through_partial_writes(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                sender = Sender(MANY)
                link = Link(near, sender)
                link.set_unsent_limit(50_000)
                sender.go_on(link)
                assert await read_all(far) == MANY
                assert sender.writable_told > 0
                link.close()

        run(main())


class TestReceiving:
    @pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
    def test_data_and_the_end(self, family: socket.AddressFamily) -> None:
        async def main() -> None:
            with pair(family) as (near, far):
                notes = Notes()
                link = Link(near, notes)
                far.sendall(b"hello")
                await until(lambda: notes.received == b"hello")
                far.shutdown(socket.SHUT_WR)
                await until(lambda: notes.ends == 1)
                assert not link.reading
                assert link.receive_into(bytearray(1)) == 0
                assert link.send([b"still"]) == 5
                assert far.recv(10) == b"still"
                link.resume_reading()  # has nothing to resume, and does not spin
                assert not link.reading
                assert notes.errors == []
                link.close()

        run(main())

    def test_while_paused_data_wait_in_the_kernel(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                notes = Notes()
                link = Link(near, notes)
                for word in (b"one", b"two"):
                    link.pause_reading()
                    link.pause_reading()
                    far.sendall(word)
                    await until(lambda: select.select([near], [], [], 0)[0] == [near])
                    await asyncio.sleep(0.01)
                    assert not notes.received.endswith(word)
                    link.resume_reading()
                    link.resume_reading()
                    await until(notes.ends_in(word))
                link.close()

        run(main())

    def test_nothing_now_is_none(self) -> None:
        async def main() -> None:
            with pair() as (near, _):
                link = Link(near, Notes())
                assert link.receive_into(bytearray(1)) is None
                with pytest.raises(ValueError, match="empty buffer"):
                    link.receive_into(bytearray())
                link.close()

        run(main())


class TestLoss:
    def test_a_reset_is_told_once(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                notes = Notes()
                link = Link(near, notes)
                reset(far)
                await until(lambda: bool(notes.errors))
                assert link.send([b"x"]) == 0
                assert link.receive_into(bytearray(1)) is None
                link.shutdown_write()
                await asyncio.sleep(0.01)
                assert [error.errno for error in notes.errors] == [errno.ECONNRESET]
                assert notes.ends == 0
                link.close()

        run(main())

    def test_a_reset_while_paused_is_noticed_and_what_came_before_can_be_taken(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                notes = Notes()
                link = Link(near, notes)
                link.pause_reading()
                far.sendall(b"last words")
                reset(far)
                await until(lambda: bool(notes.errors))
                assert notes.errors[0].errno == errno.ECONNRESET
                view = bytearray(20)
                assert link.receive_into(view) == 10
                assert view[:10] == b"last words"
                assert link.receive_into(view) is None
                link.resume_reading()
                assert not link.reading
                link.close()

        run(main())

    def test_a_reset_between_pauses_is_noticed(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                notes = Notes()
                link = Link(near, notes)
                link.pause_reading()
                await asyncio.sleep(0)
                link.resume_reading()
                await asyncio.sleep(0)
                reset(far)
                link.pause_reading()
                await until(lambda: bool(notes.errors))
                link.close()

        run(main())

    def test_a_reset_after_both_ends_is_noticed(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                notes = Notes()
                link = Link(near, notes)
                far.shutdown(socket.SHUT_WR)
                await until(lambda: notes.ends == 1)
                # Unread data make the peer's kernel reset the connection when it closes.
                link.send([b"unread"])
                await until(lambda: len(far.recv(6, socket.MSG_PEEK)) == 6)
                assert notes.errors == []
                far.close()
                await until(lambda: bool(notes.errors))
                link.close()

        run(main())

    def test_a_connection_ended_in_both_directions_is_not_lost_and_does_not_spin(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                notes = Notes()
                link = Link(near, notes)
                link.shutdown_write()
                far.close()
                await until(lambda: notes.ends == 1)
                began, used = time.monotonic(), time.process_time()
                await asyncio.sleep(0.1)
                assert time.process_time() - used < (time.monotonic() - began) / 2
                assert notes.errors == []
                link.close()

        run(main())

    def test_while_blocked(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                notes = Notes()
                link = Link(near, notes)
                link.pause_reading()
                link.send([MANY])
                assert link.blocked
                reset(far)
                await until(lambda: bool(notes.errors))
                assert not link.blocked
                await asyncio.sleep(0.01)
                assert len(notes.errors) == 1
                link.close()

        run(main())

    def test_an_error_of_sending_is_told_by_the_loop(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                notes = Notes()
                link = Link(near, notes)
                link.shutdown_write()
                assert link.send([b"x"]) == 0
                assert notes.errors == []
                await until(lambda: bool(notes.errors))
                assert notes.errors[0].errno == errno.EPIPE
                far.close()
                link.close()

        run(main())

    def test_nothing_is_told_after_close(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                notes = Notes()
                link = Link(near, notes)
                link.shutdown_write()
                link.send([b"x"])  # an error to be told
                link.close()
                link.close()
                link.abort()
                far.close()
                await asyncio.sleep(0.01)
                assert notes.errors == []
                assert not notes.received

        run(main())

    def test_a_socket_that_was_reset_before(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                reset(far)
                with pytest.raises(ConnectionResetError):
                    near.recv(1)
                notes = Notes()
                link = Link(near, notes, remote=Endpoint("127.0.0.1", 7))
                assert link.remote == Endpoint("127.0.0.1", 7)
                link.shutdown_write()
                await until(lambda: bool(notes.errors) or notes.ends == 1)
                link.close()

        run(main())


class TestClosing:
    def test_close_delivers_what_the_kernel_holds_despite_unread_data(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                link = Link(near, Notes())
                link.pause_reading()
                far.sendall(b"never read")
                await until(lambda: near.recv(20, socket.MSG_PEEK) == b"never read")
                taken = link.send([MANY])
                link.close()
                assert await read_all(far) == MANY[:taken]

        run(main())

    def test_abort_resets(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                link = Link(near, Notes())
                link.abort()
                assert link.closed
                with pytest.raises(ConnectionResetError):
                    far.recv(1)

        run(main())

    def test_a_closed_link_says_so(self) -> None:
        async def main() -> None:
            with pair() as (near, _):
                link = Link(near, Notes())
                link.close()
                for use in (
                    lambda: link.send([b"x"]),
                    lambda: link.receive_into(bytearray(1)),
                    lambda: link.room(),
                    lambda: link.info(0.0),
                    lambda: link.set_congestion("reno"),
                    lambda: link.congestion,
                    lambda: link.shutdown_write(),
                ):
                    with pytest.raises(ValueError, match="is closed"):
                        use()
                link.pause_reading()
                link.resume_reading()
                assert "closed" in repr(link)

        run(main())

    def test_a_closed_link_holds_neither_its_owner_nor_itself(self) -> None:
        async def main() -> None:
            with pair() as (near, _):
                notes = Notes()
                link = Link(near, notes)
                link.pause_reading()
                gone = weakref.ref(link), weakref.ref(notes)
                link.close()
                gc.disable()
                try:
                    del link, notes
                    await asyncio.sleep(0)
                    assert [reference() for reference in gone] == [None, None]
                finally:
                    gc.enable()

        run(main())


class TestKernel:
    def test_ends(self) -> None:
        async def main() -> None:
            with pair(socket.AF_INET6) as (near, far):
                link = Link(near, Notes())
                assert link.remote == Endpoint("::1", far.getsockname()[1])
                assert link.local == Endpoint("::1", far.getpeername()[1])
                assert f"[::1]:{link.remote.port}" in repr(link)
                link.close()

        run(main())

    def test_room_is_what_the_limit_leaves(self) -> None:
        async def main() -> None:
            with pair() as (near, _):
                link = Link(near, Notes())
                assert link.room() == UNSENT_LIMIT
                await close_window(link)
                assert link.room() == UNSENT_LIMIT - link.unsent()
                link.send([MANY])
                assert link.room() == 0
                assert link.info(0.0).unsent == link.unsent()
                link.set_unsent_limit(1 << 30)
                assert link.room() == (1 << 30) - link.unsent()
                for limit in (0, 1 << 31):
                    with pytest.raises(ValueError, match="limit of unsent bytes"):
                        link.set_unsent_limit(limit)
                link.abort()

        run(main())

    @pytest.mark.parametrize("limit", [1 << 16, 1 << 19])
    def test_the_kernel_takes_little_more_than_the_limit(self, limit: int) -> None:
        async def main() -> None:
            with pair() as (near, _):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
                link = Link(near, Notes())
                link.set_unsent_limit(limit)
                await close_window(link)
                link.send([MANY])
                assert link.blocked
                assert limit <= link.unsent() <= limit + (1 << 17)
                link.abort()

        run(main())

    def test_congestion_control(self) -> None:
        async def main() -> None:
            with pair() as (near, _):
                link = Link(near, Notes())
                link.set_congestion("reno")
                assert link.congestion == "reno"
                with pytest.raises(SocketError, match="'nosuch' is refused"):
                    link.set_congestion("nosuch")
                link.close()

        run(main())

    def test_info(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                link = Link(near, Notes())
                link.send([b"x"])
                assert far.recv(1) == b"x"
                await until(lambda: link.info(0.0).unacked == 0)
                info = link.info(1000.0)
                assert info.established
                assert 0 < info.srtt < 1
                assert info.send_window > 0
                assert 999 < info.last_ack <= 1000
                link.close()

        run(main())

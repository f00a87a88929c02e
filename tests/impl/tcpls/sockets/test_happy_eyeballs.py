"""Happy Eyeballs on virtual time, with attempts that end when and as they are told; and over real sockets."""

import asyncio
import errno
import functools
import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.paths.candidates import Candidate
from impl.tcpls.sockets.connecting import connect_tcp
from impl.tcpls.sockets.errors import AllFailed, ConnectFailed
from impl.tcpls.sockets.happy_eyeballs import connect_first, interleave
from impl.tcpls.sockets.listening import listen_tcp
from tests.impl.tcpls.sockets.virtual_time import run_virtually
from tests.support.tls_streams import run


@dataclass(frozen=True)
class Way:
    """A candidate whose attempt ends after some seconds (never, if None), well or badly."""

    remote: str
    after: float | None = None
    well: bool = True


@dataclass
class Attempts:
    """Makes the attempts, and notes when they began and were cancelled."""

    begun: list[tuple[str, float]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    async def __call__(self, way: Way) -> str:
        self.begun.append((way.remote, asyncio.get_running_loop().time()))
        try:
            if way.after is None:
                await asyncio.Event().wait()
            else:
                await asyncio.sleep(way.after)
        except asyncio.CancelledError:
            self.cancelled.append(way.remote)
            raise
        if not way.well:
            raise ConnectFailed(errno.ECONNREFUSED, f"{way.remote} refused")
        return way.remote


async def timed(attempts: Attempts, *ways: Way) -> tuple[str, float]:
    """The winner, and how long it took, to the millisecond."""
    way, result = await connect_first(ways, attempts, discard=attempts.closed.append)
    assert way.remote == result
    return result, round(asyncio.get_running_loop().time(), 3)


addresses = st.ip_addresses().filter(lambda address: address.version == 4 or "%" not in str(address)).map(str)
ways = st.builds(
    Way,
    remote=addresses,
    after=st.one_of(st.none(), st.integers(0, 40).map(lambda tenths: tenths / 10)),
    well=st.booleans(),
)


class TestInterleaving:
    def test_families_take_turns(self) -> None:
        given_ways = [Way(address) for address in ("::1", "::2", "::3", "10.0.0.1", "10.0.0.2")]
        assert [way.remote for way in interleave(given_ways)] == ["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"]
        assert [way.remote for way in interleave(given_ways, 4)] == ["10.0.0.1", "::1", "10.0.0.2", "::2", "::3"]

    def test_the_first_family_may_be_missing(self) -> None:
        assert interleave([Way("::1"), Way("::2")], 4) == [Way("::1"), Way("::2")]
        assert interleave([], 4) == interleave([]) == []

    @given(st.lists(ways), st.sampled_from([None, 4, 6]))
    def test_none_is_lost_and_order_is_kept(self, some: list[Way], first: None) -> None:
        mixed = interleave(some, first)
        for six in (False, True):
            assert [way for way in mixed if (":" in way.remote) == six] == [
                way for way in some if (":" in way.remote) == six
            ]
        fewer = min(sum(":" in way.remote for way in some), sum(":" not in way.remote for way in some))
        families = [":" in way.remote for way in mixed[: 2 * fewer]]
        assert all(one != other for one, other in itertools.pairwise(families))

    def test_candidates_of_the_path_manager_are_such_ways(self) -> None:
        pairs = [Candidate("10.0.0.1", "10.0.0.9"), Candidate("10.0.1.1", "10.0.0.9"), Candidate(None, "fd00::9")]
        assert interleave(pairs) == [pairs[0], pairs[2], pairs[1]]

    def test_a_name_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"example\.org"):
            interleave([Way("example.org")])


class TestOrder:
    def test_the_first_alone_if_it_is_quick(self) -> None:
        attempts = Attempts()
        assert run_virtually(timed(attempts, Way("::1", 0.2), Way("10.0.0.1", 0.0))) == ("::1", 0.2)
        assert attempts.begun == [("::1", 0.0)]

    def test_a_refusal_lets_the_next_begin_at_once(self) -> None:
        attempts = Attempts()
        result = run_virtually(timed(attempts, Way("::1", 0.01, False), Way("10.0.0.1", 0.02)))
        assert result == ("10.0.0.1", 0.03)

    def test_a_black_hole_holds_the_next_up_for_the_delay_and_is_cancelled(self) -> None:
        attempts = Attempts()
        result = run_virtually(timed(attempts, Way("::1"), Way("::2"), Way("10.0.0.1", 0.02)))
        assert result == ("10.0.0.1", 0.27)
        assert attempts.begun == [("::1", 0.0), ("10.0.0.1", 0.25)]
        assert attempts.cancelled == ["::1"]

    def test_a_slow_first_may_win_while_the_second_runs(self) -> None:
        attempts = Attempts()
        result = run_virtually(timed(attempts, Way("::1", 0.3), Way("10.0.0.1", 0.2)))
        assert result == ("::1", 0.3)
        assert attempts.cancelled == ["10.0.0.1"]

    def test_of_two_at_the_same_moment_the_first_wins_and_the_other_is_discarded(self) -> None:
        attempts = Attempts()
        assert run_virtually(timed(attempts, Way("::1", 0.5), Way("10.0.0.1", 0.25)))[0] == "::1"
        assert attempts.cancelled + attempts.closed == ["10.0.0.1"]

    @given(st.lists(ways, max_size=6))
    def test_every_attempt_is_accounted_for(self, some: list[Way]) -> None:
        attempts = Attempts()
        endless = [way for way in some if way.after is None]
        wins = any(way.well for way in some if way.after is not None)

        async def main() -> None:
            task = asyncio.create_task(timed(attempts, *some))
            await asyncio.wait([task], timeout=100)
            if wins:
                ended = [task.result()[0], *attempts.cancelled, *attempts.closed]
                assert len(ended) + sum(not way.well for way in some) >= len(attempts.begun)
            elif endless:
                assert not task.done()
                task.cancel()
                await asyncio.wait([task])
                assert len(attempts.cancelled) == len(endless)
            else:
                with pytest.raises(AllFailed) as caught:
                    task.result()
                assert len(caught.value.errors) == max(1, len(some))
            moments = [moment for _, moment in attempts.begun]
            failures = sum(1 for way in some if not way.well)
            gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
            assert sum(gap < 0.2499 for gap in gaps) <= failures  # only a failure shortens the delay
            assert all(gap < 0.2501 for gap in gaps)

        run_virtually(main())


class TestFailure:
    def test_all_reasons_are_in_one_message(self) -> None:
        async def main() -> None:
            with pytest.raises(AllFailed) as caught:
                await timed(Attempts(), Way("::1", 1.0, False), Way("10.0.0.1", 0.0, False))
            assert str(caught.value) == "no connection could be made: 10.0.0.1 refused; ::1 refused"

        run_virtually(main())

    def test_no_candidates(self) -> None:
        async def main() -> None:
            with pytest.raises(AllFailed, match="no address to connect to"):
                await timed(Attempts())

        run_virtually(main())

    def test_what_is_no_matter_of_one_candidate_ends_all(self) -> None:
        begun = Attempts()

        async def attempt(way: Way) -> str:
            if way.well:
                return await begun(way)
            raise RuntimeError("a fault of the program")

        async def main() -> None:
            with pytest.raises(RuntimeError, match="a fault of the program"):
                await connect_first([Way("::1"), Way("::2", well=False), Way("::3")], attempt)

        run_virtually(main())
        assert begun.cancelled == ["::1"]


class TestCancelling:
    def test_attempts_end_with_it(self) -> None:
        attempts = Attempts()

        async def main() -> None:
            task = asyncio.create_task(timed(attempts, Way("::1"), Way("10.0.0.1")))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        run_virtually(main())
        assert sorted(attempts.cancelled) == ["10.0.0.1", "::1"]

    @pytest.mark.parametrize("steps", range(8))
    def test_at_the_moment_of_success_nothing_is_lost(self, steps: int) -> None:
        attempts = Attempts()

        async def main() -> None:
            task = asyncio.create_task(timed(attempts, Way("::1", 0.3), Way("10.0.0.1", 0.05)))

            def later(left: int, action: Callable[[], object]) -> None:
                if left:
                    asyncio.get_running_loop().call_soon(functools.partial(later, left - 1, action))
                else:
                    action()

            asyncio.get_running_loop().call_at(0.3, later, steps, task.cancel)
            try:
                won = [(await task)[0]]
            except asyncio.CancelledError:
                won = []
            ended = [*won, *attempts.cancelled, *attempts.closed]
            assert sorted(ended) == sorted(address for address, _ in attempts.begun)

        run_virtually(main())


class TestSockets:
    def test_a_refused_address_is_passed_over(self) -> None:
        async def main() -> None:
            [listener] = listen_tcp(["127.0.0.1"], 0)
            port = listener.getsockname()[1]
            candidates = [Candidate(None, "::1"), Candidate(None, "127.0.0.2"), Candidate("127.0.0.3", "127.0.0.1")]
            way, found = await connect_first(
                candidates, lambda way: connect_tcp(way.local, way.remote, port), discard=lambda late: late.sock.close()
            )
            assert way == candidates[2]
            assert found.sock.getsockname()[0] == "127.0.0.3"
            assert found.sock.getpeername() == ("127.0.0.1", port)
            found.sock.close()
            listener.close()

        run(main())

    def test_nobody_listens(self) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as other:
                port = other.getsockname()[1]
            with pytest.raises(AllFailed) as caught:
                await connect_first(
                    [Candidate(None, "127.0.0.1"), Candidate(None, "::1")],
                    lambda way: connect_tcp(way.local, way.remote, port),
                )
            assert str(caught.value).count("nothing listens there") == 2

        run(main())

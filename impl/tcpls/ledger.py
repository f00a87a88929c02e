"""What was sent on a connection and is not acknowledged: which record holds which part of which stream (4.2.2)."""

from collections import deque
from collections.abc import Callable, Iterator

from impl.tcpls.streams.sending import SendStream


class Run:
    """Consecutive parts of a stream in consecutive records, one part in each; or a frame without stream data.

    Attributes:
        first: sequence number of the first record.
        last: of the last one.
        stream: whose data it is; None for another frame.
        start: offset of the first byte.
        end: where the last part ends.
        step: bytes of each part but the last.
        fin: the last part ends the stream.
        frame: the bytes of another frame, to be sent again if it is lost; empty if that is not needed.
        given_up: it was handed to other connections to be sent again.

    """

    __slots__ = ("end", "fin", "first", "frame", "given_up", "last", "start", "step", "stream")

    def __init__(
        self,
        first: int,
        last: int,
        stream: SendStream | None,
        start: int = 0,
        end: int = 0,
        step: int = 0,
        *,
        fin: bool = False,
        frame: bytes = b"",
    ) -> None:
        self.first = first
        self.last = last
        self.stream = stream
        self.start = start
        self.end = end
        self.step = step
        self.fin = fin
        self.frame = frame
        self.given_up = False


class Ledger:
    """The records of one connection that elicit an acknowledgement and have none, in the order in which they were sent.

    Attributes:
        unacknowledged: bytes of stream data in them.

    """

    __slots__ = ("_runs", "unacknowledged")

    def __init__(self) -> None:
        self._runs: deque[Run] = deque()
        self.unacknowledged = 0

    def __bool__(self) -> bool:
        return bool(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def add(self, run: Run) -> None:
        """A run was sent, behind all others."""
        self._runs.append(run)
        self.unacknowledged += run.end - run.start

    def acknowledge(self, highest: int, on_stream: Callable[[SendStream, int], None]) -> None:
        """The peer has all records up to `highest`.

        `on_stream` is called for each stream that this concerns, with the bytes that need not be kept any more.
        """
        runs = self._runs
        while runs and runs[0].last <= highest:
            run = runs.popleft()
            if run.stream is not None:
                self.unacknowledged -= run.end - run.start
                on_stream(run.stream, run.stream.acknowledge(run.start, run.end, fin=run.fin))
        if runs and runs[0].first <= highest and runs[0].stream is not None:
            run = runs[0]
            end = run.start + (highest + 1 - run.first) * run.step
            self.unacknowledged -= end - run.start
            on_stream(runs[0].stream, runs[0].stream.acknowledge(run.start, end, fin=False))
            run.first, run.start = highest + 1, end

    def give_up(self) -> Iterator[Run]:
        """The runs that have not been handed to other connections; they count as handed over now."""
        for run in self._runs:
            if not run.given_up:
                run.given_up = True
                yield run

    def take_back(self) -> None:
        """The connection works after all: what was handed over and not sent yet stays here."""
        for run in self._runs:
            if run.given_up:
                run.given_up = False
                if run.stream is not None:
                    run.stream.find(run.start, run.end, fin=run.fin)

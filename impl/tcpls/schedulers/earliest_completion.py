"""The scheduler for bulk data: a connection gets a byte unless waiting for others gets it there earlier."""

from collections.abc import Sequence

from impl.tcpls.schedulers.interface import BULK, RECORD, Path


class EarliestCompletion:
    """Spreads the data so that the last byte of what waits arrives as early as it can.

    The model: what a connection is given now leaves when its link is done with what it was given before, at the
    connection's rate, and arrives half a round trip later. A connection is granted a record if that arrives no later
    than the moment by which the other usable connections, loaded as they are, would have delivered everything that
    waits. So with a large backlog every connection is in use, and towards the end of a transfer a slow one is left
    alone instead of being given the bytes that everyone would then wait for. (The schedulers ECF and BLEST of Multipath
    TCP have the same aim.)

    The grant is the connection's part of the backlog when all finish at the same moment, and one record at the least.

    The usable connection that would deliver a record first is never refused. If it is blocked, it has bytes queued, and
    their acknowledgement brings the next round: so refusing the others never ends in a standstill. A connection whose
    rate is not known is granted what it takes, and not counted on when others are judged.
    """

    name = "earliest-completion"
    copies = False

    def __init__(self) -> None:
        self._loads: dict[int, tuple[int, float]] = {}
        self._now = 0.0

    def grant(self, path: Path, paths: Sequence[Path], backlog: int, now: float) -> int:
        """See Scheduler."""
        if not path.usable:
            return 0
        self._now = now
        measured = [other for other in paths if other.usable and other.rate > 0]
        self._keep_books(measured)
        others = [other for other in measured if other.id != path.id]
        if path.rate <= 0 or not others:
            return BULK
        size = min(backlog, RECORD)
        mine = self._arrival(path, size)
        first = min((self._arrival(other, size), other.id) for other in others) > (mine, path.id)
        if not first and mine > self._finish(others, backlog):
            return 0
        together = self._finish(measured, backlog)
        return max(RECORD, int(path.rate * (together - self._arrival(path, 0))))

    def order(self, paths: Sequence[Path]) -> Sequence[Path]:
        """See Scheduler."""
        return sorted(
            (path for path in paths if path.usable),
            key=lambda path: (self._arrival(path, RECORD) if path.rate > 0 else 0.0, path.id),
        )

    def _keep_books(self, paths: Sequence[Path]) -> None:
        """Note until when the links are busy with what they were given."""
        loads = {}
        for path in paths:
            sent, until = self._loads.get(path.id, (path.sent, self._now))
            loads[path.id] = (path.sent, max(until, self._now) + (path.sent - sent) / path.rate)
        self._loads = loads

    def _arrival(self, path: Path, size: int) -> float:
        """In how many seconds the last of ``size`` bytes given to the path now arrives."""
        return self._busy(path) + size / path.rate + path.srtt / 2

    def _busy(self, path: Path) -> float:
        """For how many seconds the link is busy.

        What is not acknowledged bounds it from both sides, however wrong the books are: at most all of that waits
        before the link; and at least what exceeds one round trip's worth does.
        """
        most = path.queued / path.rate
        _, until = self._loads.get(path.id, (0, self._now + most))
        return min(max(until - self._now, most - path.srtt, 0.0), most)

    def _finish(self, paths: Sequence[Path], size: int) -> float:
        """In how many seconds the paths together deliver ``size`` bytes, if each one is busy until then."""
        rate = 0.0
        early = 0.0
        finish = float("inf")
        # The quickest takes part from the start, each further one from the moment at which it could deliver anything.
        for begin, path in sorted(((self._arrival(path, 0), path) for path in paths), key=lambda entry: entry[0]):
            if begin >= finish:
                break
            rate += path.rate
            early += path.rate * begin
            finish = (size + early) / rate
        return finish

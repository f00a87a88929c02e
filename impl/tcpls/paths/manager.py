"""The client's path manager: which connections to open, and when to try again; it opens none itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from impl.tcpls.paths.candidates import Candidate, parse_address
from impl.tcpls.paths.settings import PathSettings, Policy


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a TCP connection.

    Attributes:
        attempt: names it in what is told about it.
        candidate: between which addresses.

    """

    attempt: int
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give up an attempt; nothing needs to be told about it any more.

    Attributes:
        attempt: which one.

    """

    attempt: int


class Refusal(Enum):
    """Why an attempt came to nothing."""

    UNREACHABLE = auto()
    """The TCP connection was refused, reset, timed out, or could not be tried."""
    TOKEN = auto()
    """The server refused the token (alert illegal_parameter, section 5.1.2)."""


@dataclass(slots=True)
class _Attempt:
    started: float
    patient: bool


@dataclass(slots=True)
class _Place:
    """What is known about a candidate."""

    candidate: Candidate
    next_start: float
    pace: float
    attempts: dict[int, _Attempt] = field(default_factory=dict)
    connected: bool = False
    suspected: float | None = None
    requested: bool = False
    failing: float | None = None  # since when it is known not to answer
    refused: bool = False  # since no connection is usable
    held: float = float("-inf")  # no attempt before
    connect_time: float | None = None

    @property
    def usable(self) -> bool:
        return self.connected and self.suspected is None

    def fail(self, now: float, pace: float) -> None:
        self.failing = now
        self.pace = pace


class PathManager:
    """Decides for the client of one session. All moments are on one monotonic clock, float seconds.

    **Attempts.** An attempt that is not answered is not waited for: others follow beside it, so that a path that comes
    back is found within a pause and a round trip. One of the attempts under way is patient: it stays for `patience`,
    so that a long round trip is no obstacle. The others live until `parallel` is reached and the oldest of them makes
    room; pauses are no shorter than the candidate's own connection time (up to a third of a second), so that each of
    them, too, has three of its round trips. The first attempt that gets through wins.

    **Tokens.** Without a token nothing is tried. A token is taken when an attempt has opened, not before, so that a
    silent path holds none of them back.

    Args:
        candidates: in order of preference.
        policy: which connections there should be.
        settings: the pace.
        now: s.

    """

    def __init__(
        self, candidates: Sequence[Candidate], policy: Policy, settings: PathSettings | None = None, *, now: float
    ) -> None:
        self.policy = policy
        self.settings = settings or PathSettings()
        self._places: dict[Candidate, _Place] = {}
        self._under_way: dict[int, _Place] = {}
        self._won: dict[int, _Place] = {}
        self._cancelled: list[int] = []
        self._present: frozenset[str] | None = None
        self._tokens = 0
        self._next_attempt = 0
        self._last_used: Candidate | None = None
        self._clock = now
        self._down_since: float | None = now
        for candidate in candidates:
            self.add(candidate, now)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All candidates, in order of preference."""
        return tuple(self._places)

    @property
    def connected(self) -> tuple[Candidate, ...]:
        """Those with a connection, suspected or not."""
        return tuple(place.candidate for place in self._places.values() if place.connected)

    # Facts

    def add(self, candidate: Candidate, now: float) -> None:
        """There is one more candidate; nothing happens if it is known."""
        self._clock = now
        self._places.setdefault(candidate, _Place(candidate, next_start=now, pace=self.settings.retry))

    def adopt(self, candidate: Candidate, now: float) -> None:
        """A candidate has a connection that was not opened here, as the session's first one.

        Raises:
            ValueError: there is no such candidate.

        """
        self._connect(self._place(candidate), now)

    def request(self, candidate: Candidate, now: float) -> None:
        """A connection is wanted for this candidate once, whatever the policy; it is tried until there is one.

        Nothing happens if there is one already that is not suspected.

        Raises:
            ValueError: there is no such candidate.

        """
        place = self._place(candidate)
        self._clock = now
        if not place.usable:
            place.requested = True

    def withdraw(self, candidate: Candidate, now: float) -> None:
        """A request no longer stands.

        Raises:
            ValueError: there is no such candidate.

        """
        self._clock = now
        self._place(candidate).requested = False

    def tokens(self, count: int) -> None:
        """So many tokens are there that no connection has used; told each time their number changes."""
        self._tokens = count

    def addresses(self, present: Iterable[str], now: float) -> None:
        """The local addresses that can be used now; the first call makes addresses count at all.

        Candidates with an address that was not there before are tried at once.
        """
        self._clock = now
        known = self._present
        self._present = frozenset(_without_scope(address) for address in present)
        if known is None:
            return
        come = self._present - known
        for place in self._places.values():
            local = place.candidate.local
            if come if local is None else _without_scope(local) in come:
                place.fail(now, self.settings.retry)
                place.next_start = now

    def retry_all(self, now: float) -> None:
        """The network has changed, as when a route has come: candidates that failed are tried at once."""
        self._clock = now
        for place in self._places.values():
            if place.failing is not None:
                place.fail(now, self.settings.retry)
                place.next_start = now

    def opened(self, attempt: int, now: float) -> bool:
        """An attempt's TCP connection is established.

        Returns:
            Whether it is wanted. If so it takes a token, it joins now, and if its candidate has another connection,
            this one replaces it. If not, as when another attempt was quicker, it is to be closed.

        """
        self._clock = now
        place = self._under_way.pop(attempt, None)
        if place is None:
            return False
        started = place.attempts.pop(attempt).started
        if self._wanted_from(place) is None:
            return False
        self._tokens -= 1
        taken = now - started
        place.connect_time = taken if place.connect_time is None else min(taken, place.connect_time)
        self._won = {other: owner for other, owner in self._won.items() if owner is not place} | {attempt: place}
        self._connect(place, now)
        return True

    def refused(self, attempt: int, reason: Refusal, now: float) -> None:
        """An attempt came to nothing: before it had opened, or in joining. Attempts that are over are ignored."""
        self._clock = now
        if (place := self._under_way.pop(attempt, None)) is not None:
            started = place.attempts.pop(attempt).started
            if place.failing is None:
                place.fail(now, self.settings.retry)
            place.refused = True
            if not self._is_slow(place, now):
                place.next_start = min(place.next_start, max(now, started + self.settings.retry))
        elif (place := self._won.pop(attempt, None)) is not None:
            self._disconnect(place, now)
            place.next_start = now + self.settings.retry
        else:
            return
        if reason is Refusal.TOKEN:
            self._cancel_all(place)
            place.held = now + self.settings.token_wait

    def lost(self, candidate: Candidate, now: float) -> None:
        """A candidate has no connection any more. (Not told of a connection that another one has replaced.)

        Raises:
            ValueError: there is no such candidate.

        """
        place = self._place(candidate)
        self._clock = now
        if place.connected:
            self._disconnect(place, now)

    def suspect(self, candidate: Candidate, suspected: bool, now: float) -> None:
        """A candidate's connection is suspected to be dead, or no longer.

        Raises:
            ValueError: there is no such candidate.

        """
        place = self._place(candidate)
        self._clock = now
        if not place.connected or suspected == (place.suspected is not None):
            return
        place.suspected = now if suspected else None
        if suspected:
            place.fail(now, self.settings.retry)
        self._see_whether_down(now)

    # Actions

    def actions(self, now: float) -> list[Connect | Cancel]:
        """What is to be done now."""
        self._clock = max(self._clock, now)
        for place in self._places.values():
            if place.attempts and self._wanted_from(place) is None:
                self._cancel_all(place)
        begun: list[Connect] = []
        for place in self._places.values():
            due = self._due(place)
            if due is not None and due <= now:
                begun.append(self._begin(place, now))
        cancelled, self._cancelled = self._cancelled, []
        return [*map(Cancel, cancelled), *begun]

    def deadline(self) -> float | None:
        """When ``actions`` has something to say next, if nothing else happens before; None if never."""
        if self._cancelled or any(p.attempts and self._wanted_from(p) is None for p in self._places.values()):
            return self._clock
        dues = (self._due(place) for place in self._places.values())
        return min((due for due in dues if due is not None), default=None)

    def _begin(self, place: _Place, now: float) -> Connect:
        settings = self.settings
        place.next_start = now + self._pause(place, now)
        patient = next(((attempt, a.started) for attempt, a in place.attempts.items() if a.patient), None)
        if patient is not None and now - patient[1] >= settings.patience:
            self._cancel(place, patient[0])
            patient = None
        quick = [attempt for attempt, a in place.attempts.items() if not a.patient]
        if patient is not None and len(quick) >= settings.parallel - 1:
            self._cancel(place, quick[0])
        attempt = self._next_attempt
        self._next_attempt += 1
        place.attempts[attempt] = _Attempt(now, patient is None)
        self._under_way[attempt] = place
        return Connect(attempt, place.candidate)

    def _pause(self, place: _Place, now: float) -> float:
        """How long after an attempt that begins now the next one follows."""
        settings = self.settings
        if place.failing is None:
            if not place.attempts:
                return settings.first
            place.fail(now, settings.retry)
        if self._is_slow(place, now):
            place.pace = min(2 * place.pace, settings.slowest)
            return place.pace
        longest = settings.patience / (3 * (settings.parallel - 1))
        return max(settings.retry, min(place.connect_time or 0.0, longest))

    def _is_slow(self, place: _Place, now: float) -> bool:
        return place.failing is not None and now - place.failing >= self.settings.eager_for

    def _due(self, place: _Place) -> float | None:
        wanted = self._wanted_from(place)
        return None if wanted is None else max(wanted, place.next_start, place.held)

    def _wanted_from(self, place: _Place) -> float | None:
        """From when on there should be attempts; None if there should be none."""
        local = place.candidate.local
        if self._tokens <= 0 or place.usable:
            return None
        if self._present is not None and local is not None and _without_scope(local) not in self._present:
            return None
        if place.requested:
            return float("-inf")
        if self.policy is Policy.MANUAL:
            return None
        begin = float("-inf")
        if self.policy is Policy.ON_FAILURE:
            if self._down_since is None:
                return None
            begin = self._down_since + self.settings.first * self._before(place)
        if place.suspected is not None:
            begin = max(begin, place.suspected + self.settings.suspect_after)
        return begin

    def _before(self, place: _Place) -> int:
        """How many candidates are tried before this one under ON_FAILURE; the first is the one after the last used."""
        order = list(self._places.values())
        if self._last_used is not None:
            start = next(n for n, other in enumerate(order) if other.candidate == self._last_used) + 1
            order = order[start:] + order[:start]
        count = 0
        for other in order:
            if other is place:
                break
            local = other.candidate.local
            absent = self._present is not None and local is not None and _without_scope(local) not in self._present
            count += not (absent or other.refused)
        return count

    def _connect(self, place: _Place, now: float) -> None:
        self._clock = now
        self._cancel_all(place)
        place.connected = True
        place.suspected = place.failing = None
        place.requested = False
        self._last_used = place.candidate
        self._see_whether_down(now)

    def _disconnect(self, place: _Place, now: float) -> None:
        place.connected = False
        place.suspected = None
        place.fail(now, self.settings.retry)
        if not place.attempts:
            place.next_start = now
        self._won = {attempt: owner for attempt, owner in self._won.items() if owner is not place}
        self._see_whether_down(now)

    def _see_whether_down(self, now: float) -> None:
        if any(place.usable for place in self._places.values()):
            self._down_since = None
        elif self._down_since is None:
            self._down_since = now
            for place in self._places.values():
                place.refused = False

    def _cancel_all(self, place: _Place) -> None:
        for attempt in tuple(place.attempts):
            self._cancel(place, attempt)

    def _cancel(self, place: _Place, attempt: int) -> None:
        del place.attempts[attempt]
        del self._under_way[attempt]
        self._cancelled.append(attempt)

    def _place(self, candidate: Candidate) -> _Place:
        try:
            return self._places[candidate]
        except KeyError:
            known = "; ".join(map(str, self._places)) or "none"
            raise ValueError(f"no candidate goes from {candidate}; the candidates are: {known}") from None


def _without_scope(address: str) -> str:
    """Canonical, without the zone of a link-local address, which one source of addresses gives and another does not."""
    return str(parse_address(address.partition("%")[0]))

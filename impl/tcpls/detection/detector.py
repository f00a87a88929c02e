"""The judgement on one connection's path; what it follows is explained in the package."""

from enum import Enum, auto
from typing import Final

from impl.tcpls.detection.events import Declared, DetectionEvent, PathState, PingWanted, Recovered, Suspected
from impl.tcpls.detection.settings import DetectionSettings
from impl.tcpls.transport_info import TransportInfo

_RTO_FLOOR: Final = 0.2  # s; Linux's lowest retransmission timeout is this much above srtt
_UNKNOWN_RTT: Final = 1 / 3  # s; the round trip that RFC 9002, section 6.2.2, assumes before the first sample
_TAIL: Final = 3  # segments: with so few in flight the loss of the last one can be all there is
_SMOOTHING: Final = 1 / 8  # of RFC 6298


class _Doubt(Enum):
    SILENCE = auto()
    TIMEOUTS = auto()
    UNANSWERED = auto()


class FailureDetector:
    """Watches one connection. All moments are on one monotonic clock, float seconds.

    Read the kernel's TransportInfo, and give it to ``observed``, right before each ``tick``: acknowledgements come
    without anyone else being told.

    Args:
        settings: the numbers.
        now: when the watch begins.

    Attributes:
        expecting: whether data of the peer is awaited: some incoming stream is incomplete. The user sets it.
        state: what is thought of the path.

    """

    def __init__(self, settings: DetectionSettings, now: float) -> None:
        self.expecting = False
        self.state = PathState.ALIVE
        self._settings = settings
        self._info: TransportInfo | None = None
        self._observed = now
        self._life = now  # the last sign of life
        self._answered = now  # the last record or TCPLS acknowledgement
        self._active = now  # when anything was last sent, received or asked for
        self._in_flight: float | None = None  # since when the peer's kernel owes an acknowledgement, as far as we know
        self._unanswered: float | None = None  # since when the peer owes a TCPLS acknowledgement
        self._answer_time = _UNKNOWN_RTT
        self._asked: float | None = None  # when a record was sent whose TCPLS acknowledgement is the next one
        self._doubt: _Doubt | None = None
        self._doubted = 0.0
        self._verdict_due = 0.0
        self._declared: str | None = None
        self._look: float | None = None  # something happened then that a tick should take up
        self._recovered = False
        self._missed: float | None = None
        self._data: float | None = None  # when data last came, or a Ping was last wanted for its absence
        self._pings = 0  # how many were wanted since data came
        self._before_data: tuple[float | None, int] | None = None
        self._before: tuple[float | None, int] = (None, 0)  # the same, whether there were Pings or not
        self._put_off: tuple[float | None, int] | None = None  # the Ping that waits because something is in flight

    @property
    def alive(self) -> bool:
        """Whether the path is neither suspected nor given up."""
        return self.state is PathState.ALIVE

    @property
    def declared(self) -> str | None:
        """The reason of the verdict; None as long as there is none."""
        return self._declared

    # Facts

    def sent(self, now: float, elicits_ack: bool) -> None:
        """A record was given to the socket."""
        self._active = now
        if self._in_flight is None:
            self._in_flight = now
        if elicits_ack and self._unanswered is None:
            self._unanswered = self._asked = now

    def acknowledged(self, now: float, outstanding: bool) -> None:
        """A TCPLS acknowledgement for this connection came, on whichever connection.

        Where the kernel's word is known, it is not a sign of life by itself: it may have come on another connection,
        about records that arrived before this path died. It has the caller look at the kernel at once instead.

        Args:
            now: s.
            outstanding: whether records that elicit an acknowledgement are still without one.

        """
        if self._asked is not None:
            self._answer_time += _SMOOTHING * (now - self._asked - self._answer_time)
            self._asked = None
        self._unanswered = now if outstanding else None
        self._answered = max(self._answered, now)
        if self._before_data is not None and self._data == now:
            # The record that came now is the answer to our Ping: it does not mean that data flows.
            self._data, self._pings = self._before_data
        self._before_data = None
        if self._info is None or self._doubt is _Doubt.UNANSWERED:
            self._show_life(now)
        elif self._doubt is not None:
            self._look = now

    def missed(self, now: float) -> None:
        """The peer has told on another connection what it has received here: it waits, and nothing comes."""
        self._missed = now

    def received(self, now: float) -> None:
        """A record came on this connection."""
        self._active = now
        self._answered = max(self._answered, now)
        self._before = (self._data, self._pings)
        self._before_data = self._before if self._pings else None
        self._data, self._pings = now, 0
        if self._doubt is _Doubt.SILENCE and self._times_out:
            self._doubt = _Doubt.TIMEOUTS
        if self._doubt is _Doubt.TIMEOUTS:
            self._look = now  # it shows that we hear the peer; whether the peer hears us, the kernel may know by now
        else:
            self._show_life(now)

    def without_data(self, now: float) -> None:
        """What was received now had no data in it: two ends that ask each other would otherwise never stop."""
        if self._data == now:
            self._data, self._pings = self._before

    def observed(self, info: TransportInfo, now: float) -> None:
        """The kernel's word about the connection, read at ``now``."""
        self._info = info
        self._observed = now
        self._life = max(self._life, min(info.last_ack, now))
        if info.unacked == 0 and info.unsent == 0:
            self._in_flight = None
        elif info.unacked == 0 or info.send_window == 0 or self._in_flight is None:
            # Nothing is owed: the peer's window is closed, or the kernel waits with sending. But look again later.
            self._in_flight = now
        if self._doubt in (_Doubt.SILENCE, _Doubt.TIMEOUTS):
            # An acknowledgement that answers a retransmission sets the count of timeouts to 0; other segments do not.
            everything = self._in_flight is None and info.established
            if info.retransmits == 0 and (everything or info.last_ack > self._doubted):
                self._show_life(now)
        elif self._times_out:
            self._look = now

    # Time

    def deadline(self) -> float | None:
        """When the next ``tick`` is due; None if only a fact can change anything. A tick before it does nothing."""
        if self._look is not None:
            return self._look
        if self.state is PathState.FAILED:
            return None
        if self._doubt in (_Doubt.SILENCE, _Doubt.TIMEOUTS):
            return self._verdict_due
        moments = [self._silence_due]
        if self._doubt is None:
            # A Ping is of no use while something is in flight anyway; but whether it is, only the kernel can say.
            if self._waiting is None or self._put_off != (self._data, self._pings):
                moments.append(self._ping_due)
            moments += [self._unanswered_due, self._keepalive_due, self._look_due]
        return min((moment for moment in moments if moment is not None), default=None)

    def tick(self, now: float) -> list[DetectionEvent]:
        """Judge, and say what is new."""
        due = self.deadline()
        if due is None or now < due:
            return []
        self._look = None
        self._observed = now  # the caller has looked
        events: list[DetectionEvent] = []
        if self._recovered:
            self._recovered = False
            events.append(Recovered())
        if self.state is PathState.ALIVE:
            events += self._judge(now)
        elif self.state is PathState.SUSPECT:
            if self._doubt is _Doubt.UNANSWERED:
                self._judge_further(now)
            elif now >= self._verdict_due:
                self.state = PathState.FAILED
                since, what = self._life, "sign of life"
                if self._doubt is _Doubt.TIMEOUTS:
                    since, what = self._doubted, "answer to retransmissions"
                self._declared = f"no {what} for {now - since:.2f} s"
                events.append(Declared(self._declared))
        return events

    def _judge(self, now: float) -> list[DetectionEvent]:
        if self._times_out:
            assert self._info is not None
            return [self._suspect(_Doubt.TIMEOUTS, f"{self._info.retransmits} retransmission timeouts in a row", now)]
        if self._silence_due is not None and now >= self._silence_due:
            since = max(self._life, self._waiting or self._life)
            return [self._suspect(_Doubt.SILENCE, f"no acknowledgement for {now - since:.3f} s", now)]
        if self._unanswered_due is not None and now >= self._unanswered_due:
            reason = f"the peer reads nothing: no record acknowledged for {self._settings.patience:g} s"
            return [self._suspect(_Doubt.UNANSWERED, reason, now)]
        if self._ping_due is not None and now >= self._ping_due and self._stopped(now):
            self._data = self._active = now
            self._pings += 1
            return [PingWanted()]
        if self._keepalive_due is not None and now >= self._keepalive_due:
            self._active = now
            return [PingWanted()]
        return []

    def _stopped(self, now: float) -> bool:
        """A Ping is due because data was awaited and has stopped: is it wanted?"""
        if self._waiting is not None:
            self._put_off = (self._data, self._pings)
            return False
        assert self._data is not None
        if not self._pings and now - self._data > max(self._settings.recent, self._ping_interval):
            self._data = None
            return False
        return True

    def _judge_further(self, now: float) -> None:
        """The peer's program is silent: is its kernel, too? Then a verdict may follow."""
        if self._times_out:
            self._suspect(_Doubt.TIMEOUTS, "", now)
        elif self._silence_due is not None and now >= self._silence_due:
            self._suspect(_Doubt.SILENCE, "", now)

    def _suspect(self, doubt: _Doubt, reason: str, now: float) -> Suspected:
        self.state = PathState.SUSPECT
        self._doubt = doubt
        self._doubted = now
        wait = self._settings.verdict_after
        if self._info is not None:
            timeout = self._info.srtt + max(4 * self._info.rttvar, _RTO_FLOOR)
            wait = min(max(wait, 2 * timeout), self._settings.verdict_limit)
        self._verdict_due = now + wait
        return Suspected(reason, by_path=doubt is not _Doubt.UNANSWERED)

    def _show_life(self, now: float) -> None:
        self._life = max(self._life, now)
        if self._doubt is None:
            return
        self.state = PathState.ALIVE
        self._doubt = self._declared = None
        self._recovered = True
        self._look = now

    @property
    def _waiting(self) -> float | None:
        """Since when something is owed that silence can be judged by."""
        return self._unanswered if self._info is None else self._in_flight

    @property
    def _times_out(self) -> bool:
        info = self._info
        return info is not None and info.unacked > 0 and info.retransmits >= self._settings.timeouts

    @property
    def _silence_due(self) -> float | None:
        waiting = self._waiting
        return None if waiting is None else max(self._life, waiting) + self._silence_limit

    @property
    def _look_due(self) -> float | None:
        """Timeouts must be noticed even if the peer is heard all the time."""
        return None if self._info is None or self._in_flight is None else self._observed + self._silence_limit

    @property
    def _silence_limit(self) -> float:
        settings, info = self._settings, self._info
        if info is None:
            return max(settings.blind_floor, settings.blind_round_trips * self._answer_time)
        limit = settings.ack_allowance
        if info.srtt > 0:
            if self._is_missed(info):
                return max(settings.missed_floor, info.srtt + 2 * info.rttvar + settings.missed_allowance)
            limit += info.srtt + 4 * info.rttvar
            if info.unsent == 0 and info.unacked <= _TAIL * info.mss:
                limit += settings.tail_probe * info.srtt
        else:
            limit += 3 * _UNKNOWN_RTT  # 1 s, as the first timeout of RFC 6298
        return min(max(limit, settings.floor), settings.ceiling)

    def _is_missed(self, info: TransportInfo) -> bool:
        """Whether the peer misses what we have sent here: not what it could not have received when it said so."""
        if self._missed is None or self._in_flight is None or self._missed <= self._life:
            return False
        return self._missed >= self._in_flight + info.srtt

    @property
    def _unanswered_due(self) -> float | None:
        if self._info is None or self._unanswered is None:
            return None
        return max(self._unanswered, self._answered) + self._settings.patience

    @property
    def _ping_interval(self) -> float:
        round_trip = self._info.srtt if self._info is not None and self._info.srtt > 0 else self._answer_time
        first = max(self._settings.ping_floor, self._settings.ping_round_trips * round_trip)
        return min(first * 2.0 ** min(self._pings, 60), self._settings.keepalive)

    @property
    def _ping_due(self) -> float | None:
        return None if not self.expecting or self._data is None else self._data + self._ping_interval

    @property
    def _keepalive_due(self) -> float | None:
        if self._waiting is not None or self._unanswered is not None:
            return None
        return self._active + self._settings.keepalive

"""A user of the path manager on virtual time, with paths that answer, refuse, or are silent."""

from dataclasses import dataclass, field
from math import inf

from impl.tcpls.paths import Cancel, Candidate, Connect, PathManager, PathSettings, Policy, Refusal

FIRST = Candidate("10.0.0.1", "10.0.1.1")
SECOND = Candidate("10.0.0.2", "10.0.1.2")
THIRD = Candidate("fd00::1", "fd00:1::1")


@dataclass
class Behaviour:
    """How a candidate's path behaves.

    Attributes:
        rtt: after which its SYN is answered, s; None for never.
        refuses: whether the answer is a reset.
        token_refused: whether the server refuses the token, another round trip later.

    """

    rtt: float | None = 0.04
    refuses: bool = False
    token_refused: bool = False


@dataclass
class User:
    """Does what the manager says, and tells it what comes of that."""

    candidates: tuple[Candidate, ...] = (FIRST, SECOND, THIRD)
    policy: Policy = Policy.ALL
    settings: PathSettings = field(default_factory=PathSettings)
    tokens: int = 10
    now: float = 0.0

    def __post_init__(self) -> None:
        self.manager = PathManager(self.candidates, self.policy, self.settings, now=self.now)
        self.manager.tokens(self.tokens)
        self.paths = {candidate: Behaviour() for candidate in self.candidates}
        self.under_way: dict[int, tuple[Candidate, float]] = {}
        self.answers: dict[int, float] = {}
        self.starts: list[tuple[float, Candidate]] = []
        self.opened: list[tuple[float, Candidate]] = []
        self.cancelled: list[tuple[float, Candidate, float]] = []
        self.unwanted = 0
        self.most: dict[Candidate, int] = dict.fromkeys(self.candidates, 0)

    def starts_of(self, candidate: Candidate) -> list[float]:
        return [moment for moment, which in self.starts if which == candidate]

    def opened_at(self, candidate: Candidate) -> float:
        return next(moment for moment, which in self.opened if which == candidate)

    def act(self) -> None:
        """Do what is to be done now; there must be something left to do only later."""
        for action in self.manager.actions(self.now):
            match action:
                case Connect(attempt, candidate):
                    self.under_way[attempt] = (candidate, self.now)
                    self.starts.append((self.now, candidate))
                    rtt = self.paths[candidate].rtt
                    if rtt is not None:
                        self.answers[attempt] = self.now + rtt
                case Cancel(attempt):
                    candidate, started = self.under_way.pop(attempt)
                    self.answers.pop(attempt, None)
                    self.cancelled.append((self.now, candidate, self.now - started))
        for candidate in self.candidates:
            count = sum(which == candidate for which, _ in self.under_way.values())
            self.most[candidate] = max(count, self.most[candidate])
            assert count <= self.settings.parallel
        due = self.manager.deadline()
        assert due is None or due > self.now
        assert self.manager.actions(self.now) == []

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            due = self.manager.deadline()
            moment = min(inf if due is None else due, *self.answers.values(), inf)
            if moment > until:
                break
            self.now = max(self.now, moment)
            for attempt in [attempt for attempt, at in self.answers.items() if at <= self.now]:
                del self.answers[attempt]
                self._answer(attempt)
            self.act()
        self.now = max(self.now, until)

    def _answer(self, attempt: int) -> None:
        candidate, _ = self.under_way.pop(attempt)
        path = self.paths[candidate]
        if path.refuses:
            self.manager.refused(attempt, Refusal.UNREACHABLE, self.now)
        elif not self.manager.opened(attempt, self.now):
            self.unwanted += 1
        else:
            self.tokens -= 1
            self.manager.tokens(self.tokens)
            if path.token_refused:
                self.manager.refused(attempt, Refusal.TOKEN, self.now)
            else:
                self.opened.append((self.now, candidate))

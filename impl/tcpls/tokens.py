"""Tokens: what a server gives out and takes back once, and what a client keeps (sections 4.2, 5.1.2, 5.2.5 and 6)."""

import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from impl.tcpls.errors import protocol_violation
from impl.tcpls.frames import NewToken
from impl.tcpls.registries import MAX_TOKEN_SEQUENCE, TOKEN_SIZE

SessionT = TypeVar("SessionT")


class TokenRegistry(Generic[SessionT]):
    """All tokens of a server that have not been used, over all its sessions.

    Their values are random, so that nobody can guess one or tell which belong together (section 6).
    """

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._valid: dict[bytes, tuple[SessionT, int]] = {}

    def __len__(self) -> int:
        return len(self._valid)

    def issue(self, session: SessionT, sequence: int) -> bytes:
        """Make a token of a session, with the sequence number that it is given."""
        while (token := self._random(TOKEN_SIZE)) in self._valid:
            pass
        self._valid[token] = (session, sequence)
        return token

    def use(self, token: bytes) -> tuple[SessionT, int] | None:
        """Take a token out: its session and sequence number, or None if it is not valid or was used (section 4.2)."""
        return self._valid.pop(token, None)

    def withdraw(self, tokens: Iterable[bytes]) -> None:
        """Forget those of these tokens that were not used: their session is over."""
        for token in tokens:
            self._valid.pop(token, None)


class TokenIssuer:
    """The tokens of one session, on the server: how many its client has, and which number the next one gets.

    The server controls the number of connections by that of tokens (section 4.2): connections and unused tokens
    together are never more than `connections`.

    Args:
        connections: how many connections the session may have at a time.
        issue: makes a token with a sequence number.

    Attributes:
        issued: all tokens so far.

    """

    def __init__(self, connections: int, issue: Callable[[int], bytes]) -> None:
        if connections < 1:
            raise ValueError(f"a session of {connections} connections; it has at least 1")
        self._most = connections
        self._issue = issue
        self._unused = 0
        self.issued: list[bytes] = []

    @property
    def exhausted(self) -> bool:
        """Whether all 255 sequence numbers have been given out: no connection can be joined beyond those."""
        return len(self.issued) >= MAX_TOKEN_SEQUENCE

    def replenish(self, connections: int) -> list[NewToken]:
        """Make the tokens that are missing, now that the session has so many connections (section 5.1.2)."""
        frames = []
        while connections + self._unused < self._most and not self.exhausted:
            sequence = len(self.issued) + 1
            self.issued.append(self._issue(sequence))
            frames.append(NewToken(sequence, self.issued[-1]))
            self._unused += 1
        return frames

    def token(self, sequence: int) -> bytes | None:
        """The token with this sequence number, None if it was not given out."""
        return self.issued[sequence - 1] if 0 < sequence <= len(self.issued) else None

    def used(self) -> None:
        """The client has used one, be it in vain."""
        self._unused -= 1


class TokenStore:
    """The tokens of one session, on the client; each is used once."""

    def __init__(self) -> None:
        self._tokens: deque[NewToken] = deque()
        self._seen: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def add(self, frame: NewToken) -> bool:
        """Keep a token; False if it is known already, because its frame was sent again on another connection.

        Raises:
            TLSError: illegal_parameter, the sequence number is that of the first connection, or of another token.

        """
        if frame.sequence == 0:
            raise protocol_violation("New Token with sequence 0, which is the first connection's ID (section 4.2.1)")
        known = self._seen.get(frame.sequence)
        if known is None:
            self._seen[frame.sequence] = frame.token
            self._tokens.append(frame)
        elif known != frame.token:
            raise protocol_violation(f"two tokens have the sequence number {frame.sequence} (section 5.2.5)")
        return known is None

    def take(self) -> NewToken | None:
        """Take the oldest one for a connection; None if there is none."""
        return self._tokens.popleft() if self._tokens else None

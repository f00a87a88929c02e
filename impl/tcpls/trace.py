"""What a session tells of its inner life while it is traced (see qlog/); without a trace it costs nothing."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from impl.tcpls.packing import Packer


class Trace(Protocol):
    """Is told what happens in a session.

    Attributes:
        enabled: whether anybody listens; records are only described if so.

    """

    enabled: bool

    def event(self, now: float, name: str, data: Mapping[str, Any]) -> None:
        """Something has happened, under a name of the namespace ``tcpls``."""

    def records_sent(self, now: float, connection_id: int, first: int, packer: Packer) -> None:
        """Records were made; `first` is the sequence number of the first one."""

    def records_received(
        self, now: float, connection_id: int, last: int, content: bytes | memoryview, ends: tuple[int, ...]
    ) -> None:
        """Records came; `last` is the sequence number of the last one."""


class NullTrace:
    """Nobody listens."""

    enabled = False

    def event(self, now: float, name: str, data: Mapping[str, Any]) -> None:
        """Nothing."""

    def records_sent(self, now: float, connection_id: int, first: int, packer: Packer) -> None:
        """Nothing."""

    def records_received(
        self, now: float, connection_id: int, last: int, content: bytes | memoryview, ends: tuple[int, ...]
    ) -> None:
        """Nothing."""


NO_TRACE: Final = NullTrace()

"""Acknowledgements: when they are due, and on which connection they go (sections 4.2.2 and 5.2.4 of the draft)."""

from collections.abc import Iterable, Mapping
from typing import Final

from impl.tcpls.connection import Connection
from impl.tcpls.frames import Ack
from impl.tcpls.settings import Settings

_SHORTEST_DELAY: Final = 0.005
_SPACING: Final = 0.002
"""Seconds between acknowledgements of a connection; more of them would keep fast connections busy."""
_QUIET: Final = 0.05
"""Seconds without data, where data is awaited, after which the peer is told elsewhere what has come on a connection."""


def acknowledge(connection: Connection, eliciting: int, settings: Settings, now: float) -> None:
    """Records came that elicit an acknowledgement: see when it is due.

    Every `ack_records` records, but no more often than `_SPACING`; or after `ack_delay`, or a quarter of a round trip
    if that is shorter: what is not acknowledged when a connection fails is sent again in vain. At once for the first
    record of a connection, which tells the peer that the join has worked.
    """
    if connection.owed == 0 and connection.reported < 0:
        connection.ack_due = now
    connection.owed += eliciting
    connection.last_data = now
    if connection.owed >= settings.ack_records:
        connection.ack_due = max(now, connection.last_ack + _SPACING)
    elif connection.ack_due is None:
        connection.ack_due = now + min(settings.ack_delay, max(connection.srtt / 4, _SHORTEST_DELAY))


def _carries_acks(connection: Connection, other: Connection, connections: Mapping[int, Connection]) -> bool:
    """Whether `connection` takes the acknowledgements of `other`: its own, or those of one that had better not."""
    if other.usable or not any(c.usable for c in connections.values()):
        return other is connection
    return connection.usable


def ack_is_due(connection: Connection, connections: Mapping[int, Connection], now: float) -> bool:
    """Whether `connection` should send an acknowledgement now: its own, or one of a connection that cannot."""
    return any(
        other.ack_due is not None
        and other.ack_due <= now
        and other.highest_received > other.reported
        and _carries_acks(connection, other, connections)
        for other in connections.values()
    )


def ack_deadline(connection: Connection, connections: Mapping[int, Connection]) -> float | None:
    """When somebody must be asked to send the acknowledgement that is owed on `connection`.

    None if none is owed, or if nobody can send it now: whoever can later is asked then anyway.
    """
    if connection.ack_due is None or connection.highest_received <= connection.reported:
        return None
    able = any(
        _carries_acks(other, connection, connections)
        and not other.blocked
        and not other.awaits_preamble
        and other.records.can_send
        for other in connections.values()
    )
    return connection.ack_due if able else None


def acks_for(connection: Connection, connections: Mapping[int, Connection], now: float) -> list[Ack]:
    """The acknowledgements that go with the next records of `connection`.

    Those of a connection go on itself, since they tell the peer that both directions work; on any other one if it is
    suspected or cannot send (section 4.2.2: "over any connections").
    """
    frames = []
    for other in connections.values():
        if other.ack_due is None or other.highest_received <= other.reported:
            continue
        if _carries_acks(connection, other, connections) and (other is connection or other.ack_due <= now):
            frames.append(Ack(other.id, other.highest_received))
            other.reported = other.highest_received
            other.owed = 0
            other.ack_due = None
            other.last_ack = now
    return frames


def quiet_deadline(connection: Connection) -> float | None:
    """When to tell the peer, on another connection, what has come on this one, since nothing comes any more.

    If its path is dead, the acknowledgements that were sent on it are lost, and the peer would send again what is here
    already. It also tells the peer that we wait.
    """
    if connection.last_data is None or connection.told_elsewhere >= connection.highest_received:
        return None
    return connection.last_data + _QUIET


def tell_elsewhere(connections: Iterable[Connection], via: Connection) -> None:
    """Acknowledge on `via` what has come on other connections, whether that was done on those or not."""
    for connection in connections:
        highest = connection.highest_received
        if connection is not via and highest > connection.told_elsewhere:
            connection.told_elsewhere = highest
            via.control.append((Ack(connection.id, highest).encode(), False))

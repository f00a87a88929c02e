"""Where the parts of a path are in a running network: plain data for everything that shapes, measures or breaks it."""

from dataclasses import dataclass
from typing import Literal

DirectionName = Literal["forward", "backward"]
Family = Literal["ipv4", "ipv6"]


@dataclass(frozen=True)
class Attachment:
    """An interface of a node; ``pid`` is a process whose network namespace is the node's."""

    node: str
    pid: int
    interface: str


@dataclass(frozen=True)
class Direction:
    """One direction of a path.

    Attributes:
        path: name of the path.
        name: ``forward`` goes from the path's ``from`` node to its ``to`` node.
        shaper: egress interface of the first middle node; the rate is shaped there.
        element: egress interface of the second middle node; packets leave through it after their delay.
        element_ingress: interface of that same node by which they come in.
        queue_number: number of the NFQUEUE queue, unique in the network.

    """

    path: str
    name: DirectionName
    shaper: Attachment
    element: Attachment
    element_ingress: str
    queue_number: int

    @property
    def key(self) -> tuple[str, DirectionName]:
        """Path and direction, by which counters and results are filed."""
        return self.path, self.name


@dataclass(frozen=True)
class PathInstance:
    """A path of a running network: ``from_ — a — b — to``, with ``a`` and ``b`` its two middle nodes."""

    name: str
    family: Family
    from_: Attachment
    to: Attachment
    a_near: Attachment
    b_near: Attachment
    from_address: str
    to_address: str
    forward: Direction
    backward: Direction

    @property
    def directions(self) -> tuple[Direction, Direction]:
        """Both directions, forward first."""
        return self.forward, self.backward

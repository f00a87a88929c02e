"""Topologies as data: nodes, and paths that join them."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from harness.spec.errors import Misfit
from harness.spec.link import LARGEST_QUEUE_BYTES, Link
from harness.spec.units import Flag, Model

# Interface names have 15 characters at most; Mininet appends "-eth0" to the node's, and up to "-eth99".
_NODE_NAME = re.compile(r"[a-z][a-z0-9]{0,8}")
_PATH_NAME = re.compile(r"[a-z][a-z0-9]{0,7}")


class Node(Model):
    """A host, a converter or a middlebox.

    ``addresses`` says whether the node is reached by one address on each of its paths (``per_path``), or by one of its
    own that every path leads to (``shared``): a server with one address and two ways to it.
    """

    name: str
    kind: Literal["client", "server", "converter", "middlebox"]
    addresses: Literal["per_path", "shared"] = "per_path"

    @field_validator("name")
    @classmethod
    def _short(cls, value: str) -> str:
        if not _NODE_NAME.fullmatch(value):
            raise ValueError(
                f"{value!r} is no node name; allowed: a small letter, then up to eight small letters and digits"
            )
        return value


class Path(Model):
    """Two nodes joined through two middle nodes of the path's own; ``forward`` goes from ``from`` to ``to``.

    ``both`` in a file gives what the two directions have in common.
    """

    name: str
    from_: Annotated[str, Field(alias="from", description="node at one end; the client of an access path, by habit")]
    to: str = Field(description="node at the other end")
    family: Literal["ipv4", "ipv6"] = "ipv4"
    forward: Link = Field(Link(), description="what happens to packets from `from` to `to`")
    backward: Link = Field(Link(), description="what happens to packets from `to` to `from`")
    initially: Literal["up", "down"] = Field("up", description="a path that is down comes up by the fault `up`")
    nat: Flag = Field(
        False, description="the middle node next to `from` translates its address, so that it can be rebound"
    )
    mtu: int = Field(1500, strict=True, ge=576, le=9000, description="bytes of the largest IP packet")

    @model_validator(mode="before")
    @classmethod
    def _spread_both(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "both" not in data:
            return data
        data = dict(data)
        both = data.pop("both")
        if not isinstance(both, dict):
            raise Misfit('is a table with the keys of a link, such as { rate = "25mbit", delay = "20ms" }', "both")
        for direction in ("forward", "backward"):
            own = data.get(direction, {})
            data[direction] = {**both, **own} if isinstance(own, dict) else own
        return data

    @field_validator("name")
    @classmethod
    def _short(cls, value: str) -> str:
        if not _PATH_NAME.fullmatch(value):
            raise ValueError(
                f"{value!r} is no path name; allowed: a small letter, then up to seven small letters and digits"
            )
        return value

    @model_validator(mode="after")
    def _two_ends(self) -> Self:
        if self.from_ == self.to:
            raise Misfit(f"path {self.name!r} joins {self.to!r} with itself; `to` is another node than `from`", "to")
        if self.nat and self.family == "ipv6":
            raise Misfit("a path with nat has family ipv4", "nat")
        if self.family == "ipv6" and self.mtu < 1280:
            raise Misfit(f"{self.mtu} is too small; an ipv6 path has an mtu of 1280 or more", "mtu")
        return self

    @model_validator(mode="after")
    def _links_do_what_they_say(self) -> Self:
        for direction, link in (("forward", self.forward), ("backward", self.backward)):
            if link.rate is None and link.queue != Link().queue:
                raise Misfit("a queue without a rate holds nothing; give the link a rate too", direction, "queue")
            if link.queue.bdp is not None and self.round_trip == 0:
                raise Misfit("a queue in BDPs needs a path with a delay", direction, "queue", "bdp")
            if link.rate is not None and link.queue_bytes(self.round_trip) > LARGEST_QUEUE_BYTES:
                raise Misfit(f"is more than {LARGEST_QUEUE_BYTES} bytes, the most there can be", direction, "queue")
            if link.reorder is not None and link.delay == 0:
                raise Misfit("reordering needs a delay: packets overtake those that wait", direction, "reorder")
        return self

    @property
    def round_trip(self) -> float:
        """Configured round-trip delay in seconds, without queues."""
        return self.forward.delay + self.backward.delay


class Topology(Model):
    """A network."""

    name: str
    description: str = ""
    node: list[Node] = Field(min_length=2)
    path: list[Path] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        nodes, paths = [n.name for n in self.node], [p.name for p in self.path]
        for what, names in (("node", nodes), ("path", paths)):
            for index, name in enumerate(names):
                if name in names[:index]:
                    message = f"{what} {name!r} is named twice; every {what} has a name of its own"
                    raise Misfit(message, what, index, "name")
        middle = {f"{name}{side}" for name in paths for side in "ab"}
        for index, name in enumerate(nodes):
            if name in middle:
                message = f"node {name!r} has the name of a middle node (<path>a and <path>b are taken)"
                raise Misfit(message, "node", index, "name")
        for index, path in enumerate(self.path):
            for end, name in (("from", path.from_), ("to", path.to)):
                if name not in nodes:
                    known = ", ".join(nodes)
                    message = f"path {path.name!r} ends at node {name!r}, which does not exist; nodes: {known}"
                    raise Misfit(message, "path", index, end)
        for kind in ("client", "server"):
            named = [node.name for node in self.node if node.kind == kind]
            if len(named) != 1:
                found = ", ".join(named) or "none"
                raise Misfit(f"a topology has exactly one node of kind {kind!r}; found {found}", "node")
        self._reach()
        return self

    def _reach(self) -> None:
        """See that the client reaches every node.

        Client and server forward nothing, and a middlebox does not turn one address family into the other: only a
        converter takes a connection up and makes another one.
        """
        kinds = {node.name: node.kind for node in self.node}
        waiting = [(self.client.name, family) for family in ("ipv4", "ipv6")]
        reached = set(waiting)
        while waiting:
            node, family = waiting.pop()
            if node == self.server.name:
                continue
            for path in self.path:
                if node not in (path.from_, path.to):
                    continue
                there = path.to if node == path.from_ else path.from_
                if path.family == family or kinds[node] == "converter":
                    found = (there, path.family)
                    if found not in reached:
                        reached.add(found)
                        waiting.append(found)
        names = {name for name, _ in reached if any(name in (path.from_, path.to) for path in self.path)}
        for index, name in enumerate(kinds):
            if name not in names:
                families = " over paths of one family" if len({path.family for path in self.path}) > 1 else ""
                message = f"no path leads from {self.client.name!r} to node {name!r}{families}"
                raise Misfit(message, "node", index, "name")

    @property
    def client(self) -> Node:
        """The node that clients run on."""
        return next(node for node in self.node if node.kind == "client")

    @property
    def server(self) -> Node:
        """The node that servers run on."""
        return next(node for node in self.node if node.kind == "server")

    @property
    def access_paths(self) -> list[Path]:
        """The client's own paths, in the order of the file."""
        return [path for path in self.path if self.client.name in (path.from_, path.to)]

    def links(self) -> dict[tuple[str, Literal["forward", "backward"]], Link]:
        """Return each direction's link, by path and direction."""
        return {(path.name, name): getattr(path, name) for path in self.path for name in ("forward", "backward")}

    def find_path(self, name: str) -> Path:
        """Return the path of that name.

        Raises:
            KeyError: there is none.

        """
        for path in self.path:
            if path.name == name:
                return path
        raise KeyError(name)

"""Scenarios as data: topology, workload, endpoints, faults, probes, expectations, and a matrix of values to vary."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from harness.spec.errors import Misfit
from harness.spec.expectation import Expectation
from harness.spec.fault import PROCESS_FAULTS, Fault
from harness.spec.units import Count, Duration, Model, Number, Size

LONGEST_RUN_S = 24 * 3600.0
_SYSCTL = re.compile(r"net(\.[A-Za-z0-9_-]+){2,}")


LARGEST_RECORD = 1 << 14
"""Bytes of content that a TLS record can have (RFC 8446, section 5.1)."""
SMALLEST_RECORD = 512
"""Bytes of content below which headers and tags of TLS records are all that would be measured."""

WorkloadKind = Literal["download", "upload", "objects"]
"""``objects`` is a download beside which the client asks for small objects."""

_OF_OBJECTS = ("object_bytes", "object_interval", "placement")


class Workload(Model):
    """What the endpoints transfer. The payload comes from the seed and is verified by hash at the receiver."""

    kind: WorkloadKind = Field(
        "download", description="`objects`: a download, and beside it small objects whose latency is measured"
    )
    bytes: Size = Field(gt=0, description="of payload, over all streams")
    streams: Count = Field(1, le=1000, description="transfers at the same time, of equal parts of the payload")
    limit: Duration = Field(gt=0, le=LONGEST_RUN_S, description="the run is ended then, finished or not")
    congestion: str = Field("cubic", pattern=r"^[a-z0-9_]{1,15}$", description="TCP congestion control of both ends")
    stall_limit: Duration | None = Field(
        None,
        gt=0,
        description="end the run when no byte has arrived for so long; only `limit` ends it when absent",
    )
    record_size: Size | None = Field(
        None,
        ge=SMALLEST_RECORD,
        le=LARGEST_RECORD,
        description="content of each TLS record of the payload; the endpoint's choice when absent",
    )
    object_bytes: Size = Field(16384, gt=0, le=1 << 24, description="of each small object (kind `objects`)")
    object_interval: Duration = Field(
        0.1, ge=0.001, description="between the requests for two objects (kind `objects`)"
    )
    placement: Literal["shared", "own"] = Field(
        "shared", description="objects travel on the payload's connection, or on one of their own (kind `objects`)"
    )

    @property
    def receiver(self) -> Literal["client", "server"]:
        """The role that receives the payload."""
        return "server" if self.kind == "upload" else "client"

    @model_validator(mode="after")
    def _objects(self) -> Self:
        if self.kind != "objects":
            for key in _OF_OBJECTS:
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise Misfit(f"belongs to kind = 'objects', and this is {self.kind!r}", key)
        elif self.streams != 1:
            raise Misfit(f"{self.streams} streams; with kind = 'objects' the payload has one stream", "streams")
        return self


class Multipath(Model):
    """How an endpoint with several paths uses them."""

    mode: Literal["active", "backup"] = Field(
        "active", description="all at once, or the first and the others as backup"
    )
    migrate_at: list[Size] = Field(
        [], description="after so many received bytes the client moves to the next path (mode `backup`)"
    )

    @model_validator(mode="after")
    def _migration(self) -> Self:
        if self.migrate_at and self.mode != "backup":
            raise Misfit(
                "needs mode = 'backup': a client that uses all paths at once has nowhere to move", "migrate_at"
            )
        for index, mark in enumerate(self.migrate_at):
            least = self.migrate_at[index - 1] if index else 0
            if mark <= least:
                raise Misfit(
                    f"{mark} B is not more than {least} B; each mark lies after the one before", "migrate_at", index
                )
        return self


class UdpProbe(Model):
    """Small UDP datagrams there and back: one-way delays, round trip, loss."""

    kind: Literal["udp"]
    interval: Duration = Field(0.1, gt=0)
    paths: list[str] | None = Field(None, description="the client's paths when absent")


class TcpProbe(Model):
    """Short TCP exchanges: time to connect, and for 64 bytes there and back."""

    kind: Literal["tcp"]
    interval: Duration = Field(1.0, gt=0)
    paths: list[str] | None = Field(None, description="the client's paths when absent")


Probe = Annotated[UdpProbe | TcpProbe, Field(discriminator="kind")]


class Figure(Model):
    """How the run's figure is drawn."""

    title: str | None = None
    goodput_max_mbps: Number | None = Field(None, gt=0, description="upper end of the goodput axes")
    from_s: Number | None = Field(None, description="where the time axis begins")
    to_s: Number | None = Field(None, description="where the time axis ends")


def _one_or_many(value: Any) -> Any:
    """Let ``[fault]`` stand for a list of one, so that ``fault.kind`` is its key."""
    return [value] if isinstance(value, dict) else value


class Scenario(Model):
    """An experiment. ``set`` and ``matrix`` speak of keys of this file, and of ``topology.…`` for the topology's."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60, description="of the folder of its results, too")
    description: str = Field("", description="one line for the tables")
    topology: str = Field(description="name of a bundled topology, or a file; relative to this file's folder")
    endpoints: list[str] = Field(min_length=1, description="names or files; it runs with these unless told otherwise")
    workload: Workload
    multipath: Multipath = Multipath()
    fault: Annotated[list[Fault], BeforeValidator(_one_or_many)] = Field([], description="one table or several")
    probe: Annotated[list[Probe], BeforeValidator(_one_or_many)] = Field([], description="one table or several")
    expect: Annotated[list[Expectation], BeforeValidator(_one_or_many)] = Field(
        min_length=1, description="one table or several"
    )
    sysctl: dict[str, Annotated[int, Field(strict=True)] | str] = Field(
        {}, description="network settings of client and server, beside the harness's own"
    )
    figure: Figure = Figure()
    seed: int = Field(1, strict=True, ge=0, lt=2**63, description="of the payload and of every random choice")

    @field_validator("endpoints")
    @classmethod
    def _each_once(cls, endpoints: list[str]) -> list[str]:
        for index, name in enumerate(endpoints):
            if name in endpoints[:index]:
                raise Misfit(f"{name!r} is listed twice; use --repeat for more runs", index)
        return endpoints

    @field_validator("sysctl")
    @classmethod
    def _of_the_network(cls, settings: dict[str, int | str]) -> dict[str, int | str]:
        for key, value in settings.items():
            if not _SYSCTL.fullmatch(key):
                raise Misfit('is not a network setting; allowed: net.*, in quotes, such as "net.ipv4.tcp_sack"', key)
            if isinstance(value, str) and not value.strip():
                raise Misfit("is empty; give the setting a value", key)
        return settings

    @model_validator(mode="after")
    def _marks(self) -> Self:
        marks, size = self.multipath.migrate_at, self.workload.bytes
        if marks and self.workload.receiver != "client":
            raise Misfit("the client migrates by what it has received, and it sends here", "multipath", "migrate_at")
        for index, mark in enumerate(marks):
            if mark >= size:
                raise Misfit(f"{mark} B is not less than workload.bytes, {size} B", "multipath", "migrate_at", index)
        return self

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [self.fault_name(index) for index in range(len(self.fault))]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise Misfit(f"fault {name!r} is named twice; every fault has a name of its own", "fault", index)
        return self

    def fault_name(self, index: int) -> str:
        """Return what the fault at ``index`` is called: its name, or its kind and path, numbered where needed."""
        fault = self.fault[index]
        if fault.name:
            return fault.name
        base = [_default_name(other) for other in self.fault]
        same = [i for i, name in enumerate(base) if name == base[index] and not self.fault[i].name]
        return base[index] if len(same) == 1 else f"{base[index]}_{same.index(index) + 1}"


def _default_name(fault: Fault) -> str:
    target = fault.process if isinstance(fault, PROCESS_FAULTS) else fault.path
    return f"{fault.kind}_{target}"

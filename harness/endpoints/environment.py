"""The environment of an endpoint process: what the harness tells it about one run. Pure: no file is touched."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.spec.endpoint import Role

TestCase = Literal["download", "upload", "latency", "objects"]
MultipathMode = Literal["active", "backup"]

INHERITED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "USER")
"""Variables taken over from the harness. All others stay out: a run does not depend on the user's shell."""


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    """PEM files that the harness made for one run."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, kw_only=True)
class Objects:
    """Small objects that the client asks for while it downloads (test case ``objects``).

    ``size`` is that of each in bytes, ``interval`` the time between two requests in seconds, ``placement`` whether they
    travel on the payload's connection (``shared``) or on one of their own.
    """

    size: int
    interval: float
    placement: Literal["shared", "own"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What both roles of an endpoint are told about a run.

    Addresses are in the order of the paths; ``connect`` may differ from ``listen`` where an address is translated on
    the way. ``bytes`` is the size of the payload, ``folder`` the run directory. ``migrate`` has the numbers of received
    bytes after which the client moves to the next path, ``record_size`` the bytes of content of a TLS record.
    """

    testcase: TestCase
    listen: tuple[str, ...]
    connect: tuple[str, ...]
    local: tuple[str, ...]
    port: int
    bytes: int
    seed: int
    folder: Path
    streams: int = 1
    multipath: MultipathMode = "active"
    congestion: str | None = None
    converter: str | None = None
    payload: Path | None = None
    tls: TlsFiles | None = None
    migrate: tuple[int, ...] = ()
    record_size: int | None = None
    objects: Objects | None = None

    def __post_init__(self) -> None:
        for name in ("listen", "connect", "local"):
            if not getattr(self, name):
                raise ValueError(f"{name}: at least one address is needed")
        if not 0 < self.port < 65536:
            raise ValueError(f"port {self.port} is not between 1 and 65535")
        if self.bytes < 0 or self.streams < 1:
            raise ValueError(f"bytes ({self.bytes}) must not be negative and streams ({self.streams}) must be positive")
        if (self.objects is None) == (self.testcase == "objects"):
            raise ValueError("objects: the test case 'objects' needs them, and no other one has them")

    def events(self, role: Role) -> Path:
        """Return the file to which ``role`` appends its event lines."""
        return self.folder / f"{role}.events.jsonl"

    def log(self, role: Role) -> Path:
        """Return the file that takes the standard output and error of ``role``."""
        return self.folder / f"{role}.log"

    def sends(self, role: Role) -> bool:
        """Tell whether ``role`` sends the payload: the server of a download (with objects or not), or the client."""
        return role == ("server" if self.testcase in ("download", "objects") else "client")


def environment(
    role: Role, setting: Setting, *, additions: Mapping[str, str], inherited: Mapping[str, str]
) -> dict[str, str]:
    """Build the whole environment of the process of ``role``.

    ``inherited`` is the harness's own environment, of which only `INHERITED` is taken over; ``additions`` are the
    variables of the endpoint's definition. Variables without a value in this run are left out.
    """
    variables = {name: inherited[name] for name in INHERITED if name in inherited}
    variables |= additions
    variables |= {
        "HARNESS_TESTCASE": setting.testcase,
        "HARNESS_ROLE": role,
        "HARNESS_LISTEN": ",".join(setting.listen),
        "HARNESS_CONNECT": ",".join(setting.connect),
        "HARNESS_LOCAL": ",".join(setting.local),
        "HARNESS_PORT": str(setting.port),
        "HARNESS_BYTES": str(setting.bytes),
        "HARNESS_SEED": str(setting.seed),
        "HARNESS_STREAMS": str(setting.streams),
        "HARNESS_MULTIPATH": setting.multipath,
        "HARNESS_EVENTS": str(setting.events(role)),
        "SSLKEYLOGFILE": str(setting.folder / "keys.log"),
        "QLOGDIR": str(setting.folder / "qlog"),
    }
    if setting.congestion is not None:
        variables["HARNESS_CONGESTION"] = setting.congestion
    if setting.migrate:
        variables["HARNESS_MIGRATE"] = ",".join(map(str, setting.migrate))
    if setting.record_size is not None:
        variables["HARNESS_RECORD_SIZE"] = str(setting.record_size)
    if setting.objects is not None:
        variables["HARNESS_OBJECT_BYTES"] = str(setting.objects.size)
        variables["HARNESS_OBJECT_INTERVAL"] = f"{setting.objects.interval * 1e3:.12g}"
        variables["HARNESS_PLACEMENT"] = setting.objects.placement
    if setting.converter is not None:
        variables["HARNESS_CONVERTER"] = setting.converter
    if setting.payload is not None and setting.sends(role):
        variables["HARNESS_PAYLOAD"] = str(setting.payload)
    if setting.tls is not None:
        variables["HARNESS_CA"] = str(setting.tls.ca)
        if role == "server":
            variables["HARNESS_CERTIFICATE"] = str(setting.tls.certificate)
            variables["HARNESS_KEY"] = str(setting.tls.key)
    return variables

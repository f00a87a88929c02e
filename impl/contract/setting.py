"""What an endpoint program is told through its environment, read once and checked."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, cast

Role = Literal["client", "server"]
TestCase = Literal["download", "upload", "latency", "objects"]
Placement = Literal["shared", "own"]

TEST_CASES: Final = ("download", "upload", "latency", "objects")
_DECIMAL: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?")
UNSUPPORTED: Final = 127
"""Exit status of an endpoint that cannot do the test case it was asked for."""


class EndpointError(Exception):
    """The program cannot go on; the message is the one line that its user sees."""


class UnsupportedError(EndpointError):
    """The program or this kernel cannot do what was asked for: exit status 127."""


@dataclass(frozen=True, kw_only=True)
class Objects:
    """The small objects of the test case ``objects``.

    Attributes:
        size: of each, in bytes.
        interval: between two requests, in seconds.
        placement: whether they travel on the payload's connection (``shared``) or on one of their own.
        seed: of their content.

    """

    size: int
    interval: float
    placement: Placement
    seed: int


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One run, as the environment describes it. Addresses are in the order of the paths.

    ``migrate`` has the numbers of received bytes after which the client moves to the next path, ``record_size`` the
    bytes of content of a TLS record (None: the program's choice).
    """

    testcase: TestCase
    listen: tuple[str, ...]
    connect: tuple[str, ...]
    local: tuple[str, ...]
    port: int
    bytes: int
    streams: int
    congestion: str | None
    events: Path
    payload: Path | None
    keylog: Path | None
    ca: Path | None
    certificate: Path | None
    key: Path | None
    migrate: tuple[int, ...] = ()
    record_size: int | None = None
    objects: Objects | None = None
    qlog: Path | None = None

    def sends(self, role: Role) -> bool:
        """Tell whether ``role`` sends the payload."""
        return role == ("server" if self.testcase in ("download", "objects") else "client")

    def pairs(self) -> list[tuple[str | None, str]]:
        """Return the pairs of local and remote address to try, in path order; None lets the kernel choose.

        A remote address without a local one of the same family at its place takes the first of that family.
        """
        pairs: list[tuple[str | None, str]] = []
        for place, remote in enumerate(self.connect):
            version = ipaddress.ip_address(remote).version
            fitting = [local for local in self.local if ipaddress.ip_address(local).version == version]
            if place < len(self.local) and self.local[place] in fitting:
                pairs.append((self.local[place], remote))
            else:
                pairs.append((fitting[0] if fitting else None, remote))
        return pairs


def read_setting(variables: Mapping[str, str], role: Role) -> Setting:
    """Read the setting of ``role`` from the environment.

    Raises:
        EndpointError: a variable is missing or cannot be read; the message names it.
        UnsupportedError: the test case is none that this package knows.

    """
    testcase = _text(variables, "HARNESS_TESTCASE")
    if testcase not in TEST_CASES:
        raise UnsupportedError(f"cannot do the test case {testcase!r}; known: {', '.join(TEST_CASES)}")
    setting = Setting(
        testcase=cast(TestCase, testcase),
        listen=_addresses(variables, "HARNESS_LISTEN", needed=role == "server"),
        connect=_addresses(variables, "HARNESS_CONNECT", needed=role == "client"),
        local=_addresses(variables, "HARNESS_LOCAL", needed=False),
        port=_number(variables, "HARNESS_PORT", 1, 65535),
        bytes=_number(variables, "HARNESS_BYTES", 0, 1 << 50),
        streams=_number(variables, "HARNESS_STREAMS", 1, 1024, absent=1),
        congestion=variables.get("HARNESS_CONGESTION") or None,
        events=Path(_text(variables, "HARNESS_EVENTS")),
        payload=_path(variables, "HARNESS_PAYLOAD"),
        keylog=_path(variables, "SSLKEYLOGFILE"),
        ca=_path(variables, "HARNESS_CA"),
        certificate=_path(variables, "HARNESS_CERTIFICATE"),
        key=_path(variables, "HARNESS_KEY"),
        migrate=_marks(variables, "HARNESS_MIGRATE"),
        record_size=_number(variables, "HARNESS_RECORD_SIZE", 1, 1 << 14, absent=0) or None,
        qlog=_path(variables, "QLOGDIR"),
        objects=_objects(variables) if testcase == "objects" else None,
    )
    if setting.sends(role) and setting.payload is None:
        raise EndpointError(f"HARNESS_PAYLOAD is not set, but the {role} sends the payload of a {testcase}")
    if testcase in ("latency", "objects") and setting.streams != 1:
        raise UnsupportedError(f"the test case {testcase!r} uses one stream, not {setting.streams}")
    return setting


def _text(variables: Mapping[str, str], name: str) -> str:
    value = variables.get(name, "")
    if not value:
        raise EndpointError(f"{name} is not set; the harness sets it (see docs/endpoints.md)")
    return value


def _path(variables: Mapping[str, str], name: str) -> Path | None:
    return Path(variables[name]) if variables.get(name) else None


def _number(variables: Mapping[str, str], name: str, least: int, most: int, *, absent: int | None = None) -> int:
    if absent is not None and not variables.get(name):
        return absent
    text = _text(variables, name)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise EndpointError(f"{name} is {text!r}; allowed: a whole number from {least} to {most}")
    return int(text)


def _marks(variables: Mapping[str, str], name: str) -> tuple[int, ...]:
    if not variables.get(name):
        return ()
    parts = variables[name].split(",")
    marks = tuple(int(part) for part in parts if part.isascii() and part.isdigit())
    if len(marks) != len(parts) or any(mark <= before for before, mark in pairwise((0, *marks))):
        raise EndpointError(f"{name} is {variables[name]!r}; allowed: growing numbers of bytes with commas between")
    return marks


def _objects(variables: Mapping[str, str]) -> Objects:
    placement = _text(variables, "HARNESS_PLACEMENT")
    if placement not in ("shared", "own"):
        raise EndpointError(f"HARNESS_PLACEMENT is {placement!r}; allowed: shared, own")
    text = _text(variables, "HARNESS_OBJECT_INTERVAL")
    if not (_DECIMAL.fullmatch(text) and 0 < float(text) <= 1e9):
        raise EndpointError(f"HARNESS_OBJECT_INTERVAL is {text!r}; allowed: a number of milliseconds, more than 0")
    return Objects(
        size=_number(variables, "HARNESS_OBJECT_BYTES", 1, 1 << 24),
        interval=float(text) / 1e3,
        placement=cast(Placement, placement),
        seed=_number(variables, "HARNESS_SEED", 0, (1 << 63) - 1),
    )


def _addresses(variables: Mapping[str, str], name: str, *, needed: bool) -> tuple[str, ...]:
    if not needed and not variables.get(name):
        return ()
    addresses = tuple(_text(variables, name).split(","))
    for address in addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise EndpointError(f"{name} has {address!r}; allowed: IP addresses with commas between") from None
    return addresses

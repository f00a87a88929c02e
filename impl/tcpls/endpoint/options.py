"""What the two programs of the endpoint have in common: settings, certificates, key log, traces."""

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from impl.contract.setting import EndpointError, Role, Setting
from impl.tcpls.joining import JoinMode
from impl.tcpls.padding import parse_padding
from impl.tcpls.paths import Policy
from impl.tcpls.qlog import QlogError, QlogWriter
from impl.tcpls.settings import Settings
from impl.tls13.key_log_file import KeyLogFile
from impl.tls13.records import MAX_PLAINTEXT


@dataclass(frozen=True, kw_only=True)
class Options:
    """What command line and environment say about TCPLS.

    Attributes:
        settings: of sessions.
        policy: which connections the client opens.
        mode: how it joins them.

    """

    settings: Settings
    policy: Policy
    mode: JoinMode


def read_options(parsed: argparse.Namespace, variables: Mapping[str, str], setting: Setting) -> Options:
    """Read what concerns TCPLS.

    Raises:
        EndpointError: a value cannot be used.

    """
    mode = variables.get("HARNESS_MULTIPATH", "active")
    if mode not in ("active", "backup"):
        raise EndpointError(f"HARNESS_MULTIPATH: {mode!r} is not known; allowed: active, backup")
    backup = mode == "backup"
    try:
        padding = parse_padding(parsed.padding)
    except ValueError as error:
        raise EndpointError(str(error)) from None
    try:
        settings = Settings(
            scheduler=parsed.scheduler or ("primary-backup" if backup else "earliest-completion"),
            record_size=setting.record_size or MAX_PLAINTEXT,
            padding=padding,
        )
    except ValueError as error:
        raise EndpointError(f"HARNESS_RECORD_SIZE: {error}") from None
    policy = Policy(parsed.paths) if parsed.paths else Policy.BACKUP if backup else Policy.ALL
    return Options(settings=settings, policy=policy, mode=JoinMode(parsed.join))


@contextlib.contextmanager
def key_log(path: Path | None) -> Iterator[Callable[[str], None] | None]:
    """Append lines to the key log that SSLKEYLOGFILE names, if it names one.

    Raises:
        EndpointError: it cannot be written.

    """
    if path is None:
        yield None
        return
    try:
        file = KeyLogFile(path)
    except OSError as error:
        raise EndpointError(f"SSLKEYLOGFILE: cannot write {path}: {error.strerror}") from None
    with contextlib.closing(file):
        yield file.append


def open_trace(folder: Path | None, role: Role, number: int) -> QlogWriter | None:
    """Begin the trace of a session in the folder that QLOGDIR names, if it names one.

    Raises:
        EndpointError: it cannot be written.

    """
    if folder is None:
        return None
    make_folder(folder)
    try:
        return QlogWriter(
            folder,
            role=role,
            session_id=f"tcpls-{number}",
            reference_ns=time.monotonic_ns(),
            wall_clock=time.time(),
        )
    except QlogError as error:
        raise EndpointError(f"QLOGDIR: {error}") from None


def make_folder(folder: Path) -> None:
    """Make the folder that QLOGDIR names, if it is not there.

    Raises:
        EndpointError: it cannot be made.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EndpointError(f"QLOGDIR: cannot make the folder {folder}: {error.strerror}") from None

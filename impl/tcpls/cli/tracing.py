"""Where traces (qlog) of the commands' sessions go."""

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from impl.tcpls.qlog import QlogError, QlogWriter, Role
from impl.tcpls.trace import NO_TRACE, Trace
from impl.tls13.cli.errors import explain, usage

FOLDER_VARIABLE: Final = "QLOGDIR"


class SessionTrace(QlogWriter):
    """The trace of one session; its file is closed with the session."""

    __slots__ = ()

    def event(self, now: float, name: str, data: Mapping[str, Any]) -> None:
        """Log an event."""
        super().event(now, name, data)
        if name == "session_closed":
            self.close()


def trace_folder(option: Path | None) -> Path | None:
    """The folder for traces: the option's, or what the environment variable QLOGDIR names; it is made if need be."""
    name = option or os.environ.get(FOLDER_VARIABLE)
    if not name:
        return None
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise usage(f"{FOLDER_VARIABLE if option is None else '--qlog'}: {folder}: {explain(error)}") from None
    return folder


def make_trace(folder: Path | None, role: Role) -> Trace:
    """The trace of a new session; without a folder nothing is written.

    Raises:
        CommandFailed: the file cannot be made.

    """
    if folder is None:
        return NO_TRACE
    try:
        return SessionTrace(
            folder,
            role=role,
            session_id=secrets.token_hex(8),
            reference_ns=time.monotonic_ns(),
            wall_clock=time.time(),
        )
    except QlogError as error:
        raise usage(f"--qlog: {error}") from None

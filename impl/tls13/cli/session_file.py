"""The file in which ``tls get`` keeps the session that its next run resumes."""

import os
from pathlib import Path

from impl.tls13.alerts import TLSError
from impl.tls13.cli.errors import explain, usage
from impl.tls13.sessions import Session


def load(path: Path | None) -> Session | None:
    """Read the session that is kept; None if there is none yet."""
    if path is None:
        return None
    try:
        return Session.from_bytes(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise usage(f"--session: {path}: {explain(error)}") from None
    except (TLSError, ValueError) as error:
        raise usage(f"--session: {path}: {error}; delete the file to begin anew") from None


def store(session: Session, path: Path) -> None:
    """Write the session, for nobody else to read, at once and as a whole."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(file, "wb") as out:
                out.write(session.to_bytes())
            new.replace(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise usage(f"--session: {path}: {explain(error)}") from None

"""What an endpoint definition says: the commands of client and server, what they can do, and what they need."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from harness.spec.units import Duration, Model

Role = Literal["client", "server"]
"""The two programs of an endpoint."""

PathManager = Literal["none", "kernel", "own"]
"""Who opens further paths: nobody, the kernel's Multipath TCP (set up by the harness), or the endpoint itself."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = ("python", "project", "folder")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = ("SSLKEYLOGFILE", "QLOGDIR")


class Capability(StrEnum):
    """What an endpoint can do; a scenario asks for some of these."""

    DOWNLOAD = "download"
    UPLOAD = "upload"
    LATENCY = "latency"
    OBJECTS = "objects"
    MULTIPATH = "multipath"
    FAILOVER = "failover"
    MIGRATION = "migration"
    STREAMS = "streams"
    CONVERT = "convert"
    ENCRYPTION = "encryption"


TEST_CASES = frozenset({Capability.DOWNLOAD, Capability.UPLOAD, Capability.LATENCY, Capability.OBJECTS})
"""The capabilities that are test cases of their own."""


class Feature(StrEnum):
    """What an endpoint needs of the kernel."""

    MPTCP = "mptcp"
    TCP_FASTOPEN = "tcp_fastopen"
    MPTCP_FASTOPEN = "mptcp_fastopen"
    NFQUEUE = "nfqueue"


def _known_placeholders(text: str) -> str:
    for name in _PLACEHOLDER.findall(text):
        if name not in _PLACEHOLDERS:
            allowed = ", ".join("{" + known + "}" for known in _PLACEHOLDERS)
            raise ValueError(f"{'{' + name + '}'} is not a placeholder; allowed: {allowed}")
    return text


Argument = Annotated[str, AfterValidator(_known_placeholders)]
"""One word of a command: ``{python}``, ``{project}`` and ``{folder}`` are replaced."""


class Endpoint(Model):
    """An implementation under test: how to start it, and what may be asked of it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="as scenarios and --endpoint call it")
    description: str = Field("", description="one line for the tables")
    client: list[Argument] = Field(min_length=1, description="command of the client, a list of words")
    server: list[Argument] = Field(min_length=1, description="command of the server, a list of words")
    capabilities: list[Capability] = Field(min_length=1, description="what it can do")
    path_manager: PathManager = Field("none", description="who opens further paths")
    requires: list[Feature] = Field([], description="features that the kernel must have")
    programs: list[str] = Field([], description="programs that must be on PATH")
    ready: Literal["tcp", "udp", "event"] = Field(
        "tcp",
        description="how a ready server is known: a listening TCP socket, a bound UDP socket, or the event 'listening'",
    )
    certificate: bool = Field(False, description="the harness makes a CA, a server certificate and a key")
    event_interval: Duration = Field(0.01, gt=0, description="finest spacing of its 'received' events")
    environment: dict[str, Argument] = Field({}, description="variables added to the environment of both roles")

    @field_validator("capabilities", "requires", "programs")
    @classmethod
    def _no_repetition(cls, values: list[str]) -> list[str]:
        for position, value in enumerate(values):
            if value in values[:position]:
                raise ValueError(f"{str(value)!r} is listed twice")
        return values

    @field_validator("client", "server")
    @classmethod
    def _first_word(cls, words: list[str]) -> list[str]:
        if not words[0].strip():
            raise ValueError("the first word names the program; it is empty")
        return words

    @field_validator("environment")
    @classmethod
    def _variables(cls, variables: dict[str, str]) -> dict[str, str]:
        for name in variables:
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a variable; allowed: letters, digits and underscores")
            if name.startswith("HARNESS_") or name in _OURS:
                raise ValueError(f"{name} is set by the harness; choose another name")
        return variables

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not TEST_CASES & set(self.capabilities):
            cases = ", ".join(case for case in Capability if case in TEST_CASES)
            raise ValueError(f"capabilities name no test case; add at least one of {cases}")
        if self.path_manager != "none" and Capability.MULTIPATH not in self.capabilities:
            raise ValueError(f"path_manager = '{self.path_manager}' needs the capability 'multipath'")
        if self.path_manager == "none" and Capability.MULTIPATH in self.capabilities:
            raise ValueError("the capability 'multipath' needs path_manager = 'kernel' or 'own'")
        if self.path_manager == "kernel" and Feature.MPTCP not in self.requires:
            raise ValueError("path_manager = 'kernel' is that of Multipath TCP: add requires = ['mptcp']")
        return self

    def command(self, role: Role, *, folder: Path, project: Path, python: str) -> list[str]:
        """Return the words of the command of ``role``, ready to be executed.

        ``folder`` is the folder of the definition's file: a program with a slash in it, and any word that begins with
        ``./`` or ``../``, is taken relative to it. ``project`` is the harness's own folder, ``python`` the running
        interpreter.
        """
        words = self.client if role == "client" else self.server
        known = {"folder": str(folder), "project": str(project), "python": python}
        filled = [_fill(word, known) for word in words]
        return [_resolve(word, folder, program=position == 0) for position, word in enumerate(filled)]

    def variables(self, *, folder: Path, project: Path, python: str) -> dict[str, str]:
        """Return the added variables with their placeholders replaced (see `command`)."""
        known = {"folder": str(folder), "project": str(project), "python": python}
        return {name: _fill(value, known) for name, value in self.environment.items()}


def _fill(text: str, known: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: known[match.group(1)], text)


def _resolve(word: str, folder: Path, *, program: bool) -> str:
    relative = word.startswith(("./", "../")) or (program and "/" in word and not word.startswith("/"))
    return str((folder / word).resolve()) if relative else word

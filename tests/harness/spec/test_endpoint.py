"""Endpoint definitions: those of the project, and what is refused."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.spec.endpoint import Endpoint

PROJECT = Path(__file__).resolve().parents[3]
BASE: dict[str, Any] = {
    "name": "mine",
    "client": ["{python}", "./client.py"],
    "server": ["bin/server", "--log", "{folder}/log"],
    "capabilities": ["download"],
}


def endpoint(**changes: Any) -> Endpoint:
    return Endpoint.model_validate(BASE | changes)


class TestBundled:
    @pytest.mark.parametrize("name", ["tcp", "tls", "mptcp", "mptcp-tls", "iperf3"])
    def test_is_valid(self, name: str) -> None:
        text = (PROJECT / "endpoints" / f"{name}.toml").read_text()
        found = Endpoint.model_validate(tomllib.loads(text))
        assert found.name == name
        assert found.path_manager == ("kernel" if name.startswith("mptcp") else "none")
        assert found.certificate == name.endswith("tls")
        assert found.event_interval == (0.1 if name == "iperf3" else 0.01)


class TestCommands:
    def test_placeholders_and_relative_words(self) -> None:
        where: dict[str, Any] = {"folder": Path("/lab/mine"), "project": Path("/harness"), "python": "/bin/python"}
        found = endpoint(environment={"LIB": "{project}/lib"})
        assert found.command("client", **where) == ["/bin/python", "/lab/mine/client.py"]
        assert found.command("server", **where) == ["/lab/mine/bin/server", "--log", "/lab/mine/log"]
        assert found.variables(**where) == {"LIB": "/harness/lib"}
        above = endpoint(client=["server", "../x", "a/b"])
        assert above.command("client", **where) == ["server", "/lab/x", "a/b"]


class TestRefusing:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"name": "My endpoint"}, "should match pattern"),
            ({"client": []}, "at least 1 item"),
            ({"client": [" "]}, "the first word names the program"),
            ({"client": ["{phyton}"]}, r"\{phyton\} is not a placeholder; allowed: \{python\}"),
            ({"capabilities": ["downlaod"]}, "Input should be 'download'"),
            ({"capabilities": ["download", "download"]}, "'download' is listed twice"),
            ({"capabilities": ["streams"]}, "name no test case"),
            ({"path_manager": "kernel"}, "needs the capability 'multipath'"),
            ({"capabilities": ["download", "multipath"]}, "needs path_manager"),
            ({"capabilities": ["download", "multipath"], "path_manager": "kernel"}, "requires"),
            ({"environment": {"HARNESS_PORT": "1"}}, "HARNESS_PORT is set by the harness"),
            ({"environment": {"SSLKEYLOGFILE": "x"}}, "SSLKEYLOGFILE is set by the harness"),
            ({"environment": {"a b": "1"}}, "'a b' is not the name of a variable"),
            ({"event_interval": 10}, "has no unit"),
            ({"ready": "soon"}, "Input should be 'tcp', 'udp' or 'event'"),
            ({"comand": ["x"]}, "Extra inputs"),
        ],
    )
    def test_is_named(self, changes: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            endpoint(**changes)

"""The program: what it says, and with which status it ends, when something is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.endpoints.environment import Setting, environment
from harness.spec.endpoint import Role
from impl.tcpls.endpoint.__main__ import main
from tests.impl.contract import transfers
from tests.impl.contract.transfers import PROJECT


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return transfers.setting(tmp_path_factory.mktemp("run"), size=1000)


def variables(chosen: Setting, role: Role, **changed: str) -> dict[str, str]:
    return environment(role, chosen, additions={}, inherited=os.environ) | changed


class TestWrongValues:
    @pytest.mark.parametrize(
        ("role", "changed", "status", "said"),
        [
            ("client", {"HARNESS_TESTCASE": "convert"}, 127, "cannot do the test case 'convert'"),
            ("client", {"HARNESS_PORT": "many"}, 1, "HARNESS_PORT is 'many'"),
            ("client", {"HARNESS_BYTES": ""}, 1, "HARNESS_BYTES is not set"),
            ("client", {"HARNESS_MULTIPATH": "?"}, 1, "HARNESS_MULTIPATH: '?' is not known"),
            ("client", {"HARNESS_RECORD_SIZE": "10"}, 1, "HARNESS_RECORD_SIZE: records of 10 bytes"),
            ("client", {"HARNESS_MIGRATE": "5,4"}, 1, "HARNESS_MIGRATE is '5,4'"),
            ("client", {"HARNESS_CONGESTION": "nonesuch"}, 1, "congestion control 'nonesuch' is refused"),
            ("client", {"HARNESS_EVENTS": "/nowhere/events"}, 1, "HARNESS_EVENTS: cannot write"),
            ("client", {"SSLKEYLOGFILE": "/nowhere/keys"}, 1, "SSLKEYLOGFILE: cannot write"),
            ("client", {"QLOGDIR": "/dev/null/qlog"}, 1, "QLOGDIR: "),
            ("client", {"HARNESS_CA": ""}, 1, "HARNESS_CA is not set"),
            ("client", {"HARNESS_CA": "/nowhere/ca"}, 1, "HARNESS_CA: "),
            ("client", {}, 1, "no path to the server: "),
            ("server", {"HARNESS_CERTIFICATE": ""}, 1, "HARNESS_CERTIFICATE and HARNESS_KEY are not set"),
            ("server", {"HARNESS_KEY": "/dev/null"}, 1, "HARNESS_CERTIFICATE: "),
            ("server", {"HARNESS_PAYLOAD": "/nowhere/payload"}, 1, "cannot read the payload file /nowhere/payload"),
            ("server", {"HARNESS_BYTES": "999"}, 1, "has 1000 bytes, HARNESS_BYTES is 999"),
            ("server", {"HARNESS_LISTEN": "192.0.2.1"}, 1, "cannot listen on 192.0.2.1"),
            ("server", {"QLOGDIR": "/dev/null/qlog"}, 1, "QLOGDIR: "),
        ],
    )
    def test_one_line_says_what_is_wrong(
        self,
        role: Role,
        changed: dict[str, str],
        status: int,
        said: str,
        chosen: Setting,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert main([role], variables(chosen, role, **changed)) == status
        errors = capsys.readouterr().err
        assert errors.startswith(f"{role}: ")
        assert said in errors
        assert errors.count("\n") == 1

    @pytest.mark.parametrize(
        "arguments", [[], ["router"], ["client", "--scheduler", "best"], ["client", "--join", "?"]]
    )
    def test_wrong_commands(self, arguments: list[str], chosen: Setting, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main(arguments, variables(chosen, "client"))
        assert caught.value.code == 2
        assert "usage: python -m impl.tcpls.endpoint" in capsys.readouterr().err

    def test_wrong_padding(self, chosen: Setting, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["client", "--padding", "block:0"], variables(chosen, "client")) == 1
        assert "padding 'block:0'" in capsys.readouterr().err

    def test_as_a_program(self, chosen: Setting) -> None:
        result = subprocess.run(
            [sys.executable, "-m", "impl.tcpls.endpoint", "client"],
            env=variables(chosen, "client", HARNESS_TESTCASE="convert", PYTHONPATH=str(PROJECT)),
            cwd=Path("/"),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert result.returncode == 127
        assert result.stderr.startswith("client: cannot do the test case 'convert'")
        assert result.stderr.count("\n") == 1

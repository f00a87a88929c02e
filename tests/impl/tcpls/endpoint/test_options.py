"""What command line and environment say about TCPLS, and the files they name."""

import argparse
from pathlib import Path

import pytest

from impl.contract.setting import EndpointError, Setting, read_setting
from impl.tcpls.endpoint.options import Options, key_log, open_trace, read_options
from impl.tcpls.joining import JoinMode
from impl.tcpls.paths import Policy
from impl.tcpls.qlog import read_qlog
from impl.tls13.records import MAX_PLAINTEXT

BASE = {
    "HARNESS_TESTCASE": "download",
    "HARNESS_CONNECT": "10.0.0.2",
    "HARNESS_PORT": "4433",
    "HARNESS_BYTES": "1000",
    "HARNESS_EVENTS": "/run/events",
}


def read(*, scheduler: str | None = None, paths: str | None = None, padding: str = "none", **more: str) -> Options:
    variables = BASE | more
    parsed = argparse.Namespace(scheduler=scheduler, paths=paths, padding=padding, join="direct")
    return read_options(parsed, variables, read_setting(variables, "client"))


def setting(**more: str) -> Setting:
    return read_setting(BASE | more, "client")


class TestOptions:
    def test_all_paths_are_used_unless_told_otherwise(self) -> None:
        options = read()
        assert (options.policy, options.mode) == (Policy.ALL, JoinMode.DIRECT)
        assert options.settings.scheduler == "earliest-completion"
        assert options.settings.record_size == MAX_PLAINTEXT
        assert options.settings.padding is None

    def test_backup(self) -> None:
        options = read(HARNESS_MULTIPATH="backup")
        assert options.policy is Policy.BACKUP
        assert options.settings.scheduler == "primary-backup"

    def test_the_command_line_comes_first(self) -> None:
        options = read(scheduler="redundant", paths="on-failure", padding="block:64", HARNESS_MULTIPATH="backup")
        assert options.policy is Policy.ON_FAILURE
        assert options.settings.scheduler == "redundant"
        assert options.settings.padding is not None
        assert options.settings.padding(60, 100) == 4

    def test_record_size(self) -> None:
        assert read(HARNESS_RECORD_SIZE="1000").settings.record_size == 1000

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"HARNESS_MULTIPATH": "both"}, "HARNESS_MULTIPATH: 'both' is not known; allowed: active, backup"),
            ({"HARNESS_RECORD_SIZE": "63"}, "HARNESS_RECORD_SIZE: records of 63 bytes; allowed are 64 to 16384"),
            ({"padding": "much"}, "padding 'much' is not known; allowed: none"),
        ],
    )
    def test_wrong_values_are_named(self, options: dict[str, str], said: str) -> None:
        with pytest.raises(EndpointError, match=said):
            read(**options)


class TestKeyLog:
    def test_lines_are_appended(self, tmp_path: Path) -> None:
        file = tmp_path / "keys"
        file.write_text("one\n")
        with key_log(file) as log:
            assert log is not None
            log("two")
        assert file.read_text() == "one\ntwo\n"

    def test_none(self) -> None:
        with key_log(None) as log:
            assert log is None

    def test_a_file_that_cannot_be_written(self, tmp_path: Path) -> None:
        with (
            pytest.raises(EndpointError, match=r"SSLKEYLOGFILE: cannot write .*: No such file or directory"),
            key_log(tmp_path / "none" / "keys"),
        ):
            pass


class TestTrace:
    def test_one_for_each_session(self, tmp_path: Path) -> None:
        for number in range(2):
            trace = open_trace(tmp_path / "logs", "server", number)
            assert trace is not None
            trace.close()
        files = sorted((tmp_path / "logs").iterdir())
        assert len(files) == 2
        assert all(list(read_qlog(file)) for file in files)

    def test_none(self) -> None:
        assert open_trace(setting().qlog, "client", 0) is None

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(EndpointError, match="QLOGDIR: "):
            open_trace(tmp_path / "file" / "logs", "client", 0)

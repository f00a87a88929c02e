"""The example of docs/endpoints.md works as it stands there."""

from pathlib import Path

from harness.endpoints.process import Status
from tests.impl.contract.transfers import PROJECT, setting, transfer

EXAMPLE = str(PROJECT / "docs" / "examples" / "minimal.toml")


class TestExample:
    def test_downloads(self, tmp_path: Path) -> None:
        result = transfer(EXAMPLE, setting(tmp_path, size=5_000_000))
        assert result.client.status == result.server.status == Status.DONE, str(result.client)
        (done,) = result.of("client", "done")
        assert (done.fields["sha256"], done.bytes) == (result.sha256, 5_000_000)

    def test_refuses_what_it_cannot_do(self, tmp_path: Path) -> None:
        result = transfer("tcp", setting(tmp_path, testcase="upload"), client=EXAMPLE)
        assert result.client.status == Status.UNSUPPORTED

    def test_definition_stands_in_the_guide(self) -> None:
        assert Path(EXAMPLE).read_text() in (PROJECT / "docs" / "endpoints.md").read_text()

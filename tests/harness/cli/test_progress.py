"""Progress in words, and the display where there is no terminal."""

import pytest

from harness.cli.progress import Display, describe
from harness.run.order import Progress


class TestDescribe:
    @pytest.mark.parametrize(
        ("moment", "words"),
        [
            (Progress("network"), "network"),
            (Progress("transfer", -0.2, 60, 0, 100), "transfer 0.0 s of 60 s at most, 0 % received"),
            (
                Progress("transfer", 4.2, 60.0, 31_000_000, 100_000_000, 46.7),
                "transfer 4.2 s of 60 s at most, 31 % received, 46.7 Mbit/s, 12 s to go",
            ),
            (
                Progress("transfer", 4.0, 60.0, 50, 100, 0.0),
                "transfer 4.0 s of 60 s at most, 50 % received, 0.0 Mbit/s",
            ),
            (Progress("transfer", 1.0, None), "transfer 1.0 s of 0 s at most"),
        ],
    )
    def test_in_words(self, moment: Progress, words: str) -> None:
        assert describe(moment) == words


class TestDisplay:
    @pytest.mark.parametrize("quiet", [True, False])
    def test_says_nothing_where_there_is_no_terminal(self, quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
        with Display(3, quiet=quiet) as display:
            display.progress(Progress("transfer", 1.0, 10.0, 5, 10, 3.0))
            display.progress(Progress("prompt"))
        assert capsys.readouterr() == ("", "")

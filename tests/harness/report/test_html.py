"""The report page."""

from html.parser import HTMLParser
from pathlib import Path

from harness.figures import draw_comparison, draw_run
from harness.report.html import write_report
from harness.results import find_runs
from tests.support.synthetic import store as stored


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value for name, value in attrs if name in ("href", "src") and value]


class TestPage:
    def test_every_link_leads_somewhere_below_the_folder(self, tmp_path: Path) -> None:
        draw_run(stored(tmp_path))
        stored(tmp_path, late_ms=9.0)
        (stored(tmp_path, seed=9) / "run.json").unlink()
        draw_comparison(list(find_runs(tmp_path)), tmp_path / "failover" / "comparison")
        page = write_report(tmp_path)
        text = page.read_text()
        links = Links()
        links.feed(text)
        assert any(target.endswith("figure.png") for target in links.targets)
        assert "failover/comparison.png" in links.targets
        for target in links.targets:
            if target.startswith("#"):
                assert f'id="{target[1:]}"' in text
            else:
                assert (tmp_path / target).is_file(), target
        for part in ("goodput_mbps", "idle_cpu_min", "kernel", "99th percentile", "incomplete"):
            assert part in text

    def test_text_is_escaped(self, tmp_path: Path) -> None:
        stored(tmp_path, values={"fault.kind": "<script>"})
        assert "<script>" not in write_report(tmp_path).read_text()

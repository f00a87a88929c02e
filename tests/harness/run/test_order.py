import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.run.order import Order, Progress
from harness.spec.plan import plan_runs


class TestOrder:
    def test_crosses_the_wall_unchanged(self, tmp_path: Path) -> None:
        run = plan_runs(["failover_quick"], element="nfqueue")[0]
        order = Order.of(run, tmp_path, attempt=2, pcap=True, shell_on_fail=False, environment={"git_commit": "abc"})
        descriptor = order.to_descriptor()
        assert Order.from_descriptor(os.dup(descriptor)) == order
        os.close(descriptor)

    def test_models_are_those_of_the_plan(self, tmp_path: Path) -> None:
        run = plan_runs(["aggregation"], element="nfqueue", seed=9)[0]
        order = Order.of(run, tmp_path, attempt=1, pcap=False, shell_on_fail=False, environment={})
        assert order.topology == run.topology
        assert order.endpoint == run.endpoint
        assert order.scenario.seed == 9
        assert order.scenario.fault == run.scenario.fault


class TestProgress:
    @given(
        st.builds(
            Progress,
            st.text(),
            st.none() | st.floats(0, 1e6),
            st.none() | st.floats(0, 1e6),
            st.integers(0, 2**40),
            st.integers(0, 2**40),
            st.none() | st.floats(0, 1e6),
        )
    )
    def test_line_round_trip(self, progress: Progress) -> None:
        assert "\n" not in progress.to_line()
        assert Progress.from_line(progress.to_line()) == progress

    def test_foreign_lines_are_ignored(self) -> None:
        for line in ("", "*** Creating network", "[1]", '{"unknown": 1}', "null"):
            assert Progress.from_line(line) is None

"""Runs the tests marked ``sandbox`` of each module in a second pytest within a sandbox, and reports them here.

Two plugins face each other. ``Outside`` starts the second pytest, hands it the chosen tests' ids in a file and reads
their reports, as pytest itself serializes them, line by line from a pipe. ``Inside`` is that second pytest's part.
"""

import contextlib
import json
import os
import select
import subprocess
import tempfile
import time
from collections import deque
from typing import IO, Any

import pytest

from harness import sandbox

MARKER = "sandbox"
_TESTS, _REPORTS = "HARNESS_TESTS_FD", "HARNESS_TEST_REPORTS_FD"
_LOG_END = 4000
# Past a test's own timeout (pytest-timeout's, which holds inside), the time for the sandbox itself.
_GRACE_S = 30.0


class Inside:
    """The plugin of the pytest within the sandbox; does nothing in one that a person started there by hand."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._chosen: list[str] | None = None
        self._reports: IO[str] | None = None
        if _TESTS in os.environ:
            # Taken out of the environment: a pytest started by one of these tests is none of this.
            with open(int(os.environ.pop(_TESTS))) as tests:
                self._chosen = json.load(tests)
            descriptor = int(os.environ.pop(_REPORTS))
            os.set_inheritable(descriptor, False)
            self._reports = open(descriptor, "w")  # noqa: SIM115 - open as long as the session

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._chosen is not None:
            found = {item.nodeid: item for item in items}
            items[:] = [found[nodeid] for nodeid in self._chosen if nodeid in found]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._reports is not None:
            data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
            print(json.dumps(data, default=str), file=self._reports, flush=True)

    def pytest_unconfigure(self) -> None:
        if self._reports is not None:
            self._reports.close()


class Outside:
    """The plugin of the pytest that a person started."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._batch: _Batch | None = None
        self._timeout: float | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put each module's marked tests together, so that one sandbox holds them."""
        first: dict[str, int] = {}
        for index, item in enumerate(items):
            first.setdefault(str(item.path), index)
        items.sort(key=lambda item: (first[str(item.path)], _marked(item)))

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: Any) -> bool | None:
        """Leave a marked test's timeout to the pytest inside, which knows where the test hangs; wait longer here."""
        if not _marked(item):
            return None
        self._timeout = float(settings.timeout)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        if not _marked(item):
            return None
        if self._config.option.usepdb:
            raise pytest.UsageError("--pdb cannot be used with tests marked sandbox; see tests/conftest.py")
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._run(item):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        # An unmarked test before this one has left its module set up, for this one as pytest sees it.
        item.session._setupstate.teardown_exact(nextitem)
        return True

    def _run(self, item: pytest.Item) -> list[pytest.TestReport]:
        if self._batch is None or not self._batch.holds(item.nodeid):
            self._close()
            try:
                self._batch = _Batch(self._config, _rest_of_module(item))
            except sandbox.SandboxError as error:
                return [_failure(item, f"no sandbox for this test: {error}")]
        try:
            return self._batch.reports(item.nodeid, None if self._timeout is None else self._timeout + _GRACE_S)
        except _BrokenError as error:
            text = f"the pytest in the sandbox did not report this test: {error}\n{self._batch.log()}"
        self._close()
        return [_failure(item, text)]

    def pytest_sessionfinish(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._batch is not None:
            self._batch.close()
            self._batch = None


class _BrokenError(Exception):
    """The pytest within the sandbox ended, or wrote what is no report."""


class _Batch:
    """One sandbox with a pytest in it that runs some tests of one module, in order."""

    def __init__(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        self._config = config
        self._waiting = deque(item.nodeid for item in items)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        read, write = os.pipe()
        with tempfile.TemporaryFile() as tests:
            tests.write(json.dumps(list(self._waiting)).encode())
            tests.seek(0)
            environment = {**os.environ, _TESTS: str(tests.fileno()), _REPORTS: str(write)}
            try:
                self._sandbox = sandbox.launch(
                    sandbox.python_module("pytest", *_options(config), str(items[0].path)),
                    stdout=self._log,
                    stderr=subprocess.STDOUT,
                    cwd=config.rootpath,
                    env=environment,
                    pass_fds=(tests.fileno(), write),
                )
            except BaseException:
                os.close(read)
                self._log.close()
                raise
            finally:
                os.close(write)
        self._pipe = os.fdopen(read, "rb", buffering=0)
        self._buffer = b""

    def holds(self, nodeid: str) -> bool:
        return bool(self._waiting) and self._waiting[0] == nodeid

    def reports(self, nodeid: str, timeout: float | None) -> list[pytest.TestReport]:
        """Wait, for at most ``timeout`` seconds, for the reports of the next test: set-up, call and tear-down.

        Raises:
            _BrokenError: the pytest inside ended before it made them, or hangs.
        """
        found: list[pytest.TestReport] = []
        deadline = None if timeout is None else time.monotonic() + timeout
        while not found or found[-1].when != "teardown":
            data = json.loads(self._line(deadline))
            report = self._config.hook.pytest_report_from_serializable(config=self._config, data=data)
            # JSON knows no tuples, and pytest wants these to be some: a place, and a skip's place and reason.
            report.location = tuple(report.location)
            if isinstance(report.longrepr, list):
                report.longrepr = tuple(report.longrepr)
            if report.nodeid != nodeid:
                raise _BrokenError(f"it reported {report.nodeid}, and {nodeid} was to come")
            found.append(report)
        self._waiting.popleft()
        return found

    def _line(self, deadline: float | None) -> bytes:
        while b"\n" not in self._buffer:
            remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._pipe], [], [], remaining)[0]:
                raise _BrokenError("its time is over")
            piece = os.read(self._pipe.fileno(), 1 << 16)
            if not piece:
                raise _BrokenError(f"exit code {self._sandbox.close()}")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def log(self) -> str:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_END))
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        # A pytest that has reported all ends by itself, with its session's fixtures torn down.
        if not self._waiting:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._sandbox.wait(_GRACE_S)
        self._sandbox.close()
        self._pipe.close()
        self._log.close()


def _options(config: pytest.Config) -> list[str]:
    """Return the options of the outer pytest that matter inside, and those that make the inner one quiet."""
    options = [
        "-q",
        "--no-header",
        "--no-summary",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:cov",
        f"--tb={config.option.tbstyle}",
    ]
    options += [f"-W{warning}" for warning in config.option.pythonwarnings or ()]
    if config.option.showlocals:
        options.append("--showlocals")
    seed = config.getoption("hypothesis_seed", None)
    if seed is not None:
        options.append(f"--hypothesis-seed={seed}")
    timeout = config.getoption("timeout", None)
    if timeout is not None:
        options.append(f"--timeout={timeout}")
    return options


def _marked(item: pytest.Item) -> bool:
    return item.get_closest_marker(MARKER) is not None


def _rest_of_module(item: pytest.Item) -> list[pytest.Item]:
    """Return the marked tests of the item's module from the item on."""
    items = item.session.items
    start = items.index(item)
    return [other for other in items[start:] if other.path == item.path and _marked(other)]


def _failure(item: pytest.Item, text: str) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome="failed",
        longrepr=text,
        when="setup",
    )

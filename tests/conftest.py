"""What all tests share: tests marked ``sandbox`` run inside a sandbox, one sandbox for each test module.

Mark a test, a class or a whole module (``pytestmark = pytest.mark.sandbox``) and write it as if it were alone on the
machine, as user 0 of a network namespace with nothing but loopback in it:

    @pytest.mark.sandbox
    def test_addresses(tmp_path: Path) -> None:
        subprocess.run(["ip", "link", "add", "left", "type", "veth", "peer", "name", "right"], check=True)

- It works as root and as an ordinary user. Where no sandbox can be had, the test fails with the reason.
- The marked tests of one module share a sandbox (and so its interfaces); each module has its own. The tests of one
  module run in file order. Every fixture of such a test, also a session's, is set up inside.
- ``tmp_path`` and all other temporary files lie on a file system that vanishes with the sandbox.
- Failures, captured output and durations are reported as those of any other test. A test that takes the whole process
  down (a crash, ``os._exit``) fails with the exit code and pytest's last words; those after it run in a new sandbox.
- ``--pdb`` and ``-s`` have no terminal there: print instead, or run the one module in a sandbox by hand with
  ``python -m harness.sandbox -- .venv/bin/pytest tests/…``, where pytest sees that it is inside.
- A test that starts sandboxes of its own (``harness.sandbox.launch``) needs no mark.
"""

import hypothesis
import pytest

from harness import sandbox
from tests.support.sandboxed import Inside, Outside

# No file of examples, since the checkout may be somebody else's, and no deadline, since the machine may be shared. A
# failing example is printed with the words that make it again.
hypothesis.settings.register_profile("project", database=None, deadline=None, print_blob=True)
hypothesis.settings.load_profile("project")


def pytest_configure(config: pytest.Config) -> None:
    plugin = Inside(config) if sandbox.inside() else Outside(config)
    config.pluginmanager.register(plugin, "sandboxed-tests")

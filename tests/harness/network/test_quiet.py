import socket
from pathlib import Path

import pytest

from harness.network.emulation import Emulation
from harness.network.namespaces import enter
from harness.network.quiet import MARK, release, silence
from harness.spec.loader import load_topology

pytestmark = pytest.mark.sandbox


def _arrives(emulation: Emulation, mark: int) -> bool:
    """Send datagrams from the client to the server and tell whether one arrives."""
    path = emulation.paths["upper"]
    with enter(emulation.server_pid):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with enter(emulation.client_pid):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind((path.to_address, 0))
        receiver.settimeout(0.2)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        try:
            sender.sendto(b"?", receiver.getsockname())
        except PermissionError:  # what a dropped packet looks like to who sends it
            return False
        try:
            return receiver.recv(10) == b"?"
        except TimeoutError:
            return False


def test_only_what_bears_the_mark_leaves_a_quiet_host(tmp_path: Path) -> None:
    with Emulation(load_topology("two_paths")) as emulation:
        assert _arrives(emulation, 0)
        silence(emulation.client_pid)
        assert not _arrives(emulation, 0)
        assert _arrives(emulation, MARK)
        release(emulation.client_pid)
        assert _arrives(emulation, 0)

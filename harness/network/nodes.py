"""Mininet's nodes and links, used so that a node whose process dies is an error and never a wait."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from harness.network.namespaces import run_in

START_LIMIT_S = 30.0


class NodeDied(Exception):
    """The process that holds a node's namespace has ended; the message names the node."""


class Nodes:
    """The Mininet network object and what is done with it.

    Mininet speaks with each node through a shell, and waits for its answer for ever. Here the shell only holds the
    namespace: commands are run in it from outside (``namespaces.run_in``).

    Attributes:
        net: Mininet's object, for its prompt.

    """

    def __init__(self) -> None:
        # Imported late: this needs the distribution's package, and root, which only a sandbox has.
        from mininet.log import setLogLevel
        from mininet.net import Mininet

        setLogLevel("error")
        logging.getLogger("mininet").setLevel(logging.ERROR)
        self.net: Any = Mininet(controller=None)

    def add(self, name: str) -> int:
        """Start a node and return its process.

        Raises:
            NodeDied: it did not start.

        """
        with _time_limit(f"node {name} did not start"):
            pid: int = self.net.addHost(name, ip=None).pid
        return pid

    def link(self, first: str, second: str, addresses: tuple[str, str]) -> tuple[str, str]:
        """Join two nodes by a veth pair with these link-layer addresses; return the names of both interfaces."""
        link = self.net.addLink(first, second, cls=_veth_link(), addr1=addresses[0], addr2=addresses[1])
        return link.intf1.name, link.intf2.name

    def check(self) -> None:
        """Make sure that every node is there.

        Raises:
            NodeDied: one is not.

        """
        for host in self.net.hosts:
            if host.shell is None or host.shell.poll() is not None:
                raise NodeDied(f"the process of node {host.name} has ended, and its part of the network with it")

    def close(self) -> None:
        """End the nodes' processes; their namespaces and links go with them."""
        for host in self.net.hosts:
            if host.shell is None:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.killpg(host.shell.pid, signal.SIGKILL)
            host.shell.wait()
            host.cleanup()


def _veth_link() -> Any:
    from mininet.link import Link

    class VethLink(Link):  # type: ignore[misc]  # Mininet has no types
        """Made by ``ip`` from outside, not by typing into the nodes' shells."""

        @classmethod
        def makeIntfPair(  # noqa: N802 - Mininet's name
            cls,
            intfname1: str,
            intfname2: str,
            addr1: str | None = None,
            addr2: str | None = None,
            node1: Any = None,
            node2: Any = None,
            deleteIntfs: bool = True,  # noqa: N803
        ) -> None:
            """Make the pair, each end in its node."""
            here = [intfname1, "address", str(addr1)]
            there = ["name", intfname2, "address", str(addr2), "netns", str(node2.pid)]
            run_in(node1.pid, ["ip", "link", "add", *here, "type", "veth", "peer", *there])

    return VethLink


@contextlib.contextmanager
def _time_limit(what: str) -> Iterator[None]:
    """Interrupt what waits too long, by an alarm; only the main thread can have one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def alarm(_number: int, _frame: FrameType | None) -> None:
        raise NodeDied(f"{what} within {START_LIMIT_S:g} s")

    before = signal.signal(signal.SIGALRM, alarm)
    began = time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, START_LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            # Somebody else waits for it (a test with a time limit, for one): it comes, if a little late.
            signal.setitimer(signal.ITIMER_REAL, max(1e-3, left - (time.monotonic() - began)), interval)

"""What the tests with other implementations share: certificates, servers that run as long as they do, and a socket."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from impl.tls13 import ReplayGuard, ServerConfig, TicketProtection
from tests.support.openssl import Certificates, OpenSSLServers
from tests.support.openssl_sessions import OpenSSLTwice
from tests.support.peers import Listener, listening
from tests.support.tls import Authority


@pytest.fixture(scope="package")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates that are valid now, since other programs look at the clock."""
    return Certificates(tmp_path_factory.mktemp("certificates"), Authority(now=time.time()))


@pytest.fixture(scope="package")
def servers(certificates: Certificates) -> Iterator[OpenSSLServers]:
    """OpenSSL's servers, which start when they are first asked for."""
    running = OpenSSLServers(certificates)
    yield running
    running.close()


@pytest.fixture(scope="package")
def listener() -> Iterator[Listener]:
    """Where our servers listen."""
    with listening() as socket:
        yield socket


@pytest.fixture
def twice(listener: Listener, certificates: Certificates, tmp_path: Path) -> OpenSSLTwice:
    return OpenSSLTwice(listener, certificates, tmp_path)


@pytest.fixture
def resuming(certificates: Certificates) -> ServerConfig:
    """A server that gives tickets with which data may come early."""
    return certificates.server_config(tickets=TicketProtection(), max_early_data=16384, replay_guard=ReplayGuard())

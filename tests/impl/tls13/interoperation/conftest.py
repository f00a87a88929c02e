"""What the tests with other implementations share: certificates, servers that run as long as they do, and a socket."""

import time
from collections.abc import Iterator

import pytest

from tests.support.openssl import Certificates, OpenSSLServers
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

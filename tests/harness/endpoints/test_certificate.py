"""Certificates that a TLS stack accepts for the right server only."""

import datetime
import ssl
from pathlib import Path

import pytest

from harness.endpoints.certificate import make_certificates
from harness.endpoints.environment import TlsFiles

NOW = datetime.datetime.now(datetime.UTC)


def handshake(files: TlsFiles, ca: Path, name: str) -> None:
    """Do a TLS handshake in memory with a client that asks for ``name``."""
    client_context = ssl.create_default_context(cafile=str(ca))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(files.certificate, files.key)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    pending = [client, server]
    while pending:
        for side in list(pending):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            pending.remove(side)


class TestCertificates:
    @pytest.mark.parametrize("name", ["10.0.0.2", "fd00::2", "server"])
    def test_accepted_for_each_name(self, name: str, tmp_path: Path) -> None:
        files = make_certificates(tmp_path, addresses=["10.0.0.2", "fd00::2"], names=["server"], now=NOW)
        handshake(files, files.ca, name)

    def test_refused_for_another_address(self, tmp_path: Path) -> None:
        files = make_certificates(tmp_path, addresses=["10.0.0.2"], names=[], now=NOW)
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            handshake(files, files.ca, "10.0.0.3")

    def test_refused_by_another_ca(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        files = make_certificates(tmp_path, addresses=["10.0.0.2"], names=[], now=NOW)
        other = make_certificates(tmp_path / "other", addresses=["10.0.0.2"], names=[], now=NOW)
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(files, other.ca, "10.0.0.2")

    def test_key_is_private_and_replaced(self, tmp_path: Path) -> None:
        for _ in range(2):
            files = make_certificates(tmp_path, addresses=["10.0.0.2"], names=[], now=NOW)
        assert files.key.stat().st_mode & 0o777 == 0o600
        handshake(files, files.ca, "10.0.0.2")

    def test_nothing_to_certify(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="at least one"):
            make_certificates(tmp_path, addresses=[], names=[], now=NOW)

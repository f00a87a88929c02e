"""Certificates: who an endpoint is, whom it believes, and whether it believes a peer (RFC 8446, section 4.4.2)."""

from impl.tls13.certificates.credentials import Credentials, self_signed
from impl.tls13.certificates.trust_store import TrustStore
from impl.tls13.certificates.verification import verify_client, verify_server

__all__ = ["Credentials", "TrustStore", "self_signed", "verify_client", "verify_server"]

"""Tests of impl.tls13.certificates.path alone; what it decides within a verification is in test_certificates."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from impl.tls13.alerts import TLSError
from impl.tls13.certificates.path import find_path, is_beyond_library
from impl.tls13.certificates.trust_store import TrustStore
from tests.support import pki
from tests.support.pki import Issued, authority, issue, key

MOMENT = datetime.fromtimestamp(pki.NOW, UTC)
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
ROOT = authority()
INTERMEDIATE = authority("intermediate", ROOT)
LEAF = issue(issuer=INTERMEDIATE)


def path(leaf: Issued, others: Sequence[Issued], *trusted: Issued) -> tuple[x509.Certificate, ...]:
    return find_path(
        leaf.certificate,
        [other.certificate for other in others],
        trust=TrustStore([anchor.certificate for anchor in trusted]),
        moment=MOMENT,
        purpose=SERVER,
    )


class TestPath:
    def test_from_the_leaf_to_the_anchor(self) -> None:
        expected = (LEAF.certificate, INTERMEDIATE.certificate, ROOT.certificate)
        assert path(LEAF, [ROOT, INTERMEDIATE], ROOT) == expected

    def test_of_an_anchor_is_itself(self) -> None:
        assert path(LEAF, [INTERMEDIATE], LEAF, ROOT) == (LEAF.certificate,)

    def test_trusted_issuers_come_before_those_shown(self) -> None:
        assert path(LEAF, [INTERMEDIATE], INTERMEDIATE, ROOT) == (LEAF.certificate, INTERMEDIATE.certificate)

    def test_of_issuers_of_one_name_the_one_that_fits_is_taken(self) -> None:
        """As when an authority has renewed its certificate, or its key."""
        expired = authority("intermediate", ROOT, days=(-9, -1))
        other_key = authority("intermediate", ROOT, own_key=key("p256", 4))
        assert path(LEAF, [expired, other_key, INTERMEDIATE], ROOT)[1] == INTERMEDIATE.certificate

    def test_of_issuers_that_do_not_fit_the_first_is_named(self) -> None:
        expired = authority("intermediate", ROOT, days=(-9, -1))
        powerless = authority("intermediate", ROOT, usage=["crl_sign"])
        with pytest.raises(TLSError, match="certificate_expired"):
            path(LEAF, [expired, powerless], ROOT)
        with pytest.raises(TLSError, match="unknown_ca"):
            path(LEAF, [powerless, expired], ROOT)


class TestBeyondLibrary:
    EDWARDS = authority("edwards", own_key=key("ed25519", 1))

    def test_is_so_for_the_key_of_an_issuer(self) -> None:
        assert is_beyond_library(path(issue(issuer=self.EDWARDS), [], self.EDWARDS))

    def test_is_not_so_for_other_issuers(self) -> None:
        assert not is_beyond_library(path(LEAF, [INTERMEDIATE], ROOT))

    def test_is_not_so_for_the_key_of_the_leaf(self) -> None:
        leaf = issue(issuer=ROOT, own_key=key("ed25519"))
        assert not is_beyond_library(path(leaf, [], ROOT))

    @pytest.mark.parametrize(
        ("extension", "critical", "accepted"),
        [
            (x509.NameConstraints([x509.DNSName("test")], None), False, False),
            (x509.PolicyConstraints(0, None), True, False),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True, False),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), False, True),
        ],
    )
    @pytest.mark.parametrize("on_leaf", [True, False])
    def test_refuses_what_nobody_has_looked_at(
        self, extension: x509.ExtensionType, critical: bool, accepted: bool, on_leaf: bool
    ) -> None:
        extra = [(extension, critical)]
        if on_leaf:
            root = self.EDWARDS
            leaf = issue(issuer=root, extra=extra)
        else:
            root = authority("edwards", own_key=key("ed25519", 1), extra=extra)
            leaf = issue(issuer=root)
        assert is_beyond_library(path(leaf, [], root)) is accepted

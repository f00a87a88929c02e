"""Credentials: files as people have them, keys that do not belong, and self-signed certificates."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from impl.tls13.alerts import TLSError
from impl.tls13.certificates import TrustStore, verify_client, verify_server
from impl.tls13.certificates.credentials import Credentials, self_signed
from impl.tls13.registries import SignatureScheme
from impl.tls13.signatures import verify
from tests.support import pki
from tests.support.pki import NOW, issue, key

ROOT = pki.authority()
INTERMEDIATE = pki.authority("intermediate", ROOT)
LEAF = issue(issuer=INTERMEDIATE)
CHAIN = LEAF.pem + INTERMEDIATE.pem
P256 = SignatureScheme.ECDSA_SECP256R1_SHA256


class TestFromPem:
    @pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa"])
    def test_of_each_kind_of_key(self, kind: str) -> None:
        leaf = issue(issuer=INTERMEDIATE, own_key=key(kind))
        credentials = Credentials.from_pem(leaf.pem + INTERMEDIATE.pem, leaf.key_pem)
        assert credentials.chain == (leaf.der, INTERMEDIATE.der)
        assert credentials.certificate == leaf.certificate
        for scheme in credentials.schemes:
            verify(credentials.certificate, scheme, credentials.sign(scheme, b"content"), b"content")

    def test_with_the_oid_rsassa_pss(self) -> None:
        leaf = pki.with_pss_key(issue(own_key=key("rsa"), rsa_padding=pki.PSS_SHA256), key("rsa"))
        credentials = Credentials.from_pem(leaf.pem, leaf.key_pem)
        assert credentials.schemes[0] is SignatureScheme.RSA_PSS_PSS_SHA256
        signature = credentials.sign(credentials.schemes[0], b"content")
        verify(credentials.certificate, credentials.schemes[0], signature, b"content")

    def test_key_and_certificates_in_one_text(self) -> None:
        both = LEAF.key_pem + CHAIN
        assert Credentials.from_pem(both, both).chain == (LEAF.der, INTERMEDIATE.der)

    @pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
    def test_forms_of_keys(self, form: PrivateFormat) -> None:
        pem = LEAF.key.private_bytes(Encoding.PEM, form, NoEncryption())
        assert Credentials.from_pem(CHAIN, pem).certificate == LEAF.certificate

    def test_with_a_password(self) -> None:
        pem = LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        assert Credentials.from_pem(CHAIN, pem, b"secret").certificate == LEAF.certificate
        for password in (None, b"wrong"):
            with pytest.raises(ValueError, match="private key cannot be read"):
                Credentials.from_pem(CHAIN, pem, password)

    def test_with_a_password_for_nothing(self) -> None:
        with pytest.raises(ValueError, match="private key cannot be read"):
            Credentials.from_pem(CHAIN, LEAF.key_pem, b"secret")

    @pytest.mark.parametrize(
        ("certificates", "private_key", "reason"),
        [
            (CHAIN, b"", "private key cannot be read"),
            (CHAIN, CHAIN, "private key cannot be read"),
            (b"", LEAF.key_pem, "certificates cannot be read"),
            (LEAF.key_pem, LEAF.key_pem, "certificates cannot be read"),
            (CHAIN.replace(b"M", b"N", 9), LEAF.key_pem, "certificates cannot be read"),
            (CHAIN, ROOT.key_pem, "not that of the first certificate$"),
            (INTERMEDIATE.pem + LEAF.pem, LEAF.key_pem, "it is that of number 2, which must come first"),
        ],
    )
    def test_what_cannot_be(self, certificates: bytes, private_key: bytes, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            Credentials.from_pem(certificates, private_key)

    @pytest.mark.parametrize("kind", ["secp256k1", "ed448", "p521"])
    def test_keys_that_sign_with_no_scheme(self, kind: str) -> None:
        leaf = issue(own_key=key(kind))
        with pytest.raises(ValueError, match="no scheme of TLS 1"):
            Credentials.from_pem(leaf.pem, leaf.key_pem)


class TestFromFiles:
    def test_reads_them(self, tmp_path: Path) -> None:
        (tmp_path / "chain.pem").write_bytes(CHAIN)
        (tmp_path / "key.pem").write_bytes(LEAF.key_pem)
        credentials = Credentials.from_files(tmp_path / "chain.pem", str(tmp_path / "key.pem"))
        assert credentials.chain == (LEAF.der, INTERMEDIATE.der)

    def test_errors_name_the_files(self, tmp_path: Path) -> None:
        (tmp_path / "chain.pem").write_bytes(CHAIN)
        (tmp_path / "key.pem").write_bytes(ROOT.key_pem)
        with pytest.raises(ValueError, match=r"chain\.pem with .*key\.pem: the private key is not"):
            Credentials.from_files(tmp_path / "chain.pem", tmp_path / "key.pem")
        with pytest.raises(FileNotFoundError):
            Credentials.from_files(tmp_path / "chain.pem", tmp_path / "none.pem")


class TestSigner:
    def test_a_key_that_is_somewhere_else(self) -> None:
        asked = []

        def signer(scheme: SignatureScheme, content: bytes) -> bytes:
            asked.append((scheme, content))
            return b"signature"

        credentials = Credentials.with_signer([LEAF.certificate], signer)
        assert credentials.private_key is None
        assert credentials.schemes == (P256,)
        assert credentials.sign(P256, b"content") == b"signature"
        assert asked == [(P256, b"content")]

    def test_needs_a_certificate(self) -> None:
        with pytest.raises(ValueError, match="no certificate"):
            Credentials.with_signer([], lambda scheme, content: b"")
        with pytest.raises(ValueError, match="no certificate"):
            Credentials.of([], LEAF.key)


class TestSecrecy:
    def test_repr_has_no_key(self) -> None:
        shown = repr(Credentials.of([LEAF.certificate], LEAF.key))
        assert "Private" not in shown
        assert "sign=" not in shown


class TestIsFor:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("server.test", True),
            ("SERVER.test.", True),
            ("other.test", False),
            ("a.wild.test", True),
            ("192.0.2.1", True),
            ("", False),
            ("under_score.test", False),
            ("a..test", False),
        ],
    )
    def test_names(self, name: str, expected: bool) -> None:
        leaf = issue(names=["server.test", "*.wild.test", "192.0.2.1"])
        assert Credentials.of([leaf.certificate], leaf.key).is_for(name) is expected


class TestSelfSigned:
    NAMES = ("server.test", "*.wild.test", "192.0.2.1", "2001:db8::1", "bücher.test")

    @staticmethod
    def trust(credentials: Credentials) -> TrustStore:
        return TrustStore([credentials.certificate])

    @pytest.mark.parametrize("name", ["server.test", "a.wild.test", "192.0.2.1", "2001:db8::1", "xn--bcher-kva.test"])
    def test_is_good_for_its_names(self, name: str) -> None:
        credentials = self_signed(self.NAMES, now=NOW)
        path = verify_server(credentials.chain, server_name=name, trust=self.trust(credentials), now=NOW)
        assert path == (credentials.certificate,)

    def test_is_not_good_for_others(self) -> None:
        credentials = self_signed(["server.test"], now=NOW)
        with pytest.raises(TLSError, match="bad_certificate"):
            verify_server(credentials.chain, server_name="other.test", trust=self.trust(credentials), now=NOW)

    def test_is_good_for_clients(self) -> None:
        credentials = self_signed(["client.test"], now=NOW)
        assert verify_client(credentials.chain, trust=self.trust(credentials), now=NOW) == (credentials.certificate,)

    @pytest.mark.parametrize(("hours", "valid"), [(-2, False), (-1, True), (0, True), (24, True), (25, False)])
    def test_is_valid_for_its_days(self, hours: int, valid: bool) -> None:
        credentials = self_signed(["server.test"], now=NOW, days=1)
        try:
            verify_server(credentials.chain, server_name=None, trust=self.trust(credentials), now=NOW + hours * 3600)
        except TLSError as error:
            assert not valid, error  # noqa: PT017 - which of both outcomes is right is given
        else:
            assert valid

    @pytest.mark.parametrize("kind", ["p384", "ed25519", "rsa"])
    def test_with_a_given_key(self, kind: str) -> None:
        given = key(kind)
        assert not isinstance(given, Ed448PrivateKey)
        credentials = self_signed(["server.test"], now=NOW, key=given)
        scheme = credentials.schemes[0]
        verify(credentials.certificate, scheme, credentials.sign(scheme, b"content"), b"content")
        assert credentials.certificate.public_key() == given.public_key()

    def test_keys_are_new_each_time(self) -> None:
        first, second = (self_signed(["server.test"], now=NOW).certificate for _ in range(2))
        assert first.public_key() != second.public_key()
        assert first.serial_number != second.serial_number

    def test_cannot_issue_certificates(self) -> None:
        credentials = self_signed(["server.test"], now=NOW)
        assert isinstance(credentials.private_key, ec.EllipticCurvePrivateKey)
        issued = issue(issuer=pki.Issued(credentials.certificate, credentials.private_key))
        with pytest.raises(TLSError, match="unknown_ca"):
            verify_server([issued.der], server_name=None, trust=self.trust(credentials), now=NOW)

    def test_a_long_name_stands_in_the_alternatives_alone(self) -> None:
        name = ".".join(["a" * 40] * 3)
        certificate = self_signed([name], now=NOW).certificate
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert alternatives.critical  # RFC 5280, section 4.2.1.6: if the subject is empty
        assert not list(certificate.subject)
        assert alternatives.value.get_values_for_type(x509.DNSName) == [name]

    def test_is_signed_with_sha256(self) -> None:
        certificate = self_signed(["server.test"], now=NOW).certificate
        assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
        certificate.verify_directly_issued_by(certificate)

    @pytest.mark.parametrize("names", [[], [""], ["a b"], ["*."], ["*.192.0.2.1"], ["server.test", "under_score"]])
    def test_names_that_are_none(self, names: list[str]) -> None:
        with pytest.raises(ValueError, match=r"at least one name|neither a host name nor an IP address"):
            self_signed(names, now=NOW)

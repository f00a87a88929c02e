"""Tests of impl.tls13.certificates: whom it believes, the alert for each kind of failure, and what OpenSSL says."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.certificates import TrustStore, verify_client, verify_server
from impl.tls13.registries import AlertDescription
from tests.support import pki
from tests.support.pki import NOW, Issued, authority, issue, key

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")


@dataclass(frozen=True)
class Case:
    """What a server shows, what is trusted, and how that should end."""

    shown: Sequence[bytes]
    trusted: Sequence[Issued]
    alert: AlertDescription | None = None
    reason: str = ""
    server_name: str | None = "server.test"
    now: float = NOW
    path: int | None = None  # how many certificates the path has
    openssl: bool | None = field(default=None)  # its verdict, where it is another than ours

    def verify(self) -> tuple[x509.Certificate, ...]:
        trust = TrustStore([anchor.certificate for anchor in self.trusted])
        return verify_server(self.shown, server_name=self.server_name, trust=trust, now=self.now)


def shown(*certificates: Issued) -> list[bytes]:
    return [certificate.der for certificate in certificates]


def constrained(
    permitted: Sequence[x509.GeneralName] | None = None, excluded: Sequence[x509.GeneralName] | None = None
) -> Issued:
    """An intermediate authority for these names only."""
    return authority("intermediate", ROOT, extra=[(x509.NameConstraints(permitted, excluded), True)])


ROOT = authority("root")
OTHER_ROOT = authority("other root")
INTERMEDIATE = authority("intermediate", ROOT)
FULL = issue(
    issuer=INTERMEDIATE,
    ca=False,
    usage=["digital_signature"],
    purposes=[SERVER, CLIENT],
    extra=[
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(INTERMEDIATE.key.public_key()), False),
        (x509.SubjectKeyIdentifier.from_public_key(key().public_key()), False),
    ],
)
LEAF = issue(issuer=INTERMEDIATE)
DIRECT = issue(issuer=ROOT)
SELF = issue("self")
SELF_CA = issue("self", ca=True)
DAY = 86400.0

BAD, EXPIRED = AlertDescription.BAD_CERTIFICATE, AlertDescription.CERTIFICATE_EXPIRED
UNSUPPORTED, UNKNOWN = AlertDescription.UNSUPPORTED_CERTIFICATE, AlertDescription.CERTIFICATE_UNKNOWN
UNKNOWN_CA = AlertDescription.UNKNOWN_CA


def accepted_cases() -> dict[str, Case]:
    wildcard = issue(issuer=ROOT, names=["*.wild.test"])
    addresses = issue(issuer=ROOT, names=["192.0.2.1", "2001:db8::1"])
    idna = issue(issuer=ROOT, names=["xn--bcher-kva.test"])
    upper = issue(issuer=ROOT, names=["SERVER.Test"])
    rsa_root, p384_root = authority("r", own_key=key("rsa")), authority("p", own_key=key("p384"))
    p521_root = authority("q", own_key=key("p521"))
    renewed = authority("root", own_key=ROOT.key, days=(-2, 20))
    bare_root = issue("bare root", names=(), ca=True, own_key=key("p256", 7))
    deep = [authority("root")]
    for number in range(8):
        deep.append(authority(f"deep {number}", deep[-1]))
    return {
        "root in store": Case(shown(DIRECT), [ROOT], path=2),
        "intermediate shown": Case(shown(LEAF, INTERMEDIATE), [ROOT], path=3),
        "with all extensions": Case(shown(FULL, INTERMEDIATE), [ROOT], path=3),
        "root shown too": Case(shown(LEAF, INTERMEDIATE, ROOT), [ROOT], path=3),
        "wrong order": Case(shown(LEAF, ROOT, INTERMEDIATE), [ROOT], path=3),
        "with strangers": Case(shown(LEAF, OTHER_ROOT, SELF, INTERMEDIATE), [OTHER_ROOT, ROOT], path=3),
        "twice the same": Case(shown(LEAF, INTERMEDIATE, LEAF, INTERMEDIATE), [ROOT], path=3),
        "intermediate in store": Case(shown(LEAF), [INTERMEDIATE], path=2),
        "intermediate in store with root": Case(shown(LEAF, INTERMEDIATE), [INTERMEDIATE, ROOT], path=2),
        "another certificate of the root's key": Case(shown(DIRECT), [renewed], path=2),
        "root without key usage and identifiers": Case(shown(issue(issuer=bare_root)), [bare_root], path=2),
        "eight intermediates": Case(shown(issue(issuer=deep[8]), *deep[:0:-1]), [deep[0]], path=10),
        "self-signed in store": Case(shown(SELF), [SELF], path=1),
        "self-signed authority in store": Case(shown(SELF_CA), [SELF_CA], path=1),
        "leaf in store without its issuer": Case(shown(LEAF), [LEAF], path=1),
        "leaf in store with its issuer": Case(shown(LEAF, INTERMEDIATE), [LEAF, ROOT], path=1),
        "leaf that may be an authority": Case(shown(issue(issuer=ROOT, ca=True)), [ROOT], path=2),
        "any name": Case(shown(DIRECT), [ROOT], server_name=None),
        "any name, and the certificate has none": Case(shown(issue(issuer=ROOT, names=())), [ROOT], server_name=None),
        "trailing dot": Case(shown(DIRECT), [ROOT], server_name="server.test."),
        "upper case": Case(shown(DIRECT), [ROOT], server_name="SERVER.TEST"),
        "upper case in the certificate": Case(shown(upper), [ROOT]),
        "one of several names": Case(shown(issue(issuer=ROOT, names=["a.test", "server.test"])), [ROOT]),
        "wildcard": Case(shown(wildcard), [ROOT], server_name="any.wild.test"),
        "wildcard for an international name": Case(shown(wildcard), [ROOT], server_name="bücher.wild.test"),
        "name without a dot": Case(shown(issue(issuer=ROOT, names=["localhost"])), [ROOT], server_name="localhost"),
        "IPv4": Case(shown(addresses), [ROOT], server_name="192.0.2.1"),
        "IPv6": Case(shown(addresses), [ROOT], server_name="2001:db8:0::1"),
        "international name": Case(shown(idna), [ROOT], server_name="Bücher.test"),
        "international name as A-label": Case(shown(idna), [ROOT], server_name="xn--bcher-kva.test"),
        "last second": Case(
            shown(DIRECT),
            [ROOT],
            now=NOW + 30 * DAY + 0.9,
            openssl=False,  # RFC 5280, section 4.1.2.5: the period includes its ends
        ),
        "first second": Case(shown(DIRECT), [ROOT], now=NOW - DAY),
        "purposes of the intermediate": Case(
            shown(issue(issuer=(i := authority("i", ROOT, purposes=[SERVER, CLIENT]))), i), [ROOT]
        ),
        "any purpose of the intermediate": Case(
            shown(issue(issuer=(i := authority("i", ROOT, purposes=[ANY]))), i), [ROOT], openssl=False
        ),
        "path length kept": Case(
            shown(issue(issuer=(i := authority("i", (r := authority("r0", path_length=1))))), i), [r]
        ),
        "P-384": Case(shown(issue(issuer=p384_root, own_key=key("p384"))), [p384_root]),
        "P-521 root": Case(shown(issue(issuer=p521_root)), [p521_root]),
        "RSA": Case(shown(issue(issuer=rsa_root, own_key=key("rsa"))), [rsa_root]),
        "RSA signed with PSS": Case(
            shown(issue(issuer=rsa_root, own_key=key("rsa"), rsa_padding=pki.PSS_SHA256)), [rsa_root]
        ),
        "SHA-384": Case(shown(issue(issuer=rsa_root, hash_algorithm=hashes.SHA384())), [rsa_root]),
        "Ed25519 leaf": Case(shown(issue(issuer=ROOT, own_key=key("ed25519"))), [ROOT]),
        "RSASSA-PSS leaf": Case(shown(pss_leaf(rsa_root)), [rsa_root]),
        "name constraints kept": Case(
            shown(issue(issuer=(i := constrained([x509.DNSName("test")]))), i), [ROOT], path=3
        ),
        "Ed25519 authority": Case(shown(issue(issuer=ed25519_root())), [ed25519_root()], path=2),
        "Ed25519 intermediate": Case(
            shown(issue(issuer=(i := authority("i", ROOT, own_key=key("ed25519")))), i), [ROOT], path=3
        ),
        "RSASSA-PSS authority": Case(shown(issue(issuer=pss_root(), rsa_padding=pki.PSS_SHA256)), [pss_root()], path=2),
        "small RSA key in store": Case(
            shown(weak := issue("weak", own_key=key("rsa1024"))), [weak], path=1, openssl=False
        ),
    }


@cache
def ed25519_root() -> Issued:
    return authority("ed25519 root", own_key=key("ed25519", 1))


@cache
def pss_root() -> Issued:
    return pki.with_pss_key(authority("pss root", own_key=key("rsa", 1), rsa_padding=pki.PSS_SHA256), key("rsa", 1))


def pss_leaf(root: Issued) -> Issued:
    """A leaf with a key of the OID id-RSASSA-PSS, which the RSA root has signed with PSS."""
    return pki.with_pss_key(issue(issuer=root, own_key=key("rsa"), rsa_padding=pki.PSS_SHA256), root.key)


def refused_cases() -> dict[str, Case]:
    short_lived = authority("short", ROOT, days=(-10, -1))
    not_yet = authority("not yet", ROOT, days=(1, 10))
    old_root = authority("old root", days=(-10, -1))
    impostor = authority("root", own_key=key("p256", 5))
    rsa_weak = authority("weak root", own_key=key("rsa1024"))
    deep = [authority("root")]
    for number in range(9):
        deep.append(authority(f"deep {number}", deep[-1]))
    return {
        # Time
        "expired": Case(shown(issue(issuer=ROOT, days=(-10, -1))), [ROOT], EXPIRED, "has expired at 2026-"),
        "expired a second ago": Case(shown(DIRECT), [ROOT], EXPIRED, "has expired", now=NOW + 30 * DAY + 1),
        "not yet valid": Case(shown(issue(issuer=ROOT, days=(1, 10))), [ROOT], EXPIRED, "is not valid before 2026-"),
        "expired intermediate": Case(
            shown(issue(issuer=short_lived), short_lived), [ROOT], EXPIRED, "certificate of CN=short has expired"
        ),
        "intermediate not yet valid": Case(shown(issue(issuer=not_yet), not_yet), [ROOT], EXPIRED, "CN=not yet"),
        "expired root": Case(shown(issue(issuer=old_root)), [old_root], EXPIRED, "CN=old root has expired"),
        "expired in store": Case(shown(old := issue("s", days=(-10, -1))), [old], EXPIRED, "CN=s has expired"),
        # No path
        "untrusted root": Case(shown(DIRECT), [OTHER_ROOT], UNKNOWN_CA, "CN=root, is neither trusted nor shown"),
        "untrusted root that is shown": Case(
            shown(LEAF, INTERMEDIATE, ROOT), [OTHER_ROOT], UNKNOWN_CA, "CN=root is self-signed, and not among"
        ),
        "self-signed": Case(shown(SELF), [ROOT], UNKNOWN_CA, "CN=self is self-signed, and not among the trusted"),
        "self-signed with the trusted one's name": Case(
            shown(issue("self", own_key=key("p256", 3))), [SELF], BAD, "does not fit its issuer's key"
        ),
        "missing intermediate": Case(shown(LEAF), [ROOT], UNKNOWN_CA, "CN=intermediate, is neither trusted nor shown"),
        "leaf not first": Case(
            shown(INTERMEDIATE, LEAF), [ROOT], UNSUPPORTED, "key usage of CN=intermediate does not allow digital"
        ),
        "nine intermediates": Case(
            shown(issue(issuer=deep[9]), *deep[:0:-1]), [deep[0]], UNKNOWN_CA, "more than 8 intermediate", openssl=True
        ),
        "loop": Case(shown(*loop()), [ROOT], UNKNOWN_CA, "neither trusted nor shown"),
        # Authorities that are none
        "leaf as authority": Case(
            shown(issue(issuer=LEAF), LEAF, INTERMEDIATE), [ROOT], UNKNOWN_CA, "CN=leaf is not a certificate authority"
        ),
        "authority without basic constraints": Case(
            shown(issue(issuer=(i := issue("i", ROOT, names=()))), i), [ROOT], UNKNOWN_CA, "CN=i is not a cert"
        ),
        "authority with cA false": Case(
            shown(issue(issuer=(i := issue("i", ROOT, ca=False, names=()))), i), [ROOT], UNKNOWN_CA, "CN=i is not"
        ),
        "authority without keyCertSign": Case(
            shown(issue(issuer=(i := authority("i", ROOT, usage=["crl_sign"]))), i), [ROOT], UNKNOWN_CA, "to sign cert"
        ),
        "authority for clients": Case(
            shown(issue(issuer=(i := authority("i", ROOT, purposes=[CLIENT]))), i), [ROOT], UNSUPPORTED, "CN=i is for"
        ),
        "path length exceeded": Case(
            shown(issue(issuer=(i := authority("i", (r := authority("r0", path_length=0))))), i),
            [r],
            UNKNOWN_CA,
            "CN=r0 allows 0 intermediate authorities below it, not 1",
        ),
        "issuer is a leaf in store": Case(shown(issue(issuer=LEAF)), [LEAF], UNKNOWN_CA, "CN=leaf is not a cert"),
        # Names
        "another name": Case(shown(DIRECT), [ROOT], BAD, "not for other.test, but for server.test", "other.test"),
        "another name in store": Case(shown(SELF), [SELF], BAD, "not for other.test", "other.test"),
        "parent name": Case(shown(DIRECT), [ROOT], BAD, "not for test", "test"),
        "longer name": Case(shown(DIRECT), [ROOT], BAD, "not for a.server.test", "a.server.test"),
        "no name": Case(shown(issue(issuer=ROOT, names=())), [ROOT], BAD, "has no subjectAltName"),
        "name in the subject alone": Case(
            shown(issue("server.test", ROOT, names=())), [ROOT], BAD, "no subjectAltName", openssl=True
        ),
        "name in the subject, others listed": Case(
            shown(issue("server.test", ROOT, names=["other.test"])), [ROOT], BAD, "but for other.test"
        ),
        "wildcard without a label": Case(
            shown(issue(issuer=ROOT, names=["*.wild.test"])), [ROOT], BAD, "not for wild.test", "wild.test"
        ),
        "wildcard for two labels": Case(
            shown(issue(issuer=ROOT, names=["*.wild.test"])), [ROOT], BAD, "not for a.b.wild.test", "a.b.wild.test"
        ),
        "wildcard below the root": Case(shown(issue(issuer=ROOT, names=["*.test"])), [ROOT], BAD, "but for *.test"),
        "wildcard alone": Case(shown(issue(issuer=ROOT, names=["*"])), [ROOT], BAD, "but for *", "localhost"),
        "wildcard within a label": Case(
            shown(issue(issuer=ROOT, names=["a*.wild.test"])), [ROOT], BAD, "not for ab", "ab.wild.test", openssl=True
        ),
        "wildcard and an address": Case(
            shown(issue(issuer=ROOT, names=["*.0.2.1"])), [ROOT], BAD, "not for 192.0.2.1", "192.0.2.1"
        ),
        "another address": Case(
            shown(issue(issuer=ROOT, names=["192.0.2.1"])), [ROOT], BAD, "not for 192.0.2.2, but", "192.0.2.2"
        ),
        "address as a DNS name": Case(
            shown(issue(issuer=ROOT, extra=[(dns_names("192.0.2.1"), False)], names=())),
            [ROOT],
            BAD,
            "not for 192.0.2.1",
            "192.0.2.1",
        ),
        # Usage
        "key usage without digitalSignature": Case(
            shown(issue(issuer=ROOT, usage=["key_encipherment"])),
            [ROOT],
            UNSUPPORTED,
            "does not allow digital signatures",
            openssl=True,  # it looks at this when CertificateVerify comes
        ),
        "key usage without digitalSignature in store": Case(
            shown(usage := issue("s", usage=["key_agreement"])), [usage], UNSUPPORTED, "digital sig", openssl=True
        ),
        "for clients alone": Case(
            shown(issue(issuer=ROOT, purposes=[CLIENT])), [ROOT], UNSUPPORTED, "CN=leaf is not for TLS servers"
        ),
        "for clients alone, in store": Case(
            shown(client := issue("s", purposes=[CLIENT])), [client], UNSUPPORTED, "not for TLS servers"
        ),
        "for any purpose, which servers may not be": Case(
            shown(issue(issuer=ROOT, purposes=[ANY])), [ROOT], UNSUPPORTED, "not for TLS servers"
        ),
        # Signatures and keys
        "wrong signature": Case(
            [pki.with_wrong_signature(DIRECT)], [ROOT], BAD, "signature of the certificate of CN=leaf"
        ),
        "wrong signature of the intermediate": Case(
            [LEAF.der, pki.with_wrong_signature(INTERMEDIATE)], [ROOT], BAD, "certificate of CN=intermediate"
        ),
        "issuer of the same name": Case(shown(DIRECT), [impostor], BAD, "does not fit its issuer's key, CN=root"),
        "SHA-1": Case(shown(pki.with_sha1_signature(DIRECT, ROOT.key)), [ROOT], BAD, "signed with sha1, which is not"),
        "SHA-1 of the intermediate": Case(
            shown(LEAF, pki.with_sha1_signature(INTERMEDIATE, ROOT.key)), [ROOT], BAD, "CN=intermediate is signed with"
        ),
        "SHA-224": Case(
            shown(issue(issuer=ROOT, hash_algorithm=hashes.SHA224())), [ROOT], BAD, "with sha224", openssl=True
        ),
        "RSA key too small": Case(shown(issue(issuer=ROOT, own_key=key("rsa1024"))), [ROOT], BAD, "has 1024 bits"),
        "RSA key of the root too small": Case(shown(issue(issuer=rsa_weak)), [rsa_weak], BAD, "CN=weak root has 1024"),
        "secp256k1": Case(
            shown(issue(issuer=ROOT, own_key=key("secp256k1"))),
            [ROOT],
            UNSUPPORTED,
            "no signature scheme",
            openssl=True,
        ),
        "Ed448": Case(
            shown(issue(issuer=ROOT, own_key=key("ed448"))), [ROOT], UNSUPPORTED, "no signature scheme", openssl=True
        ),
        "secp256k1 in store": Case(
            shown(k1 := issue("s", own_key=key("secp256k1"))), [k1], UNSUPPORTED, "no signature sch", openssl=True
        ),
        # Form
        "garbage": Case([b"garbage"], [ROOT], BAD, "cannot be parsed"),
        "empty": Case([b""], [ROOT], BAD, "cannot be parsed"),
        "cut short": Case([DIRECT.der[:-1]], [ROOT], BAD, "cannot be parsed"),
        "trailing data": Case([DIRECT.der + b"\0"], [ROOT], BAD, "cannot be parsed"),
        "garbage after a good one": Case([DIRECT.der, b"garbage"], [ROOT], BAD, "cannot be parsed"),
        "PEM": Case([DIRECT.pem], [ROOT], BAD, "cannot be parsed"),
        "too many": Case(shown(LEAF, *[INTERMEDIATE] * 32), [ROOT], UNKNOWN_CA, "a chain of 33 cert", openssl=True),
        # The rest
        "unknown critical extension": Case(
            shown(issue(issuer=ROOT, extra=[(UNKNOWN_EXTENSION, True)])), [ROOT], UNSUPPORTED, "critical extension"
        ),
        "name not permitted": Case(
            shown(issue(issuer=(i := constrained([x509.DNSName("else.test")]))), i), [ROOT], UNKNOWN, "name constraint"
        ),
        "name excluded": Case(
            shown(issue(issuer=(i := constrained(None, [x509.DNSName("server.test")]))), i), [ROOT], UNKNOWN, "excluded"
        ),
        "address not permitted": Case(
            shown(
                issue(issuer=(i := constrained([x509.IPAddress(pki.network("10.0.0.0/8"))])), names=["192.0.2.1"]), i
            ),
            [ROOT],
            UNKNOWN,
            "name constraint",
            "192.0.2.1",
        ),
    }


def dns_names(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def loop() -> tuple[Issued, Issued, Issued]:
    """A leaf whose issuers have certified each other."""
    first_key, second_key = key("p256", 11), key("p256", 12)
    first = authority(
        "first", Issued(authority("second", own_key=second_key).certificate, second_key), own_key=first_key
    )
    second = authority(
        "second", Issued(authority("first", own_key=first_key).certificate, first_key), own_key=second_key
    )
    return issue(issuer=first), first, second


ACCEPTED, REFUSED = accepted_cases(), refused_cases()


class TestServers:
    @pytest.mark.parametrize("name", ACCEPTED)
    def test_accepted(self, name: str) -> None:
        case = ACCEPTED[name]
        path = case.verify()
        encoded = [certificate.public_bytes(Encoding.DER) for certificate in path]
        assert encoded[0] == case.shown[0]
        assert encoded[-1] in shown(*case.trusted)
        assert case.path in (None, len(path))
        for certificate, issuer in pairwise(path):
            certificate.verify_directly_issued_by(issuer)

    @pytest.mark.parametrize("name", REFUSED)
    def test_refused(self, name: str) -> None:
        case = REFUSED[name]
        with pytest.raises(TLSError) as caught:
            case.verify()
        assert caught.value.alert is case.alert, caught.value
        assert case.reason in caught.value.reason

    @pytest.mark.parametrize("name", REFUSED)
    def test_twice_gives_the_same(self, name: str) -> None:
        """What is remembered of parsing must not matter."""
        for _ in range(2):
            with pytest.raises(TLSError) as caught:
                REFUSED[name].verify()
            assert caught.value.alert is REFUSED[name].alert

    def test_an_empty_chain_is_a_decode_error(self) -> None:
        """Section 4.4.2.4."""
        with pytest.raises(TLSError) as caught:
            Case([], [ROOT]).verify()
        assert caught.value.alert is AlertDescription.DECODE_ERROR

    @pytest.mark.parametrize("name", ["", "a..test", "-a.test", "a b", "*.test", "192.0.2.256", "under_score.test"])
    def test_a_name_that_is_none_is_the_callers_error(self, name: str) -> None:
        with pytest.raises(ValueError, match="neither a host name nor an IP address"):
            Case(shown(DIRECT), [ROOT], server_name=name).verify()

    def test_long_lists_of_names_are_cut(self) -> None:
        many = issue(issuer=ROOT, names=[f"n{number}.test" for number in range(100)])
        with pytest.raises(TLSError, match=r"n4\.test and others$"):
            Case(shown(many), [ROOT]).verify()

    @given(st.integers(0, len(LEAF.der) - 1), st.integers(1, 255))
    @settings(max_examples=60, deadline=None)
    def test_a_changed_byte_is_never_accepted(self, place: int, change: int) -> None:
        changed = LEAF.der[:place] + bytes([LEAF.der[place] ^ change]) + LEAF.der[place + 1 :]
        with pytest.raises(TLSError):
            Case([changed, INTERMEDIATE.der], [ROOT]).verify()

    @given(st.lists(st.sampled_from([INTERMEDIATE, ROOT, OTHER_ROOT, SELF, LEAF]), max_size=6))
    @settings(max_examples=30, deadline=None)
    def test_order_and_strangers_do_not_matter(self, others: list[Issued]) -> None:
        case = Case(shown(LEAF, *others), [ROOT])
        if INTERMEDIATE in others:
            assert len(case.verify()) == 3
        else:
            with pytest.raises(TLSError, match="unknown_ca"):
                case.verify()


class TestBeyondTheLibrary:
    """Issuers with keys of Ed25519 or id-RSASSA-PSS, of which the library's verifier will not hear."""

    @pytest.mark.parametrize("root", [ed25519_root, pss_root])
    def test_nothing_is_overlooked(self, root: Callable[[], Issued]) -> None:
        anchor = root()
        rsa_padding = pki.PSS_SHA256 if root is pss_root else None

        def alert(leaf: Issued, *others: Issued, trusted: Issued = anchor) -> str:
            with pytest.raises(TLSError) as caught:
                Case(shown(leaf, *others), [trusted]).verify()
            return caught.value.alert.name

        good = issue(issuer=anchor, rsa_padding=rsa_padding)
        assert len(Case(shown(good), [anchor]).verify()) == 2
        assert alert(good, trusted=ROOT) == "UNKNOWN_CA"
        assert alert(issue(issuer=anchor, days=(-9, -1), rsa_padding=rsa_padding)) == "CERTIFICATE_EXPIRED"
        assert alert(issue(issuer=anchor, names=["other.test"], rsa_padding=rsa_padding)) == "BAD_CERTIFICATE"
        assert alert(issue(issuer=anchor, purposes=[CLIENT], rsa_padding=rsa_padding)) == "UNSUPPORTED_CERTIFICATE"
        critical = issue(issuer=anchor, extra=[(UNKNOWN_EXTENSION, True)], rsa_padding=rsa_padding)
        assert alert(critical) == "UNSUPPORTED_CERTIFICATE"
        limited = authority(
            "limited",
            anchor,
            extra=[(x509.NameConstraints([x509.DNSName("server.test")], None), True)],
            rsa_padding=rsa_padding,
        )
        assert alert(issue(issuer=limited), limited) == "CERTIFICATE_UNKNOWN"
        none = issue("none", anchor, rsa_padding=rsa_padding)
        assert alert(issue(issuer=none), none) == "UNKNOWN_CA"
        with pytest.raises(TLSError, match="bad_certificate"):
            Case([pki.with_wrong_signature(good)], [anchor]).verify()

    def test_path_length(self) -> None:
        root = authority("short", own_key=key("ed25519", 2), path_length=0)
        intermediate = authority("i", root)
        assert len(Case(shown(issue(issuer=root)), [root]).verify()) == 2
        with pytest.raises(TLSError, match="unknown_ca: CN=short allows 0"):
            Case(shown(issue(issuer=intermediate), intermediate), [root]).verify()

    def test_an_old_version_has_no_place(self) -> None:
        leaf = pki.as_version_1(issue(issuer=ed25519_root(), names=()), ed25519_root().key)
        with pytest.raises(TLSError, match="certificate_unknown"):
            Case(shown(leaf), [ed25519_root()], server_name=None).verify()


class TestWithoutTrust:
    def test_anybody_is_believed(self) -> None:
        path = verify_server(
            shown(issue(issuer=ROOT, days=(-9, -1)), OTHER_ROOT), server_name="other.test", trust=None, now=NOW
        )
        assert [certificate.subject for certificate in path] == [
            DIRECT.certificate.subject,
            OTHER_ROOT.certificate.subject,
        ]

    @pytest.mark.parametrize(("chain", "alert"), [([b"x"], BAD), (shown(issue(own_key=key("ed448"))), UNSUPPORTED)])
    def test_but_must_be_readable_and_have_a_key_that_can_sign(
        self, chain: list[bytes], alert: AlertDescription
    ) -> None:
        with pytest.raises(TLSError) as caught:
            verify_server(chain, server_name=None, trust=None, now=NOW)
        assert caught.value.alert is alert


class TestClients:
    @staticmethod
    def verify(chain: Sequence[bytes], *trusted: Issued) -> tuple[x509.Certificate, ...]:
        trust = TrustStore([anchor.certificate for anchor in trusted or (ROOT,)])
        return verify_client(chain, trust=trust, now=NOW)

    @pytest.mark.parametrize(
        "leaf",
        [
            issue(issuer=INTERMEDIATE, purposes=[CLIENT]),
            issue(issuer=INTERMEDIATE, purposes=[SERVER, CLIENT]),
            issue(issuer=INTERMEDIATE, names=()),
            issue(issuer=INTERMEDIATE, names=["192.0.2.1"], usage=["digital_signature"]),
            FULL,
        ],
    )
    def test_accepted(self, leaf: Issued) -> None:
        assert len(self.verify(shown(leaf, INTERMEDIATE))) == 3

    def test_itself_in_store(self) -> None:
        assert self.verify(shown(SELF), SELF) == (SELF.certificate,)

    @pytest.mark.parametrize(
        ("leaf", "alert", "reason"),
        [
            (issue(issuer=ROOT, purposes=[SERVER]), UNSUPPORTED, "not for TLS clients"),
            (issue(issuer=ROOT, usage=["key_agreement"]), UNSUPPORTED, "digital signatures"),
            (issue(issuer=ROOT, days=(-9, -1)), EXPIRED, "has expired"),
            (issue(issuer=OTHER_ROOT), UNKNOWN_CA, "neither trusted nor shown"),
            (SELF, UNKNOWN_CA, "self-signed"),
        ],
    )
    def test_refused(self, leaf: Issued, alert: AlertDescription, reason: str) -> None:
        with pytest.raises(TLSError, match=reason) as caught:
            self.verify(shown(leaf))
        assert caught.value.alert is alert

    def test_an_authority_for_servers_alone_is_refused(self) -> None:
        intermediate = authority("i", ROOT, purposes=[SERVER])
        with pytest.raises(TLSError, match="unsupported_certificate"):
            self.verify(shown(issue(issuer=intermediate), intermediate))

    def test_name_constraints_hold(self) -> None:
        intermediate = constrained([x509.DNSName("else.test")])
        with pytest.raises(TLSError, match="certificate_unknown"):
            self.verify(shown(issue(issuer=intermediate), intermediate))

    def test_an_empty_chain_lacks_a_certificate(self) -> None:
        with pytest.raises(TLSError) as caught:
            self.verify([])
        assert caught.value.alert is AlertDescription.CERTIFICATE_REQUIRED


class TestAgainstOpenssl:
    """The same verdict as ``openssl verify`` with the security level of Debian, but where a case says otherwise."""

    @pytest.mark.parametrize("name", [*ACCEPTED, *(n for n, case in REFUSED.items() if "parsed" not in case.reason)])
    def test_verdict(self, name: str, tmp_path: Path) -> None:
        case = ACCEPTED.get(name) or REFUSED[name]
        expected = case.alert is None if case.openssl is None else case.openssl
        assert self.accepts(case, tmp_path) is expected

    @staticmethod
    def accepts(case: Case, directory: Path) -> bool:
        leaf, others, anchors = directory / "leaf.pem", directory / "others.pem", directory / "anchors.pem"
        pem = [x509.load_der_x509_certificate(data).public_bytes(Encoding.PEM) for data in case.shown]
        leaf.write_bytes(pem[0])
        others.write_bytes(b"".join(pem[1:]))
        anchors.write_bytes(b"".join(anchor.pem for anchor in case.trusted))
        command = ["openssl", "verify", "-no-CApath", "-no-CAstore", "-partial_chain", "-trusted_first"]
        command += ["-purpose", "sslserver", "-auth_level", "2", "-attime", str(int(case.now))]
        if case.server_name is not None:
            is_address = case.server_name.replace(".", "").isdigit() or ":" in case.server_name
            host_name = case.server_name.removesuffix(".").lower().encode("idna").decode()
            command += ["-verify_ip", case.server_name] if is_address else ["-verify_hostname", host_name]
        command += ["-CAfile", str(anchors)] + (["-untrusted", str(others)] if pem[1:] else [])
        return subprocess.run([*command, str(leaf)], capture_output=True, check=False).returncode == 0

"""Tests of impl.tls13.certificates.server_names: names that users give in their many forms, and wildcards."""

import ipaddress

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13.certificates.server_names import is_named, parse_server_name
from tests.support import pki

STORE = Store([pki.authority().certificate])
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


class TestParsing:
    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("server.test", "server.test"),
            ("Server.TEST.", "server.test"),
            ("localhost", "localhost"),
            ("a-b.1.test", "a-b.1.test"),
            ("bücher.test", "xn--bcher-kva.test"),
            ("BÜCHER.test.", "xn--bcher-kva.test"),
            ("XN--BCHER-KVA.test", "xn--bcher-kva.test"),
            ("a。test", "a.test"),  # the ideographic full stop is a dot (RFC 3490, section 3.1)
            (f"{'a' * 63}.test", f"{'a' * 63}.test"),
        ],
    )
    def test_host_names(self, written: str, read: str) -> None:
        assert parse_server_name(written) == x509.DNSName(read)

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:DB8::1", "2001:db8::1"),
            ("2001:db8:0:0::1", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
        ],
    )
    def test_addresses(self, written: str, read: str) -> None:
        assert parse_server_name(written) == x509.IPAddress(ipaddress.ip_address(read))

    @pytest.mark.parametrize(
        "name",
        [
            "",
            ".",
            "..",
            "a..test",
            ".test",
            "a.test..",
            "-a.test",
            "a-.test",
            "under_score.test",
            "*.test",
            "a b.test",
            "a\0.test",
            "a.test\n",
            "https://a.test",
            "a.test:443",
            "[2001:db8::1]",
            "192.0.2.256",
            "1.2.3",
            "123",
            "a" * 64 + ".test",
            ".".join(["a" * 49] * 6),
            "ü" * 64 + ".test",
            "ü..test",
        ],
    )
    def test_what_is_neither(self, name: str) -> None:
        with pytest.raises(ValueError, match=r"is not a host name|neither a host name nor an IP address"):
            parse_server_name(name)

    @given(st.lists(labels, min_size=1, max_size=5).map(".".join))
    @settings(max_examples=50)
    def test_the_verifier_of_the_library_takes_whatever_is_accepted(self, name: str) -> None:
        try:
            parsed = parse_server_name(name)
        except ValueError:
            assert name.rpartition(".")[2].isdigit()
        else:
            PolicyBuilder().store(STORE).build_server_verifier(parsed)

    @given(st.text(max_size=20))
    @settings(max_examples=100)
    def test_any_text_is_a_name_or_a_value_error(self, text: str) -> None:
        try:
            parse_server_name(text)
        except ValueError as error:
            assert repr(text) in str(error)  # noqa: PT017 - both outcomes are right


class TestMatching:
    @pytest.mark.parametrize(
        ("known", "name", "named"),
        [
            ("server.test", "server.test", True),
            ("SERVER.test", "server.test", True),
            ("server.test", "a.server.test", False),
            ("server.test", "erver.test", False),
            ("*.wild.test", "a.wild.test", True),
            ("*.wild.test", "wild.test", False),
            ("*.wild.test", "a.b.wild.test", False),
            ("*.WILD.test", "a.wild.test", True),
            ("*.test", "a.test", False),
            ("*", "localhost", False),
            ("a*.wild.test", "ab.wild.test", False),
            ("a.*.wild.test", "a.b.wild.test", False),
            ("*.*.wild.test", "a.b.wild.test", False),
            ("*.2.1", "192.0.2.1", False),
            ("192.0.2.1", "192.0.2.1", True),
            ("192.0.2.1", "192.0.2.2", False),
            ("::ffff:192.0.2.1", "192.0.2.1", False),
            ("2001:db8::1", "2001:db8::1", True),
        ],
    )
    def test_one_name(self, known: str, name: str, named: bool) -> None:
        certificate = pki.issue(names=["else.test", known]).certificate
        assert is_named(certificate, parse_server_name(name)) is named

    def test_without_names(self) -> None:
        certificate = pki.issue("server.test", names=()).certificate
        assert not is_named(certificate, x509.DNSName("server.test"))

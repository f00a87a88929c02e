"""What a client makes of the server's answer. The refusals are tested where their alerts are sent, in test_client."""

import pytest

from impl.tls13 import AlertDescription, TLSError
from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.client_offer import Offer, first_offer
from impl.tls13.extensions import KeyShareEntry, encode_cookie, encode_selected_group, encode_server_share
from impl.tls13.messages import HELLO_RETRY_REQUEST_RANDOM, CertificateRequest, ServerHello
from impl.tls13.registries import ExtensionType, NamedGroup
from impl.tls13.server_answer import (
    check_certificate_request,
    check_server_hello,
    chosen_exchange,
    chosen_key,
    read_parameters,
    requested_change,
)
from tests.support.tls import NOW, client_config

E = ExtensionType
CONFIG = client_config(groups=(NamedGroup.X25519, NamedGroup.SECP256R1), alpn_protocols=(b"a",), record_size_limit=100)


@pytest.fixture(scope="module")
def offer() -> Offer:
    return first_offer(CONFIG, NOW)


def hello(offer: Offer, extensions: dict[int, bytes], *, retry: bool = False) -> ServerHello:
    random = HELLO_RETRY_REQUEST_RANDOM if retry else bytes(32)
    return ServerHello(random, offer.hello.legacy_session_id, 0x1301, {E.SUPPORTED_VERSIONS: b"\3\4", **extensions})


class TestServerHello:
    def test_suite(self, offer: Offer) -> None:
        assert check_server_hello(hello(offer, {}), CONFIG, offer, None) is CIPHER_SUITES[0x1301]

    def test_suite_of_the_retry(self, offer: Offer) -> None:
        with pytest.raises(TLSError, match="another cipher suite"):
            check_server_hello(hello(offer, {}), CONFIG, offer, CIPHER_SUITES[0x1302])

    def test_key_exchange(self, offer: Offer) -> None:
        share = encode_server_share(KeyShareEntry(NamedGroup.X25519, b"\x09" * 32))
        exchange, theirs = chosen_exchange(hello(offer, {E.KEY_SHARE: share}), offer)
        assert exchange is offer.key_exchanges[NamedGroup.X25519]
        assert theirs == b"\x09" * 32

    def test_no_key(self, offer: Offer) -> None:
        assert chosen_key(hello(offer, {}), offer, CIPHER_SUITES[0x1301]) is None


class TestHelloRetryRequest:
    @pytest.mark.parametrize(
        ("group", "cookie"), [(NamedGroup.SECP256R1, None), (None, b"c"), (NamedGroup.SECP256R1, b"c")]
    )
    def test_group_and_cookie(self, offer: Offer, group: NamedGroup | None, cookie: bytes | None) -> None:
        extensions: dict[int, bytes] = {}
        if group is not None:
            extensions[E.KEY_SHARE] = encode_selected_group(group)
        if cookie is not None:
            extensions[E.COOKIE] = encode_cookie(cookie)
        assert requested_change(hello(offer, extensions, retry=True), CONFIG, offer) == (group, cookie)


class TestEncryptedExtensions:
    def test_all(self, offer: Offer) -> None:
        extensions: dict[int, bytes] = {
            E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION: b"\0\2\1a",
            E.RECORD_SIZE_LIMIT: b"\0\x64",
            E.SERVER_NAME: b"",
        }
        read = read_parameters(extensions, CONFIG, offer)
        assert (read.alpn_protocol, read.record_size_limit, read.early_data) == (b"a", 100, False)

    def test_none(self, offer: Offer) -> None:
        read = read_parameters({}, CONFIG, offer)
        assert (read.alpn_protocol, read.record_size_limit, read.early_data) == (None, None, False)


class TestCertificateRequest:
    def test_parts_that_are_passed_over_must_have_their_form(self) -> None:
        request = CertificateRequest(b"", {E.SIGNATURE_ALGORITHMS: b"\0\2\4\3", E.CERTIFICATE_AUTHORITIES: b"\0\0"})
        with pytest.raises(TLSError) as error:
            check_certificate_request(request)
        assert error.value.alert is AlertDescription.DECODE_ERROR

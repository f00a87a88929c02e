"""What a server says beside its choices."""

from impl.tls13.registries import ExtensionType
from impl.tls13.server_parameters import encrypted_extensions, request_extensions
from tests.support.tls import server_config


def test_nothing_is_said_that_nobody_asked_for() -> None:
    assert encrypted_extensions(named=False, alpn_protocol=None, record_size_limit=None, early_data=False) == {}


def test_all_that_can_be_said() -> None:
    assert encrypted_extensions(named=True, alpn_protocol=b"h", record_size_limit=100, early_data=True) == {
        ExtensionType.SERVER_NAME: b"",
        ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION: b"\0\2\1h",
        ExtensionType.RECORD_SIZE_LIMIT: b"\0\x64",
        ExtensionType.EARLY_DATA: b"",
    }


def test_request_names_schemes() -> None:
    config = server_config(signature_schemes=(0x0403,), certificate_signature_schemes=(0x0401,))
    assert request_extensions(config) == {
        ExtensionType.SIGNATURE_ALGORITHMS: b"\0\2\4\3",
        ExtensionType.SIGNATURE_ALGORITHMS_CERT: b"\0\2\4\1",
    }


def test_request_without_schemes_of_certificates() -> None:
    config = server_config(certificate_signature_schemes=None)
    assert list(request_extensions(config)) == [ExtensionType.SIGNATURE_ALGORITHMS]

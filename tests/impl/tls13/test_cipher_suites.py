"""Tests of impl.tls13.cipher_suites: the table against the registry, and that sizes are those of the AEADs."""

import pytest
from cryptography.exceptions import InvalidTag

from impl.tls13.cipher_suites import CIPHER_SUITES, IV_SIZE, TAG_SIZE, CipherSuite, suite_by_name

every_suite = pytest.mark.parametrize("suite", CIPHER_SUITES.values(), ids=lambda suite: suite.name)


class TestTable:
    def test_codes_and_names_of_the_registry_in_order_of_preference(self) -> None:
        assert [(code, suite.name) for code, suite in CIPHER_SUITES.items()] == [
            (0x1301, "TLS_AES_128_GCM_SHA256"),
            (0x1302, "TLS_AES_256_GCM_SHA384"),
            (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
        ]

    @every_suite
    def test_entry_is_of_one_piece(self, suite: CipherSuite) -> None:
        assert CIPHER_SUITES[suite.code] is suite
        assert suite.hash.digest_size == suite.hash_size
        assert suite.name.endswith(suite.hash.name.upper())

    @every_suite
    def test_can_stand_in_sets(self, suite: CipherSuite) -> None:
        assert suite in {*CIPHER_SUITES.values()}

    def test_no_two_are_equal(self) -> None:
        assert len(set(CIPHER_SUITES.values())) == 3

    def test_is_read_only(self) -> None:
        with pytest.raises(TypeError):
            CIPHER_SUITES[0x1304] = CIPHER_SUITES[0x1301]  # type: ignore[index]  # which is what is tested


class TestAead:
    @every_suite
    def test_seals_and_opens_with_keys_of_that_size(self, suite: CipherSuite) -> None:
        aead = suite.aead(bytes(suite.key_size))
        sealed = aead.encrypt(bytes(IV_SIZE), b"content", b"header")
        assert len(sealed) == len(b"content") + TAG_SIZE
        assert aead.decrypt(bytes(IV_SIZE), sealed, b"header") == b"content"
        with pytest.raises(InvalidTag):
            aead.decrypt(bytes(IV_SIZE), sealed, b"other")

    @every_suite
    def test_works_in_buffers_of_the_caller(self, suite: CipherSuite) -> None:
        aead = suite.aead(bytes(suite.key_size))
        sealed = bytearray(7 + TAG_SIZE)
        assert aead.encrypt_into(bytes(IV_SIZE), b"content", None, sealed) == len(sealed)
        content = bytearray(7)
        assert aead.decrypt_into(bytes(IV_SIZE), sealed, None, content) == 7
        assert content == b"content"

    @pytest.mark.parametrize(
        ("name", "sealed"),
        [  # GCM specification, test cases 1 and 13: no plaintext, all zeros
            ("TLS_AES_128_GCM_SHA256", "58e2fccefa7e3061367f1d57a4e7455a"),
            ("TLS_AES_256_GCM_SHA384", "530f8afbc74536b9a963b4f1c4cb738b"),
        ],
    )
    def test_known_tag(self, name: str, sealed: str) -> None:
        suite = suite_by_name(name)
        assert suite.aead(bytes(suite.key_size)).encrypt(bytes(12), b"", None).hex() == sealed

    def test_known_chacha20_poly1305(self) -> None:
        """RFC 8439, section 2.8.2."""
        aead = suite_by_name("TLS_CHACHA20_POLY1305_SHA256").aead(bytes(range(0x80, 0xA0)))
        plaintext = (
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
            b"sunscreen would be it."
        )
        sealed = aead.encrypt(
            bytes.fromhex("070000004041424344454647"), plaintext, bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
        )
        assert sealed[:8].hex() == "d31a8d34648e60db"
        assert sealed[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"


class TestRecordLimit:
    def test_of_aes_gcm_is_that_of_section_5_5(self) -> None:
        for name in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"):
            limit = suite_by_name(name).record_limit
            assert limit <= 2**24.5 < limit + 1

    def test_of_chacha20_is_before_the_sequence_number_wraps(self) -> None:
        assert 2**48 < suite_by_name("TLS_CHACHA20_POLY1305_SHA256").record_limit < 2**64


class TestNames:
    @every_suite
    def test_finds_each(self, suite: CipherSuite) -> None:
        assert suite_by_name(suite.name) is suite

    @pytest.mark.parametrize("name", ["", "TLS_AES_128_CCM_SHA256", "tls_aes_128_gcm_sha256"])
    def test_tells_what_is_allowed(self, name: str) -> None:
        with pytest.raises(ValueError, match="TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20"):
            suite_by_name(name)

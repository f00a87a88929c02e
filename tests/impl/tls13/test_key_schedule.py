"""Tests of impl.tls13.key_schedule: RFC 8448 and RFC 5869, HkdfLabel by hand, and that stages cannot be mixed up."""

import hashlib
import hmac
from collections.abc import Callable
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.key_schedule import (
    KeySchedule,
    TrafficKeys,
    derive_secret,
    export_keying_material,
    finished_verify_data,
    hkdf_expand_label,
    hkdf_extract,
    next_traffic_secret,
    resumption_psk,
    traffic_keys,
)
from tests.support import rfc8448

AES_128, AES_256, CHACHA20 = CIPHER_SUITES.values()
SHARED = bytes(range(32))
TH = bytes(range(100, 132))  # some transcript hash

suites = st.sampled_from(list(CIPHER_SUITES.values()))


def expanded(suite: CipherSuite, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label from RFC 5869 and section 7.1 by hand, with the standard library."""
    full = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(full)]) + full + bytes([len(context)]) + context
    output, block, counter = b"", b"", 1
    while len(output) < length:
        block = hmac.digest(secret, block + info + bytes([counter]), suite.hash.name)
        output += block
        counter += 1
    return output[:length]


def at(stage: str, suite: CipherSuite = AES_128, psk: bytes | None = b"psk") -> KeySchedule:
    schedule = KeySchedule(suite, psk)
    if stage != "early":
        schedule.enter_handshake(SHARED)
    if stage == "application":
        schedule.enter_application()
    return schedule


class TestExtractAndExpand:
    def test_extract_of_rfc5869_test_case_1(self) -> None:
        prk = hkdf_extract(SHA256(), bytes.fromhex("000102030405060708090a0b0c"), b"\x0b" * 22)
        assert prk.hex() == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"

    @given(
        suites,
        st.binary(min_size=32, max_size=48),
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=249),
        st.binary(max_size=255),
        st.integers(1, 200),
    )
    @settings(max_examples=40)
    def test_expand_label_is_as_section_7_1_spells_it(
        self, suite: CipherSuite, secret: bytes, label: str, context: bytes, length: int
    ) -> None:
        given_by_us = hkdf_expand_label(suite.hash, secret, label, context, length)
        assert given_by_us == expanded(suite, secret, label.encode(), context, length)

    @pytest.mark.parametrize("label", ["", "a" * 250, "schlüssel"])
    def test_refuses_labels_that_do_not_fit(self, label: str) -> None:
        with pytest.raises(ValueError, match=r"label|ascii"):
            hkdf_expand_label(SHA256(), TH, label, b"", 32)

    def test_refuses_contexts_that_do_not_fit(self) -> None:
        with pytest.raises(ValueError, match="context of 256 bytes"):
            hkdf_expand_label(SHA256(), TH, "key", bytes(256), 32)

    @pytest.mark.parametrize("length", [0, -1, 255 * 32 + 1, 2**16])
    def test_refuses_lengths_that_the_hash_cannot_give(self, length: int) -> None:
        with pytest.raises(ValueError, match=r"allowed are 1 to 65535|larger than 8160"):
            hkdf_expand_label(SHA256(), TH, "key", b"", length)

    def test_refuses_the_transcript_hash_of_another_suite(self) -> None:
        with pytest.raises(ValueError, match="48 bytes where sha256 gives 32"):
            derive_secret(SHA256(), TH, "c hs traffic", bytes(48))


@pytest.mark.parametrize("name", rfc8448.NAMES)
class TestRfc8448:
    """Every derivation of the traces, one by one."""

    def test_secrets_one_after_the_other(self, name: str) -> None:
        trace = rfc8448.trace(name)
        for step in trace.steps:
            values = step.values
            match step.what:
                case "extract":
                    assert hkdf_extract(SHA256(), values["salt"], values["ikm"]) == values["secret"]
                case "traffic keys":
                    assert traffic_keys(AES_128, values["prk"]) == TrafficKeys(values["key"], values["iv"])
                case "finished":
                    data = finished_verify_data(AES_128, values["base_key"], values["hash"])
                    assert data == values["verify_data"]

    def test_the_whole_schedule(self, name: str) -> None:
        trace = rfc8448.trace(name)
        schedule = KeySchedule(AES_128, trace.psk)
        derived: dict[str, Callable[[bytes], bytes]] = {
            "client_early_traffic": schedule.client_early_traffic_secret,
            "early_exporter": schedule.early_exporter_secret,
            "client_handshake_traffic": schedule.client_handshake_traffic_secret,
            "server_handshake_traffic": schedule.server_handshake_traffic_secret,
            "client_application_traffic": schedule.client_application_traffic_secret,
            "server_application_traffic": schedule.server_application_traffic_secret,
            "exporter": schedule.exporter_secret,
            "resumption": schedule.resumption_secret,
        }
        seen = set()
        for stage in ("early", "handshake", "master"):
            if stage == "handshake":
                schedule.enter_handshake(trace.secrets["shared"])
            if stage == "master":
                schedule.enter_application()
            for step in trace.steps:
                if step.what == "derive" and step.name in derived and step.values["prk"] == trace.secrets[stage]:
                    assert derived[step.name](step.values["hash"]) == step.values["secret"], step.name
                    seen.add(step.name)
        early = {"client_early_traffic", "early_exporter"}
        assert seen == (set(derived) if trace.psk else set(derived) - early)


class TestRfc8448Rest:
    def test_resumption_psk_of_the_ticket(self) -> None:
        trace = rfc8448.trace("simple_1rtt")
        assert trace.ticket is not None
        psk = resumption_psk(AES_128, trace.secrets["resumption"], trace.ticket.nonce)
        assert psk.hex() == "4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3"
        assert psk == rfc8448.trace("resumed_0rtt").psk

    def test_binder(self) -> None:
        trace = rfc8448.trace("resumed_0rtt")
        assert trace.binder is not None
        hello = trace.message("ClientHello")
        truncated = hello[: -len(trace.binder) - 3]
        base_key = KeySchedule(AES_128, trace.psk).binder_key(external=False)
        assert finished_verify_data(AES_128, base_key, hashlib.sha256(truncated).digest()) == trace.binder


class TestStages:
    EARLY = ("binder_key", "client_early_traffic_secret", "early_exporter_secret", "enter_handshake")
    HANDSHAKE = ("client_handshake_traffic_secret", "server_handshake_traffic_secret", "enter_application")
    APPLICATION = (
        "client_application_traffic_secret",
        "server_application_traffic_secret",
        "exporter_secret",
        "resumption_secret",
    )
    METHODS: ClassVar = {"early": EARLY, "handshake": HANDSHAKE, "application": APPLICATION}

    @staticmethod
    def call(schedule: KeySchedule, method: str) -> bytes | None:
        if method == "binder_key":
            return schedule.binder_key(external=True)
        if method == "enter_application":
            schedule.enter_application()
            return None
        result: bytes | None = getattr(schedule, method)(TH)
        return result

    @pytest.mark.parametrize("psk", [b"psk", None])
    @pytest.mark.parametrize("stage", METHODS)
    @pytest.mark.parametrize("method", EARLY + HANDSHAKE + APPLICATION)
    def test_a_method_works_at_its_own_stage_alone(self, stage: str, method: str, psk: bytes | None) -> None:
        schedule = at(stage, psk=psk)
        needs_psk = method in self.EARLY and method != "enter_handshake"
        if method in self.METHODS[stage] and (psk or not needs_psk):
            self.call(schedule, method)
        else:
            with pytest.raises(RuntimeError, match=r"stage|pre-shared key"):
                self.call(schedule, method)

    def test_no_two_secrets_are_the_same(self) -> None:
        secrets = []
        for stage, methods in self.METHODS.items():
            for method in methods:
                if not method.startswith("enter"):
                    secrets.append(self.call(at(stage), method))
        secrets.append(at("early").binder_key(external=False))
        assert len(set(secrets)) == len(secrets) == 10

    @pytest.mark.parametrize("suite", CIPHER_SUITES.values(), ids=lambda suite: suite.name)
    def test_secrets_have_the_size_of_the_hash(self, suite: CipherSuite) -> None:
        schedule = at("application", suite)
        assert len(schedule.exporter_secret(bytes(suite.hash_size))) == suite.hash_size


class TestInputs:
    def test_without_psk_and_without_ecdhe_zeros_take_their_place(self) -> None:
        zeros = bytes(32)
        written_out = KeySchedule(AES_128, zeros)
        left_out = KeySchedule(AES_128)
        written_out.enter_handshake(zeros)
        left_out.enter_handshake(None)
        assert written_out.client_handshake_traffic_secret(TH) == left_out.client_handshake_traffic_secret(TH)

    @given(st.binary(min_size=1, max_size=64), st.binary(min_size=1, max_size=64))
    @settings(max_examples=20)
    def test_psk_and_shared_secret_both_count(self, psk: bytes, shared: bytes) -> None:
        def secret(psk: bytes | None, shared: bytes | None) -> bytes:
            schedule = KeySchedule(AES_256, psk)
            schedule.enter_handshake(shared)
            schedule.enter_application()
            return schedule.exporter_secret(bytes(48))

        with_both = secret(psk, shared)
        assert with_both == secret(psk, shared)
        others = {secret(psk + b"\1", shared), secret(psk, shared + b"\1"), secret(None, shared), secret(psk, None)}
        assert with_both not in others

    def test_an_empty_psk_is_refused(self) -> None:
        with pytest.raises(ValueError, match="empty"):
            KeySchedule(AES_128, b"")


class TestTrafficKeys:
    @given(suites, st.binary(min_size=48, max_size=48))
    @settings(max_examples=10)
    def test_sizes_and_labels(self, suite: CipherSuite, secret: bytes) -> None:
        keys = traffic_keys(suite, secret)
        assert keys.key == expanded(suite, secret, b"key", b"", suite.key_size)
        assert keys.iv == expanded(suite, secret, b"iv", b"", 12)

    def test_repr_hides_the_key(self) -> None:
        keys = traffic_keys(AES_128, TH)
        assert keys.key.hex() not in repr(keys)
        assert str(keys.key) not in repr(keys)

    @given(suites, st.binary(min_size=48, max_size=48))
    @settings(max_examples=10)
    def test_update(self, suite: CipherSuite, secret: bytes) -> None:
        updated = next_traffic_secret(suite, secret)
        assert updated == expanded(suite, secret, b"traffic upd", b"", suite.hash_size)


class TestTickets:
    def test_each_nonce_gives_another_psk(self) -> None:
        psks = {resumption_psk(AES_256, bytes(48), nonce) for nonce in (b"", b"\0", b"\1", bytes(255))}
        assert len(psks) == 4
        assert {len(psk) for psk in psks} == {48}

    def test_a_nonce_of_more_than_255_bytes_is_refused(self) -> None:
        with pytest.raises(ValueError, match="256 bytes"):
            resumption_psk(AES_128, TH, bytes(256))


class TestExporter:
    @given(suites, st.binary(max_size=300), st.integers(1, 100))
    @settings(max_examples=20)
    def test_is_as_section_7_5_spells_it(self, suite: CipherSuite, context: bytes, length: int) -> None:
        secret = bytes(range(suite.hash_size))
        name = suite.hash.name
        derived = expanded(suite, secret, b"EXPERIMENTAL", hashlib.new(name).digest(), suite.hash_size)
        expected = expanded(suite, derived, b"exporter", hashlib.new(name, context).digest(), length)
        assert export_keying_material(suite, secret, "EXPERIMENTAL", context, length) == expected
        assert export_keying_material(suite, secret, b"EXPERIMENTAL", context, length) == expected

    @pytest.mark.parametrize("label", ["", b"", "é", b"\xff", "a" * 250])
    def test_refuses_labels_that_do_not_fit(self, label: str | bytes) -> None:
        with pytest.raises(ValueError, match=r"label|ascii"):
            export_keying_material(AES_128, TH, label, b"", 32)

    @pytest.mark.parametrize("length", [0, 255 * 32 + 1])
    def test_refuses_lengths_that_the_hash_cannot_give(self, length: int) -> None:
        with pytest.raises(ValueError, match=r"bytes|octets"):
            export_keying_material(AES_128, TH, "label", b"", length)

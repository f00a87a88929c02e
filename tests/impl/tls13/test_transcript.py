"""Tests of impl.tls13.transcript: it is the hash of what was added, whenever the hash is chosen; message_hash."""

import hashlib

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13.transcript import Transcript
from tests.support import rfc8448

algorithms = st.sampled_from([SHA256(), SHA384()])
messages = st.lists(st.binary(min_size=4, max_size=50), max_size=6)


def hashed(algorithm: HashAlgorithm, *parts: bytes) -> bytes:
    return hashlib.new(algorithm.name, b"".join(parts)).digest()


def transcript_of(*parts: bytes, algorithm: HashAlgorithm | None = None) -> Transcript:
    transcript = Transcript()
    for part in parts:
        transcript.add(part)
    if algorithm is not None:
        transcript.choose(algorithm)
    return transcript


class TestDigest:
    @given(algorithms, messages, messages)
    @settings(max_examples=30)
    def test_is_the_hash_of_all_messages_before_and_after_the_choice(
        self, algorithm: HashAlgorithm, before: list[bytes], after: list[bytes]
    ) -> None:
        transcript = transcript_of(*before, algorithm=algorithm)
        assert transcript.digest() == hashed(algorithm, *before)
        for message in after:
            transcript.add(message)
        assert transcript.digest() == transcript.digest() == hashed(algorithm, *before, *after)
        assert Transcript.hash_of(algorithm, *before, *after) == transcript.digest()

    def test_of_rfc8448(self) -> None:
        trace = rfc8448.trace("simple_1rtt")
        transcript = transcript_of(trace.message("ClientHello"), trace.message("ServerHello"), algorithm=SHA256())
        assert transcript.digest().hex() == "860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8"

    def test_needs_a_hash(self) -> None:
        with pytest.raises(RuntimeError, match="has not been chosen"):
            transcript_of(b"message").digest()


class TestDigestWith:
    @given(algorithms, messages, st.binary(max_size=50))
    @settings(max_examples=20)
    def test_adds_for_once_only(self, algorithm: HashAlgorithm, before: list[bytes], prefix: bytes) -> None:
        undecided = transcript_of(*before)
        assert undecided.digest_with(prefix, algorithm) == hashed(algorithm, *before, prefix)
        undecided.choose(algorithm)
        assert undecided.digest_with(prefix) == hashed(algorithm, *before, prefix)
        assert undecided.digest_with(prefix, algorithm) == hashed(algorithm, *before, prefix)
        assert undecided.digest() == hashed(algorithm, *before)

    def test_of_several_hashes_before_the_choice(self) -> None:
        """A client that offers pre-shared keys of different hashes needs a binder by each."""
        undecided = transcript_of(b"message")
        assert undecided.digest_with(b"x", SHA256()) == hashed(SHA256(), b"message", b"x")
        assert undecided.digest_with(b"x", SHA384()) == hashed(SHA384(), b"message", b"x")

    def test_needs_a_hash(self) -> None:
        with pytest.raises(RuntimeError, match="has not been chosen"):
            transcript_of(b"message").digest_with(b"x")

    def test_refuses_another_hash_than_the_chosen_one(self) -> None:
        with pytest.raises(RuntimeError, match="is sha256, not sha384"):
            transcript_of(b"message", algorithm=SHA256()).digest_with(b"x", SHA384())


class TestChoice:
    def test_the_same_again_changes_nothing(self) -> None:
        transcript = transcript_of(b"message", algorithm=SHA256())
        transcript.add(b"more")
        transcript.choose(SHA256())
        assert transcript.digest() == hashed(SHA256(), b"message", b"more")

    def test_another_one_is_refused(self) -> None:
        with pytest.raises(RuntimeError, match="is sha256, not sha384"):
            transcript_of(algorithm=SHA256()).choose(SHA384())


class TestMessageHash:
    @given(algorithms, st.binary(min_size=4), messages)
    @settings(max_examples=20)
    def test_takes_the_place_of_the_first_message(
        self, algorithm: HashAlgorithm, hello: bytes, after: list[bytes]
    ) -> None:
        transcript = transcript_of(hello, algorithm=algorithm)
        transcript.replace_with_message_hash()
        for message in after:
            transcript.add(message)
        header = b"\xfe\0\0" + bytes([algorithm.digest_size])
        assert transcript.digest() == hashed(algorithm, header, hashed(algorithm, hello), *after)

    def test_of_rfc8448(self) -> None:
        trace = rfc8448.trace("hello_retry_request")
        transcript = transcript_of(trace.message("ClientHello"), algorithm=SHA256())
        transcript.replace_with_message_hash()
        transcript.add(trace.message("HelloRetryRequest"))
        transcript.add(trace.message("ClientHello", index=1))
        transcript.add(trace.message("ServerHello"))
        step = next(step for step in trace.steps if step.name == "client_handshake_traffic" and step.what == "derive")
        assert transcript.digest() == step.values["hash"]

    @pytest.mark.parametrize(
        "transcript",
        [transcript_of(b"hello"), transcript_of(algorithm=SHA256()), transcript_of(b"a", b"b", algorithm=SHA256())],
        ids=["no hash chosen", "no message", "two messages"],
    )
    def test_has_its_moment(self, transcript: Transcript) -> None:
        with pytest.raises(RuntimeError, match="the first message alone"):
            transcript.replace_with_message_hash()

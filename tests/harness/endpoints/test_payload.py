"""The seeded payload."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.endpoints.payload import chunks, expected_sha256, write_payload


class TestPayload:
    def test_known_bytes(self) -> None:
        # openssl enc -aes-128-ctr -K (first 16 bytes of sha256 "harness payload 7") -iv 0, of zeros
        assert b"".join(chunks(7, 16)).hex() == "73370c845b7616dd5bc8e0e0aa53c9cf"

    @given(seed=st.integers(0, 1 << 64), offset=st.integers(0, 5000), size=st.integers(0, 5000))
    def test_every_part_is_part_of_the_whole(self, seed: int, offset: int, size: int) -> None:
        whole = b"".join(chunks(seed, 10_000))
        part = b"".join(chunks(seed, size, offset=offset))
        assert part == whole[offset : offset + size]
        assert expected_sha256(seed, size, offset=offset) == hashlib.sha256(part).hexdigest()

    @pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
    def test_file_and_hash_agree(self, size: int, tmp_path: Path) -> None:
        digest = write_payload(tmp_path / "payload", 3, size)
        data = (tmp_path / "payload").read_bytes()
        assert len(data) == size
        assert digest == hashlib.sha256(data).hexdigest() == expected_sha256(3, size)

    def test_seeds_differ(self) -> None:
        assert expected_sha256(1, 100) != expected_sha256(2, 100)

    @pytest.mark.parametrize(("size", "offset"), [(-1, 0), (0, -1)])
    def test_negative(self, size: int, offset: int) -> None:
        with pytest.raises(ValueError, match="negative"):
            list(chunks(1, size, offset=offset))

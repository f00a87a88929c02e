"""Tests of impl.tls13.extensions.padding."""

import pytest

from impl.tls13.extensions import encode_padding


class TestPadding:
    @pytest.mark.parametrize("length", [0, 1, 300])
    def test_it_is_zeros(self, length: int) -> None:
        assert encode_padding(length) == length * b"\x00"

"""Tests of impl.tls13.extensions.cookie."""

from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import decode_cookie, encode_cookie
from tests.support import rfc8448
from tests.support.tls13_codecs import DECODE_ERROR, alert_of, check_any_bytes, check_round_trip, damaged

cookies = st.binary(min_size=1, max_size=40)


class TestCodec:
    @given(cookies)
    def test_it_survives(self, cookie: bytes) -> None:
        check_round_trip(cookie, encode_cookie, decode_cookie)

    @given(damaged(cookies.map(encode_cookie)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, decode_cookie, encode_cookie)

    def test_that_of_rfc_8448_section_5(self) -> None:
        trace = rfc8448.trace("hello_retry_request")
        assert trace.cookie is not None
        assert encode_cookie(trace.cookie) == b"\x00\x72" + trace.cookie
        assert encode_cookie(trace.cookie) in trace.message("HelloRetryRequest")

    def test_an_empty_one_is_a_decode_error(self) -> None:
        assert alert_of(decode_cookie, b"\x00\x00") is DECODE_ERROR

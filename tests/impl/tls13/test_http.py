"""HTTP messages: what is understood, what is refused, and how large a header may be."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.http import (
    MAX_FIELDS,
    MAX_LINE,
    BadMessage,
    Request,
    Response,
    encode_head,
    read_body,
    read_request,
    read_request_body,
    read_response,
)

pytestmark = pytest.mark.timeout(30)


def reader_of(data: bytes, *, ends: bool = True) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=2**16)
    reader.feed_data(data)
    if ends:
        reader.feed_eof()
    return reader


def request_of(data: bytes) -> Request | None:
    async def read() -> Request | None:
        return await read_request(reader_of(data))

    return asyncio.run(read())


def response_of(data: bytes) -> tuple[Response, bytes]:
    async def read() -> tuple[Response, bytes]:
        reader = reader_of(data)
        response = await read_response(reader)
        return response, b"".join([piece async for piece in read_body(reader, response)])

    return asyncio.run(read())


class TestRequests:
    def test_the_parts_of_a_request(self) -> None:
        request = request_of(b"GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nX-Empty:\r\nACCEPT: \t text/plain \r\n\r\n")
        assert request is not None
        assert (request.method, request.target, request.minor) == ("GET", "/a?b=c", 1)
        assert request.fields == {"host": "example.org", "x-empty": "", "accept": "text/plain"}

    def test_lone_line_feeds_are_taken(self) -> None:
        request = request_of(b"GET / HTTP/1.0\n\n")
        assert request is not None
        assert request.minor == 0

    def test_one_empty_line_before_it_is_skipped(self) -> None:
        request = request_of(b"\r\nGET / HTTP/1.0\r\n\r\n")
        assert request is not None

    @pytest.mark.parametrize("data", [b"", b"\r\n"])
    def test_no_request_at_the_end(self, data: bytes) -> None:
        assert request_of(data) is None

    def test_two_requests_follow_one_another(self) -> None:
        async def read() -> list[str | None]:
            reader = reader_of(b"GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n")
            requests = [await read_request(reader) for _ in range(3)]
            return [request.target if request else None for request in requests]

        assert asyncio.run(read()) == ["/1", "/2", None]

    def test_repeated_fields_are_joined(self) -> None:
        request = request_of(b"GET / HTTP/1.0\r\nAccept: a\r\nAccept: b\r\n\r\n")
        assert request is not None
        assert request.fields["accept"] == "a, b"

    @pytest.mark.parametrize(
        ("data", "status"),
        [
            (b"hello\r\n\r\n", HTTPStatus.BAD_REQUEST),
            (b"GET / HTTP/1.1", HTTPStatus.BAD_REQUEST),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", HTTPStatus.BAD_REQUEST),
            (b"GET / HTTP/1.1\r\n\r\n", HTTPStatus.BAD_REQUEST),
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", HTTPStatus.BAD_REQUEST),
            (b"GET /\r\n\r\n", HTTPStatus.BAD_REQUEST),
            (b"GET  / HTTP/1.0\r\n\r\n", HTTPStatus.BAD_REQUEST),
            (b"GET /\x01 HTTP/1.0\r\n\r\n", HTTPStatus.BAD_REQUEST),
            (b"GET / HTTP/1.0\r\nname : value\r\n\r\n", HTTPStatus.BAD_REQUEST),
            (b"GET / HTTP/1.0\r\nname: value\r\n folded\r\n\r\n", HTTPStatus.BAD_REQUEST),
            (b"GET / HTTP/1.0\r\nname: va\0lue\r\n\r\n", HTTPStatus.BAD_REQUEST),
            (b"GET / HTTP/1.0\r\nno colon\r\n\r\n", HTTPStatus.BAD_REQUEST),
            (b"GET / HTTP/2.0\r\n\r\n", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
            (b"\x16\x03\x01\x02\x00\x01\n\n", HTTPStatus.BAD_REQUEST),
        ],
    )
    def test_what_is_refused(self, data: bytes, status: HTTPStatus) -> None:
        with pytest.raises(BadMessage) as caught:
            request_of(data)
        assert caught.value.status == status

    @pytest.mark.parametrize(
        "data",
        [
            b"GET /" + b"a" * MAX_LINE + b" HTTP/1.0\r\n\r\n",
            b"GET / HTTP/1.0\r\n" + b"a: b\r\n" * (MAX_FIELDS + 1) + b"\r\n",
            b"GET /" + b"a" * 2**18,
        ],
        ids=["line", "fields", "endless"],
    )
    def test_headers_have_a_limit(self, data: bytes) -> None:
        with pytest.raises(BadMessage) as caught:
            request_of(data)
        assert caught.value.status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE

    @pytest.mark.parametrize(
        ("minor", "fields", "kept"),
        [
            (1, {}, True),
            (1, {"connection": "Close"}, False),
            (1, {"connection": "upgrade, close"}, False),
            (1, {"content-length": "3"}, False),
            (0, {}, False),
            (0, {"connection": "keep-alive"}, True),
        ],
    )
    def test_whether_the_connection_is_kept(self, minor: int, fields: dict[str, str], kept: bool) -> None:
        assert Request("GET", "/", minor, fields).keep_alive is kept

    @given(st.binary(max_size=300))
    def test_anything_is_understood_or_refused(self, data: bytes) -> None:
        with suppress(BadMessage):
            request = request_of(b"GET / HTTP/1.0\r\n" + data + b"\r\n\r\n")
            assert request is not None
            assert request.target == "/"


class TestRequestBodies:
    @staticmethod
    def body_of(data: bytes) -> tuple[Request, bytes, bytes]:
        async def read() -> tuple[Request, bytes, bytes]:
            reader = reader_of(data)
            request = await read_request(reader)
            assert request is not None
            return request, b"".join([piece async for piece in read_request_body(reader, request)]), await reader.read()

        return asyncio.run(read())

    def test_what_follows_is_left(self) -> None:
        head = b"PUT / HTTP/1.1\r\nHost: h\r\n"
        for field, body in (
            (b"Content-Length: 5\r\n\r\n", b"hello"),
            (b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        ):
            request, content, rest = self.body_of(head + field + body + b"GET ")
            assert (content, rest) == (b"hello", b"GET ")
            assert (request.has_body, request.persistent, request.keep_alive) == (True, True, False)

    def test_none(self) -> None:
        request, content, rest = self.body_of(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET ")
        assert (request.has_body, request.persistent, content, rest) == (False, False, b"", b"GET ")

    @pytest.mark.parametrize(
        "fields",
        [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Content-Length: five",
            "Content-Length: 5, 6",
            "Content-Length: 100",
        ],
    )
    def test_what_is_refused(self, fields: str) -> None:
        with pytest.raises(BadMessage):
            self.body_of(f"PUT / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n0\r\n\r\n".encode())


class TestResponses:
    def test_a_length_that_is_told(self) -> None:
        response, body = response_of(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more")
        assert (response.status, response.reason, body) == (200, "OK", b"hello")

    def test_an_end_that_is_the_streams(self) -> None:
        assert response_of(b"HTTP/1.0 404 \r\n\r\nto the end")[1] == b"to the end"

    def test_no_reason(self) -> None:
        assert response_of(b"HTTP/1.1 200\r\n\r\n")[0].reason == ""

    def test_chunks(self) -> None:
        response, body = response_of(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n"
            b"5\r\nhello\r\n0a;name=value\r\n, chunked!\r\n000\r\nTrailer: x\r\n\r\nmore"
        )
        assert response.status == HTTPStatus.OK
        assert body == b"hello, chunked!"

    def test_interim_responses_are_skipped(self) -> None:
        response, body = response_of(b"HTTP/1.1 103 \r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
        assert response.status == HTTPStatus.OK
        assert body == b"a"

    @pytest.mark.parametrize("status", [204, 304])
    def test_answers_without_a_body(self, status: int) -> None:
        assert response_of(b"HTTP/1.1 %d \r\nContent-Length: 5\r\n\r\nhello" % status)[1] == b""

    def test_the_same_length_twice(self) -> None:
        assert response_of(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")[1] == b"ok"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"SSH-2.0-server\r\n",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 101 Switching\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
            b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ],
    )
    def test_what_is_refused(self, data: bytes) -> None:
        with pytest.raises(BadMessage):
            response_of(data)

    @given(st.lists(st.binary(min_size=1, max_size=50), max_size=6))
    def test_chunks_come_together_again(self, pieces: list[bytes]) -> None:
        encoded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert response_of(head + encoded)[1] == b"".join(pieces)


class TestHeads:
    def test_what_is_written_can_be_read(self) -> None:
        head = encode_head("GET /x HTTP/1.1", {"Host": "a", "Accept": "*/*"})
        assert head == b"GET /x HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"
        request = request_of(head)
        assert request is not None
        assert request.fields == {"host": "a", "accept": "*/*"}

"""What is done with uploads."""

import asyncio
import base64
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.cli.uploads import CONTINUE, Uploads
from impl.tls13.cli.site import Answer
from impl.tls13.http import BadMessage, Request


class Channel:
    """A stream whose bytes are there already."""

    def __init__(self, data: bytes) -> None:
        self._reader = asyncio.StreamReader()
        self._reader.feed_data(data)
        self._reader.feed_eof()
        self.written = b""

    async def read(self, n: int = -1) -> bytes:
        return await self._reader.read(n)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        return await self._reader.readuntil(separator)

    def write(self, data: bytes) -> None:
        self.written += data


def put(root: Path | None, target: str, body: bytes, **fields: str) -> tuple[Answer, int, bytes]:
    async def receive() -> tuple[Answer, int, bytes]:
        channel = Channel(body)
        names = {name.replace("_", "-"): value for name, value in fields.items()}
        if "transfer-encoding" not in names and "none" not in names:
            names.setdefault("content-length", str(len(body)))
        answer, size = await Uploads(root).receive(channel, Request("PUT", target, 1, names))
        return answer, size, channel.written

    return asyncio.run(receive())


class TestKept:
    def test_a_new_file(self, tmp_path: Path) -> None:
        answer, size, written = put(tmp_path, "/folder/a%20name?query", b"content")
        assert (answer.status, size, written) == (HTTPStatus.CREATED, 7, b"")
        assert (tmp_path / "folder" / "a name").read_bytes() == b"content"
        expected = base64.b64encode(sha256(b"content").digest()).decode()
        assert answer.fields["Repr-Digest"] == f"sha-256=:{expected}:"
        assert sha256(b"content").hexdigest().encode() in b"".join(answer.body)

    def test_one_that_takes_another_ones_place(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        answer, _, _ = put(tmp_path, "/file", b"new")
        assert answer.status == HTTPStatus.OK
        assert (tmp_path / "file").read_bytes() == b"new"

    def test_in_chunks_after_an_invitation(self, tmp_path: Path) -> None:
        chunks = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
        _, size, written = put(tmp_path, "/file", chunks, transfer_encoding="chunked", expect="100-Continue")
        assert (size, written) == (5, CONTINUE)
        assert (tmp_path / "file").read_bytes() == b"abcde"

    def test_what_ends_early_leaves_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"old")
        with pytest.raises(BadMessage, match="too early"):
            put(tmp_path, "/file", b"new", content_length="10")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        assert (tmp_path / "file").read_bytes() == b"old"


class TestDropped:
    def test_only_its_digest_is_left(self, tmp_path: Path) -> None:
        answer, size, _ = put(None, "/anything", b"content")
        assert (answer.status, size) == (HTTPStatus.OK, 7)
        assert b"7 bytes dropped, SHA-256" in b"".join(answer.body)

    def test_or_not_even_that(self) -> None:
        answer, _, _ = put(None, "/anything", b"content", want_repr_digest="sha-256 = 0")
        assert "Repr-Digest" not in answer.fields
        assert b"".join(answer.body) == b"7 bytes dropped\n"


class TestRefused:
    @pytest.mark.parametrize(
        ("target", "status"),
        [
            ("/", HTTPStatus.BAD_REQUEST),
            ("/folder/", HTTPStatus.BAD_REQUEST),
            ("*", HTTPStatus.BAD_REQUEST),
            ("/%00", HTTPStatus.BAD_REQUEST),
            ("/../out", HTTPStatus.FORBIDDEN),
            ("/%2e%2e/out", HTTPStatus.FORBIDDEN),
            ("/link/out", HTTPStatus.FORBIDDEN),
            ("/.", HTTPStatus.FORBIDDEN),
            ("/folder", HTTPStatus.CONFLICT),
            ("/file/below", HTTPStatus.CONFLICT),
            ("/" + 300 * "x", HTTPStatus.CONFLICT),
        ],
    )
    def test_places(self, tmp_path: Path, target: str, status: HTTPStatus) -> None:
        root = tmp_path / "root"
        (root / "folder").mkdir(parents=True)
        (root / "file").touch()
        (root / "link").symlink_to(tmp_path)
        with pytest.raises(BadMessage) as refused:
            put(root, target, b"x")
        assert refused.value.status == status
        assert not (tmp_path / "out").exists()

    def test_without_a_length(self) -> None:
        with pytest.raises(BadMessage) as refused:
            put(None, "/file", b"", none="")
        assert refused.value.status == HTTPStatus.LENGTH_REQUIRED

    def test_two_lengths(self) -> None:
        with pytest.raises(BadMessage, match="either"):
            put(None, "/file", b"0\r\n\r\n", transfer_encoding="chunked", content_length="5")

    @given(st.text(st.sampled_from("./%2eab"), max_size=12))
    def test_nothing_leaves_the_folder(self, tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
        outer = tmp_path_factory.mktemp("outer")
        root = outer / "root"
        root.mkdir()
        with suppress(BadMessage):
            put(root, f"/{name}", b"x")
        assert [path.name for path in outer.iterdir()] == ["root"]

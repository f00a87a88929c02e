"""What ``tcpls serve`` does with what is uploaded: files below a folder, or nothing; the answer has its SHA-256."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from hashlib import sha256
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote

from impl.tls13.cli.errors import explain
from impl.tls13.cli.site import Answer, text
from impl.tls13.http import BadMessage, ByteReader, Request, read_request_body

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Channel(ByteReader, Protocol):
    """A stream, as far as uploads need it."""

    def write(self, data: bytes, /) -> None:
        """Send something."""


class Uploads:
    """Takes what clients put.

    Args:
        root: folder below which it is kept; None to drop it.

    """

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._numbers = count()

    async def receive(self, channel: Channel, request: Request) -> tuple[Answer, int]:
        """Take the body of a PUT request; the answer, and how many bytes there were.

        Raises:
            BadMessage: the request or its body cannot be understood, or is refused; the body was not read then.

        """
        if not request.has_body:
            raise BadMessage(
                "a PUT has a body: Content-Length or Transfer-Encoding is missing", HTTPStatus.LENGTH_REQUIRED
            )
        target = None if self._root is None else self._target(request.target, self._root)
        # What is put appears at once and as a whole.
        part = None if target is None else target.with_name(f".{os.getpid()}-{next(self._numbers)}.part")
        try:
            if request.fields.get("expect", "").lower() == "100-continue":
                channel.write(CONTINUE)
            size, digest = await self._take(read_request_body(channel, request), part, wanted=_wants_digest(request))
            new = target is not None and not target.exists()
            if part is not None and target is not None:
                part.replace(target)
        except OSError as error:
            if part is None or isinstance(error, ConnectionError):
                raise
            raise BadMessage(f"cannot be kept: {explain(error)}", HTTPStatus.INSUFFICIENT_STORAGE) from None
        finally:
            if part is not None:
                part.unlink(missing_ok=True)
        return self._answer(size, digest, created=new), size

    async def _take(self, body: AsyncIterator[bytes], part: Path | None, *, wanted: bool) -> tuple[int, Any]:
        digest, size = sha256(), 0
        file = None if part is None else part.open("wb")
        try:
            async for piece in body:
                size += len(piece)
                if wanted:
                    digest.update(piece)
                if file is not None:
                    file.write(piece)
                await asyncio.sleep(0)
        finally:
            if file is not None:
                file.close()
        return size, digest if wanted else None

    def _answer(self, size: int, digest: Any, *, created: bool) -> Answer:
        words = f"{size} bytes {'dropped' if self._root is None else 'kept'}"
        fields = {}
        if digest is not None:
            words += f", SHA-256 {digest.hexdigest()}"
            fields["Repr-Digest"] = f"sha-256=:{base64.b64encode(digest.digest()).decode('ascii')}:"
        return text(HTTPStatus.CREATED if created else HTTPStatus.OK, words, fields)

    @staticmethod
    def _target(name: str, root: Path) -> Path:
        """The file for a request's target: below the root, wherever `..` and symbolic links lead."""
        path = unquote(name.partition("?")[0].partition("#")[0])
        if not path.startswith("/") or path.endswith("/") or "\0" in path:
            raise BadMessage("the path of an upload begins with / and ends with a file's name")
        try:
            file = (root / path.lstrip("/")).resolve()
            if not file.is_relative_to(root.resolve()) or file == root.resolve():
                raise BadMessage(f"{path} is not below the folder of uploads", HTTPStatus.FORBIDDEN)
            if file.exists() and not file.is_file():
                raise BadMessage(f"{path} is there, and no file", HTTPStatus.CONFLICT)
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadMessage(f"{path}: {explain(error)}", HTTPStatus.CONFLICT) from None
        return file


def _wants_digest(request: Request) -> bool:
    """Whether the client does not decline the SHA-256 (Want-Repr-Digest of RFC 9530, section 4)."""
    return request.fields.get("want-repr-digest", "").replace(" ", "") != "sha-256=0"

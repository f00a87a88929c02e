"""URLs that commands are given, and the requests for them."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from impl.tls13.certificates.server_names import parse_server_name
from impl.tls13.cli.errors import usage
from impl.tls13.http import encode_head

HTTPS_PORT: Final = 443


def parse_url(url: str) -> SplitResult:
    """Read an https:// URL.

    Raises:
        CommandFailed: it is none, or it has parts that cannot be used.

    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise usage(f"{url!r} is not a URL: {error}") from None
    if parts.scheme != "https" or not parts.hostname:
        raise usage(f"{url!r} is not a URL that begins with https:// and a host")
    try:
        parse_server_name(parts.hostname)
    except ValueError as error:
        raise usage(f"{url!r}: {error}") from None
    if port == 0 or parts.username is not None or any(not "!" <= letter <= "~" for letter in url):
        raise usage(f"{url!r}: port 0, user names, and letters that are not ASCII (encode them as %XX) are not allowed")
    return parts


def request_head(method: str, parts: SplitResult, fields: Mapping[str, str] | None = None) -> bytes:
    """The head of a request, after which the connection is closed.

    Args:
        method: of the request.
        parts: of the URL.
        fields: of the header, besides those that every request has.

    """
    host = parts.hostname or ""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    name = f"[{host}]" if ":" in host else host
    return encode_head(
        f"{method} {target} HTTP/1.1",
        {
            "Host": name if parts.port in (None, HTTPS_PORT) else f"{name}:{parts.port}",
            "User-Agent": "multipath-lab",
            "Accept": "*/*",
            **(fields or {}),
            "Connection": "close",
        },
    )

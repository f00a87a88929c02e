"""URLs that are taken, and requests for them."""

import pytest

from impl.tls13.cli.errors import CommandFailed
from impl.tls13.cli.urls import parse_url, request_head


class TestParsing:
    def test_parts(self) -> None:
        parts = parse_url("https://[::1]:4433/a?b")
        assert (parts.hostname, parts.port, parts.path, parts.query) == ("::1", 4433, "/a", "b")

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "host",
            "http://host/",
            "https:///",
            "https://host:0/",
            "https://host:x/",
            "https://user@host/",
            "https://host/ä",
            "https://host/a b",
            "https://-/",
            "https://[::1/",
        ],
    )
    def test_what_is_none(self, url: str) -> None:
        with pytest.raises(CommandFailed) as failed:
            parse_url(url)
        assert failed.value.code == 2


class TestRequests:
    @pytest.mark.parametrize(
        ("url", "target", "host"),
        [
            ("https://host", "/", "host"),
            ("https://host:443/a", "/a", "host"),
            ("https://host:4433/a?b=c", "/a?b=c", "host:4433"),
            ("https://[::1]:1/", "/", "[::1]:1"),
        ],
    )
    def test_targets_and_hosts(self, url: str, target: str, host: str) -> None:
        head = request_head("PUT", parse_url(url), {"Content-Length": "0"}).decode()
        assert head.startswith(f"PUT {target} HTTP/1.1\r\nHost: {host}\r\n")
        assert head.endswith("\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

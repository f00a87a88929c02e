"""The bodies of the extensions tcpls and tcpls_join (draft-piraux-tcpls-00, section 5.1)."""

from typing import Final

from impl.tcpls.errors import malformed, protocol_violation
from impl.tcpls.registries import TOKEN_SIZE

TCPLS: Final = b""
"""The extension tcpls contains no value (section 5.1.1)."""


def check_tcpls(body: bytes) -> None:
    """Raise TLSError (decode_error) if a body of tcpls has something in it."""
    if body:
        raise malformed(f"the extension tcpls has {len(body)} bytes in it; it has no value (section 5.1.1)")


def encode_join(token: bytes) -> bytes:
    """The body of tcpls_join.

    ``opaque token<32>`` is no syntax of TLS (RFC 8446, section 3.4): the token stands there as it is, without a length.
    """
    if len(token) != TOKEN_SIZE:
        raise ValueError(f"a token of {len(token)} bytes; it has {TOKEN_SIZE}")
    return token


def decode_join(body: bytes) -> bytes:
    """The token in a body of tcpls_join.

    Raises:
        TLSError: illegal_parameter, this cannot be a valid token (section 5.1.2).

    """
    if len(body) != TOKEN_SIZE:
        raise protocol_violation(f"tcpls_join has {len(body)} bytes; a token has {TOKEN_SIZE} (section 5.1.2)")
    return body

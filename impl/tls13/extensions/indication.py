"""Extensions that say all by being there, and have no data.

These are early_data in ClientHello and EncryptedExtensions (RFC 8446, section 4.2.10), post_handshake_auth (4.2.6), and
server_name in EncryptedExtensions (RFC 6066, section 3).
"""

from typing import Final

from impl.tls13.alerts import decode_error
from impl.tls13.registries import ExtensionType

INDICATION: Final = b""
"""The data of such an extension."""


def decode_indication(data: bytes, extension_type: ExtensionType) -> None:
    """Raise TLSError (decode_error) if there is data."""
    if data:
        raise decode_error(f"{extension_type.name.lower()} has {len(data)} bytes and must be empty")

"""Numbers of the draft: frame types, extension types, limits (draft-piraux-tcpls-00, sections 5 and 7)."""

from enum import IntEnum
from typing import Final


class FrameType(IntEnum):
    """First byte of a frame (section 5.2, table 2). A Stream frame that ends its stream has the lowest bit set."""

    PADDING = 0x00
    PING = 0x01
    STREAM = 0x02
    STREAM_FIN = 0x03
    ACK = 0x04
    NEW_TOKEN = 0x05
    CONNECTION_RESET = 0x06


DEFAULT_TCPLS_EXTENSION: Final = 0xFF70
"""Type of the extension ``tcpls``: the draft leaves it open (TBD1), so it is one of those for private use."""
DEFAULT_JOIN_EXTENSION: Final = 0xFF71
"""Type of the extension ``tcpls_join`` (TBD2)."""

TOKEN_SIZE: Final = 32
"""Bytes of a token (section 5.2.5)."""
MAX_TOKEN_SEQUENCE: Final = 255
"""Sequence numbers of tokens have 8 bits; 0 is that of the first connection, so a session has 255 joins at most."""
MAX_STREAM_ID: Final = 2**32 - 1
MAX_STREAM_SIZE: Final = 2**64 - 1
"""The largest offset that a Stream frame can name."""
FIRST_CONNECTION: Final = 0
"""Connection ID of the connection on which the session began (section 4.2.1)."""

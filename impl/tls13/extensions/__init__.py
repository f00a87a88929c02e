"""Extensions of TLS 1.3, bytes to values and back, and where each may stand (RFC 8446, section 4.2).

Every function takes or gives the extension's data without its type and length. Decoders raise TLSError: decode_error
where lengths are wrong, a list is shorter than allowed, or bytes are missing or left over; illegal_parameter where a
value is wrong. Numbers that nobody knows are kept. Encoders raise ValueError or OverflowError where something does not
fit its field; beyond that they encode what they are given.
"""

from impl.tls13.extensions.application_layer_protocol_negotiation import (
    decode_protocols,
    decode_selected_protocol,
    encode_protocols,
    encode_selected_protocol,
)
from impl.tls13.extensions.certificate_authorities import (
    decode_certificate_authorities,
    encode_certificate_authorities,
)
from impl.tls13.extensions.cookie import decode_cookie, encode_cookie
from impl.tls13.extensions.early_data import decode_max_early_data_size, encode_max_early_data_size
from impl.tls13.extensions.indication import INDICATION, decode_indication
from impl.tls13.extensions.key_share import (
    KeyShareEntry,
    check_key_shares,
    decode_key_shares,
    decode_selected_group,
    decode_server_share,
    encode_key_shares,
    encode_selected_group,
    encode_server_share,
)
from impl.tls13.extensions.oid_filters import OIDFilter, decode_oid_filters
from impl.tls13.extensions.padding import encode_padding
from impl.tls13.extensions.pre_shared_key import (
    OfferedPsks,
    PskIdentity,
    decode_selected_identity,
    encode_binders,
    encode_selected_identity,
)
from impl.tls13.extensions.psk_key_exchange_modes import decode_psk_key_exchange_modes, encode_psk_key_exchange_modes
from impl.tls13.extensions.record_size_limit import (
    MIN_RECORD_SIZE_LIMIT,
    decode_record_size_limit,
    encode_record_size_limit,
)
from impl.tls13.extensions.server_name import decode_server_name, encode_server_name
from impl.tls13.extensions.signature_algorithms import decode_signature_algorithms, encode_signature_algorithms
from impl.tls13.extensions.supported_groups import decode_supported_groups, encode_supported_groups
from impl.tls13.extensions.supported_versions import (
    decode_selected_version,
    decode_supported_versions,
    encode_selected_version,
    encode_supported_versions,
)
from impl.tls13.extensions.table import ALLOWED, check_request, check_response

__all__ = [
    "ALLOWED",
    "INDICATION",
    "MIN_RECORD_SIZE_LIMIT",
    "KeyShareEntry",
    "OIDFilter",
    "OfferedPsks",
    "PskIdentity",
    "check_key_shares",
    "check_request",
    "check_response",
    "decode_certificate_authorities",
    "decode_cookie",
    "decode_indication",
    "decode_key_shares",
    "decode_max_early_data_size",
    "decode_oid_filters",
    "decode_protocols",
    "decode_psk_key_exchange_modes",
    "decode_record_size_limit",
    "decode_selected_group",
    "decode_selected_identity",
    "decode_selected_protocol",
    "decode_selected_version",
    "decode_server_name",
    "decode_server_share",
    "decode_signature_algorithms",
    "decode_supported_groups",
    "decode_supported_versions",
    "encode_binders",
    "encode_certificate_authorities",
    "encode_cookie",
    "encode_key_shares",
    "encode_max_early_data_size",
    "encode_padding",
    "encode_protocols",
    "encode_psk_key_exchange_modes",
    "encode_record_size_limit",
    "encode_selected_group",
    "encode_selected_identity",
    "encode_selected_protocol",
    "encode_selected_version",
    "encode_server_name",
    "encode_server_share",
    "encode_signature_algorithms",
    "encode_supported_groups",
    "encode_supported_versions",
]

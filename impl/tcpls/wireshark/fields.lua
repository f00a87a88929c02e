-- Names of what a TCPLS dissector shows: fields, for display filters and columns; expert information; and values.

local names = {}

local ALERT, HANDSHAKE, APPLICATION_DATA = 21, 22, 23

local CONTENT_TYPES = { [ALERT] = "alert", [HANDSHAKE] = "handshake", [APPLICATION_DATA] = "application_data" }
local FRAME_TYPES = {
    [0] = "Padding",
    [1] = "Ping",
    [2] = "Stream",
    [3] = "Stream, FIN",
    [4] = "ACK",
    [5] = "New Token",
    [6] = "Connection Reset",
}
local MESSAGES = { [4] = "new_session_ticket", [24] = "key_update" }
local REQUESTS = { [0] = "update_not_requested", [1] = "update_requested" }
local LEVELS = { [1] = "warning", [2] = "fatal" }
local ALERTS = {
    [0] = "close_notify",
    [10] = "unexpected_message",
    [20] = "bad_record_mac",
    [22] = "record_overflow",
    [40] = "handshake_failure",
    [47] = "illegal_parameter",
    [50] = "decode_error",
    [51] = "decrypt_error",
    [70] = "protocol_version",
    [71] = "insufficient_security",
    [80] = "internal_error",
    [90] = "user_canceled",
    [109] = "missing_extension",
    [110] = "unsupported_extension",
}
local SUITES = {
    [0x1301] = "TLS_AES_128_GCM_SHA256",
    [0x1302] = "TLS_AES_256_GCM_SHA384",
    [0x1303] = "TLS_CHACHA20_POLY1305_SHA256",
}

local field = {
    connection = ProtoField.uint32("tcpls.connection", "Connection ID"),
    sender = ProtoField.string("tcpls.sender", "Sender"),
    suite = ProtoField.uint16("tcpls.suite", "Cipher suite", base.HEX, SUITES),
    kind = ProtoField.string("tcpls.record.kind", "Kind", base.ASCII, "tcpls, handshake, opaque, plain or closed"),
    sequence = ProtoField.uint64("tcpls.record.sequence", "Record sequence", base.DEC, nil, nil, "as ACK frames count"),
    generation = ProtoField.uint32("tcpls.record.generation", "Key generation", base.DEC, nil, nil, "KeyUpdates"),
    nonce = ProtoField.uint64("tcpls.record.nonce_sequence", "Sequence in the nonce", base.DEC),
    content_type = ProtoField.uint8("tcpls.record.content_type", "Content type", base.DEC, CONTENT_TYPES),
    length = ProtoField.uint16("tcpls.record.length", "Bytes of content"),
    zeros = ProtoField.uint16("tcpls.record.padding", "Bytes of TLS padding"),
    tag = ProtoField.bytes("tcpls.record.tag", "Authentication tag"),
    verified = ProtoField.bool("tcpls.record.verified", "Tag verified"),
    tcpls = ProtoField.bool("tcpls.hello.tcpls", "Extension tcpls"),
    accepted = ProtoField.bool("tcpls.hello.accepted", "Server accepts tcpls"),
    mode = ProtoField.string("tcpls.join.mode", "Join"),
    join_token = ProtoField.bytes("tcpls.join.token", "Token"),
    frame = ProtoField.none("tcpls.frame", "Frame"),
    frame_type = ProtoField.uint8("tcpls.frame.type", "Type", base.HEX, FRAME_TYPES),
    padding = ProtoField.uint16("tcpls.padding.length", "Padding frames"),
    stream_id = ProtoField.uint32("tcpls.stream.id", "Stream ID"),
    stream_offset = ProtoField.uint64("tcpls.stream.offset", "Offset"),
    stream_length = ProtoField.uint16("tcpls.stream.length", "Length"),
    stream_fin = ProtoField.bool("tcpls.stream.fin", "FIN", 8, nil, 0x01),
    stream_data = ProtoField.bytes("tcpls.stream.data", "Stream data"),
    ack_connection = ProtoField.uint32("tcpls.ack.connection", "Connection ID"),
    ack_sequence = ProtoField.uint64("tcpls.ack.sequence", "Highest record sequence received"),
    token_sequence = ProtoField.uint8("tcpls.token.sequence", "Sequence"),
    token_value = ProtoField.bytes("tcpls.token.value", "Token"),
    reset_connection = ProtoField.uint32("tcpls.reset.connection", "Connection ID"),
    message = ProtoField.none("tcpls.handshake", "Handshake message"),
    message_type = ProtoField.uint8("tcpls.handshake.type", "Type", base.DEC, MESSAGES),
    request = ProtoField.uint8("tcpls.key_update.request", "Request", base.DEC, REQUESTS),
    level = ProtoField.uint8("tcpls.alert.level", "Level", base.DEC, LEVELS),
    description = ProtoField.uint8("tcpls.alert.description", "Description", base.DEC, ALERTS),
}
local expertise = {
    no_secret = ProtoExpert.new("tcpls.no_secret", "No secret", expert.group.DECRYPTION, expert.severity.WARN),
    closed = ProtoExpert.new("tcpls.not_decrypted", "Not decrypted", expert.group.DECRYPTION, expert.severity.WARN),
    missing = ProtoExpert.new("tcpls.missing", "Records are missing", expert.group.SEQUENCE, expert.severity.WARN),
    malformed = ProtoExpert.new("tcpls.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR),
    no_record = ProtoExpert.new("tcpls.no_record", "No TLS record", expert.group.MALFORMED, expert.severity.WARN),
    token = ProtoExpert.new("tcpls.join.malformed", "Bad token", expert.group.MALFORMED, expert.severity.ERROR),
}

names.fields, names.experts = field, expertise
names.messages, names.alerts = MESSAGES, ALERTS

return names

-- Wireshark dissector of TCPLS (draft-piraux-tcpls-00): decrypts every connection of a session and shows its frames.
--
--   tshark -X lua_script:tcpls.lua -o tcpls.keylog:keys.log -r client-a.pcap -Y tcpls
--   tshark … -V                                          everything of each packet
--   tshark … -o tcpls.data:FALSE -T fields -e tcpls.connection -e tcpls.record.sequence -e tcpls.stream.offset
--   wireshark -X lua_script:tcpls.lua -o tcpls.keylog:keys.log client-a.pcap
--
-- Stream data take nearly all of the time where fields are asked for: leave them out with tcpls.data:FALSE.
--
-- For Wireshark 4.0 (Lua 5.2) and later. The other files of this folder must lie beside this one; the whole folder may
-- also be copied into Wireshark's folder of personal plugins.
--
-- A capture that is not taken at the sender has segments out of order: add -o tcp.reassemble_out_of_order:TRUE. A
-- connection's ClientHello must be in the capture. Captures of several paths can be joined: mergecap -w all.pcapng
-- client-*.pcap. Where the first connection is missing, the key log's lines TCPLS_CONNECTION tell the Connection IDs.
--
-- Wireshark's own TLS cannot open joined connections, as their nonces contain the Connection ID. The tags of records
-- are not verified. Connections whose ClientHello has neither of the extensions are left to TLS.

local folder = debug.getinfo(1, "S").source:match("^@(.*[/\\])") or ""
local records = dofile(folder .. "records.lua")
local parsing = dofile(folder .. "parsing.lua")
local keylog = dofile(folder .. "keylog.lua")
local names = dofile(folder .. "fields.lua")

local tcpls = Proto("tcpls", "TCPLS")
local field, expertise = names.fields, names.experts
tcpls.fields, tcpls.experts = field, expertise
local tls = Dissector.get("tls")
local tcp_stream = Field.new("tcp.stream")

local CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
local HEADER_SIZE, TAG_SIZE, MOST = 5, 16, 16384 + 256

tcpls.prefs.keylog = Pref.string("Key log", "", "File of secrets (SSLKEYLOGFILE); empty: that of the TLS preferences")
tcpls.prefs.port = Pref.range("TCP ports", "4433", "Ports of TCPLS; elsewhere it is known by its ClientHello", 65535)
tcpls.prefs.extension = Pref.uint("Extension tcpls", 0xff70, "Type of the TLS extension tcpls")
tcpls.prefs.join_extension = Pref.uint("Extension tcpls_join", 0xff71, "Type of the TLS extension tcpls_join")
tcpls.prefs.data = Pref.bool("Decrypt stream data", true, "Half a minute for 60 MB; all else takes a second")

-- State of the capture that is open.
local streams -- by number of the TCP stream
local sessions
local key_log

local function key_log_path()
    if tcpls.prefs.keylog ~= "" then
        return tcpls.prefs.keylog
    end
    local found, path = pcall(get_preference, "tls.keylog_file")
    return found and path or ""
end

function tcpls.init()
    streams = {}
    key_log = keylog.open(key_log_path())
    sessions = records.sessions(function(random)
        return key_log:lookup(random)
    end)
end

local function stream_of()
    local number = tcp_stream().value
    streams[number] = streams[number] or {}
    return streams[number]
end

local function source_of(pinfo)
    return tostring(pinfo.src) .. " " .. pinfo.src_port
end

-- Says what a record is in the Info column. A frame may hold several records, each of which comes here by itself, and
-- TLS has its say in between.
local function tell(pinfo, text)
    text = (pinfo.private.tcpls and pinfo.private.tcpls .. "; " or "TCPLS ") .. text
    pinfo.private.tcpls = text
    for column, content in pairs({ protocol = "TCPLS", info = text }) do
        pinfo.cols[column]:clear_fence()
        pinfo.cols[column]:set(content)
        pinfo.cols[column]:fence()
    end
end

local function describe_frame(frame)
    if frame.type == 0 then
        return ("PADDING %d"):format(frame.size)
    elseif frame.type == 1 then
        return "PING"
    elseif frame.stream then
        local fin = frame.type == 3 and " FIN" or ""
        return ("STREAM %d %d@%.0f%s"):format(frame.stream, frame.length, frame.offset, fin)
    elseif frame.type == 4 then
        return ("ACK c%d #%.0f"):format(frame.connection, frame.sequence)
    elseif frame.type == 5 then
        return ("TOKEN %d"):format(frame.sequence)
    end
    return ("RESET c%d"):format(frame.connection)
end

local function describe(entry)
    local words = {}
    for _, frame in ipairs(entry.frames or {}) do
        words[#words + 1] = describe_frame(frame)
    end
    for _, message in ipairs(entry.messages or {}) do
        words[#words + 1] = message.continued and "handshake, continued" or names.messages[message.type]
    end
    if entry.description then
        words[#words + 1] = "alert " .. (names.alerts[entry.description] or entry.description)
    end
    if entry.error then
        words[#words + 1] = "malformed"
    end
    return #words > 0 and table.concat(words, ", ") or "empty"
end

local function show_frame(tree, plain, frame, with_data)
    local at = frame.first - 1
    local item = tree:add(field.frame, plain(at, frame.size))
    item:set_text(describe_frame(frame))
    item:add(field.frame_type, plain(at, 1))
    if frame.type == 0 then
        item:add(field.padding, plain(at, frame.size), frame.size)
    elseif frame.stream then
        item:add(field.stream_fin, plain(at, 1))
        item:add(field.stream_id, plain(at + 1, 4))
        item:add(field.stream_offset, plain(at + 5, 8))
        item:add(field.stream_length, plain(at + 13, 2))
        if with_data and frame.length > 0 then
            item:add(field.stream_data, plain(at + 15, frame.length))
        end
    elseif frame.type == 4 then
        item:add(field.ack_connection, plain(at + 1, 4))
        item:add(field.ack_sequence, plain(at + 5, 8))
    elseif frame.type == 5 then
        item:add(field.token_sequence, plain(at + 1, 1))
        item:add(field.token_value, plain(at + 2, 32))
    elseif frame.type == 6 then
        item:add(field.reset_connection, plain(at + 1, 4))
    end
end

local function show_message(tree, plain, message)
    local item = tree:add(field.message, plain(message.first - 1, message.size))
    if message.continued then
        item:set_text("Handshake message, continued")
        return
    end
    item:set_text("Handshake message: " .. names.messages[message.type])
    item:add(field.message_type, plain(message.first - 1, 1))
    if message.request then
        item:add(field.request, plain(message.first + 3, 1))
    end
end

local function show_open(tvb, tree, connection, sender, entry, fragment)
    -- Stream data are nearly all of the work, so they are decrypted only for someone who looks at them. To tshark,
    -- whoever asks for any field looks at all of them: hence the preference.
    local with_data = tcpls.prefs.data and tree:referenced(field.stream_data)
    local bytes = connection:plaintext(sender, fragment, entry, with_data)
    local name = with_data and "TCPLS plaintext" or "TCPLS plaintext without stream data"
    local plain = ByteArray.new(bytes, true):tvb(name)
    tree:add(field.sequence, tvb(0, HEADER_SIZE), UInt64(entry.sequence)):set_generated()
    tree:add(field.generation, tvb(0, HEADER_SIZE), entry.generation):set_generated()
    tree:add(field.nonce, tvb(0, HEADER_SIZE), UInt64(entry.nonce_sequence)):set_generated()
    tree:add(field.suite, tvb(0, HEADER_SIZE), entry.suite):set_generated()
    tree:add(field.length, tvb(0, HEADER_SIZE), entry.size):set_generated()
    for _, frame in ipairs(entry.frames or {}) do
        show_frame(tree, plain, frame, with_data)
    end
    for _, message in ipairs(entry.messages or {}) do
        show_message(tree, plain, message)
    end
    if entry.description then
        tree:add(field.level, plain(0, 1))
        tree:add(field.description, plain(1, 1))
    end
    if entry.error then
        local at = (entry.error_at or 1) - 1
        tree:add_proto_expert_info(expertise.malformed, ("Malformed: %s, at byte %d"):format(entry.error, at))
    end
    if entry.missing > 0 then
        local text = ("%d records before this one are not in the capture"):format(entry.missing)
        tree:add_proto_expert_info(expertise.missing, text)
    end
    tree:add(field.content_type, plain(entry.size, 1))
    if entry.zeros > 0 then
        tree:add(field.zeros, plain(entry.size + 1, entry.zeros), entry.zeros)
    end
    tree:add(field.tag, tvb(tvb:len() - TAG_SIZE, TAG_SIZE)):append_text(" (not verified)")
    tree:add(field.verified, tvb(tvb:len() - TAG_SIZE, TAG_SIZE), false):set_generated()
end

local function show_connection(tvb, tree, connection)
    connection:identify()
    if connection.id then
        tree:add(field.connection, tvb(0, HEADER_SIZE), connection.id):set_generated()
    end
    return connection.id and "c" .. connection.id or "c?"
end

local function show_protected(tvb, pinfo, tree, stream, sender)
    local connection = stream.connection
    local fragment = tvb(HEADER_SIZE):bytes():raw()
    if connection.id == 0 and sender == "server" and stream.accepted == nil then
        stream.accepted = connection:accepted(tcpls.prefs.extension, fragment)
        stream.plain = stream.accepted == false
    end
    local entry = connection:open(sender, fragment)
    local name = show_connection(tvb, tree, connection)
    tree:add(field.kind, tvb(0, 1), entry.state == "open" and "tcpls" or entry.state):set_generated()
    if entry.state == "open" then
        tree:append_text((", connection %d, %s, sequence %.0f"):format(connection.id, sender, entry.sequence))
        show_open(tvb, tree, connection, sender, entry, fragment)
        tell(pinfo, ("%s #%.0f %s"):format(name, entry.sequence, describe(entry)))
    elseif entry.state == "handshake" then
        tree:append_text(", handshake of the first connection, " .. sender)
        if stream.accepted ~= nil and sender == "server" then
            tree:add(field.accepted, tvb(0, HEADER_SIZE), stream.accepted):set_generated()
        end
        tls:call(tvb, pinfo, tree)
        tell(pinfo, name .. " handshake" .. (stream.plain and ", server refuses TCPLS" or ""))
    elseif entry.state == "opaque" then
        tree:append_text(", only for the sake of middleboxes, " .. sender)
        tell(pinfo, name .. " opaque record")
    else
        local reason = entry.no_secret and key_log.reason or entry.reason
        tree:append_text(", not decrypted, " .. sender)
        local kind = entry.no_secret and expertise.no_secret or expertise.closed
        tree:add_proto_expert_info(kind, "Not decrypted: " .. reason)
        tell(pinfo, name .. " not decrypted")
    end
end

local function show_hello(tvb, pinfo, tree, stream)
    local connection = stream.connection
    local message = tvb(HEADER_SIZE):bytes():raw()
    local hello = parsing.read_hello(message)
    local name = show_connection(tvb, tree, connection)
    local words = "handshake message"
    if hello and hello.kind == 1 then
        words = "ClientHello"
        if connection.joins then
            words = ("ClientHello, %s join"):format(connection.mode)
            tree:add(field.mode, tvb(0, HEADER_SIZE), connection.mode):set_generated()
            local at = message:find(connection.token, 1, true)
            local item = tree:add(field.join_token, tvb(HEADER_SIZE + at - 1, #connection.token))
            if #connection.token ~= 32 then
                item:add_proto_expert_info(expertise.token, "A token has 32 bytes")
            end
        else
            tree:add(field.tcpls, tvb(0, HEADER_SIZE), true):set_generated()
        end
    elseif hello and hello.kind == 2 then
        connection:server_hello(hello)
        words = "ServerHello"
    end
    tree:append_text(", " .. words)
    tls:call(tvb, pinfo, tree)
    tell(pinfo, name .. " " .. words)
end

local function is_record(tvb, offset)
    local kind, major, length = tvb(offset, 1):uint(), tvb(offset + 1, 1):uint(), tvb(offset + 3, 2):uint()
    return kind >= CHANGE_CIPHER_SPEC and kind <= APPLICATION_DATA and major == 3 and length <= MOST
end

-- The hello of a connection that is for this dissector; nil for others.
local function hello_of(tvb)
    if tvb:len() < HEADER_SIZE or not is_record(tvb, 0) or tvb(0, 1):uint() ~= HANDSHAKE then
        return nil
    end
    local available = math.min(tvb:len() - HEADER_SIZE, tvb(3, 2):uint())
    local hello = available > 0 and parsing.read_hello(tvb(HEADER_SIZE, available):bytes():raw())
    if not hello or hello.kind ~= 1 then
        return nil
    end
    local ours = hello.extensions[tcpls.prefs.extension] or hello.extensions[tcpls.prefs.join_extension]
    return (ours or not hello.complete) and hello or nil
end

local function begin(tvb, pinfo, stream)
    local hello = hello_of(tvb)
    if not hello or not hello.complete then
        stream.plain = true
        return
    end
    stream.client = source_of(pinfo)
    stream.connection = records.connection(sessions, hello, tcpls.prefs.join_extension)
end

local function show_record(tvb, pinfo, tree, stream, whole)
    local sender = source_of(pinfo) == stream.client and "client" or "server"
    local item = tree:add(tcpls, tvb(), "TCPLS record")
    item:add(field.sender, tvb(0, 1), sender):set_generated()
    local kind = tvb(0, 1):uint()
    if not whole then
        if not pinfo.visited and kind == APPLICATION_DATA then
            stream.connection:cut(sender)
        end
        item:add_proto_expert_info(expertise.closed, "Not decrypted: the capture holds only a part of this record")
        tell(pinfo, "cut off by the capture")
    elseif not is_record(tvb, 0) then
        local text = "No TLS record: segments are missing or out of order; try tcp.reassemble_out_of_order"
        item:add_proto_expert_info(expertise.no_record, text)
        tell(pinfo, "no TLS record")
    elseif kind == APPLICATION_DATA then
        show_protected(tvb, pinfo, item, stream, sender)
    elseif kind == HANDSHAKE then
        item:add(field.kind, tvb(0, 1), "plain"):set_generated()
        show_hello(tvb, pinfo, item, stream)
    else
        local name = show_connection(tvb, item, stream.connection)
        local words = kind == ALERT and "plain alert" or "ChangeCipherSpec"
        item:append_text(", " .. words)
        item:add(field.kind, tvb(0, 1), "plain"):set_generated()
        if kind == CHANGE_CIPHER_SPEC and not pinfo.visited then
            stream.connection:change_cipher_spec(sender)
        end
        tls:call(tvb, pinfo, item)
        tell(pinfo, name .. " " .. words)
    end
end

-- The size of the record at "offset", and how many bytes more than there are that takes. What is no record goes up to
-- the end, and of a header that is not whole yet nothing is known.
local function record_size(tvb, offset)
    local there = tvb:reported_len() - offset
    if there < HEADER_SIZE then
        return nil, DESEGMENT_ONE_MORE_SEGMENT
    end
    if tvb:len() - offset < HEADER_SIZE or not is_record(tvb, offset) then
        return there, 0
    end
    local size = HEADER_SIZE + tvb(offset + 3, 2):uint()
    return size, math.max(0, size - there)
end

-- Not by dissect_tcp_pdus: it gives parts of records to dissectors that a heuristic has found, and errors that come out
-- of it end Wireshark 4.0.
function tcpls.dissector(tvb, pinfo, tree)
    local stream = stream_of()
    if stream.plain then
        return tls:call(tvb, pinfo, tree)
    end
    local offset = 0
    while offset < tvb:len() do
        local size, missing = record_size(tvb, offset)
        if missing ~= 0 then
            pinfo.desegment_offset, pinfo.desegment_len = offset, missing
            break
        end
        local record = tvb(offset, math.min(size, tvb:len() - offset)):tvb()
        if not stream.connection then
            begin(record, pinfo, stream)
            if stream.plain then
                return tls:call(tvb, pinfo, tree)
            end
        end
        show_record(record, pinfo, tree, stream, record:len() == size)
        offset = offset + size
    end
    return tvb:len()
end

tcpls:register_heuristic("tcp", function(tvb, pinfo, tree)
    if not hello_of(tvb) then
        return false
    end
    pinfo.conversation = tcpls
    tcpls.dissector(tvb, pinfo, tree)
    return true
end)

-- Known by its port, it can be chosen by "Decode As" too.
local tcp_port = DissectorTable.get("tcp.port")
local ports = ""

local function take_ports()
    if tcpls.prefs.port ~= ports then
        if ports ~= "" then
            tcp_port:remove(ports, tcpls)
        end
        ports = tcpls.prefs.port
        if ports ~= "" then
            tcp_port:add(ports, tcpls)
        end
    end
end

tcpls.prefs_changed = take_ports
take_ports()

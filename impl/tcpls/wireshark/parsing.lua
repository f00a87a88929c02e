-- Takes apart what TCPLS connections consist of: hellos, handshake messages, frames.

local parsing = {}

local unpack = Struct.unpack
local TAG_SIZE = 16
local APPLICATION_DATA, HANDSHAKE, ALERT = 23, 22, 21
local NEW_SESSION_TICKET, KEY_UPDATE = 4, 24

local function hex(bytes)
    return (bytes:gsub(".", function(c)
        return ("%02x"):format(c:byte())
    end))
end
parsing.hex = hex

-- Reads a ClientHello or ServerHello, of which the end may be missing: random, session ID, suite (of a ServerHello) and
-- extensions by type. nil if it is neither, or ends before the extensions.
function parsing.read_hello(message)
    local kind = message:byte(1)
    if #message < 39 or (kind ~= 1 and kind ~= 2) then
        return nil
    end
    local hello = { kind = kind, random = message:sub(7, 38), extensions = {} }
    local position = 40 + message:byte(39)
    hello.session_id = message:sub(40, position - 1)
    if kind == 1 then
        if #message < position + 1 then
            return nil
        end
        position = position + 2 + unpack(">I2", message, position)
        if #message < position then
            return nil
        end
        position = position + 1 + message:byte(position)
    else
        if #message < position + 2 then
            return nil
        end
        hello.suite = unpack(">I2", message, position)
        position = position + 3
    end
    hello.complete = #message >= 4 + message:byte(2) * 65536 + unpack(">I2", message, 3)
    position = position + 2
    while position + 3 <= #message do
        local extension, size = unpack(">I2I2", message, position)
        hello.extensions[extension] = message:sub(position + 4, position + 3 + size)
        position = position + 4 + size
    end
    return hello
end

-- What is inside of a protected record, made as it is asked for.
function parsing.inner(keys, nonce, fragment)
    local size = #fragment - TAG_SIZE
    return {
        size = size,
        get = function(first, last)
            return keys.cipher(nonce, fragment, first, last)
        end,
    }
end

-- The content type, the last byte that is not zero (RFC 8446, section 5.4), and the size of the content; or nil.
local function content_of(plain)
    local last = plain.size
    while last > 0 do
        local first = math.max(1, last - 15)
        local found = plain.get(first, last):match("^.*()[^\0]")
        if found then
            local position = first + found - 1
            return plain.get(position, position):byte(), position - 1
        end
        last = first - 1
    end
    return nil
end

-- The frames of the content's first "size" bytes (draft, section 5.2): their places, sizes and fields; and what is
-- wrong with the rest, or nil. Neighbouring Padding frames are one entry.
local function read_frames(plain, size)
    local frames = {}
    local position = 1
    local function cut(need)
        return position + need - 1 > size
    end
    while position <= size do
        local kind = plain.get(position, position):byte()
        local frame = { type = kind, first = position, size = 1 }
        if kind == 0 then
            local last = position
            while last < size do
                local upto = math.min(size, last + 256)
                local other = plain.get(last + 1, upto):find("[^\0]")
                if other then
                    last = last + other - 1
                    break
                end
                last = upto
            end
            frame.size = last - position + 1
        elseif kind == 2 or kind == 3 then
            if cut(15) then
                return frames, "a Stream frame does not fit into its record", position
            end
            local stream, high, low, length = unpack(">I4I4I4I2", plain.get(position + 1, position + 14))
            frame.stream, frame.offset, frame.length = stream, high * 4294967296 + low, length
            if cut(15 + length) then
                return frames, "a Stream frame does not fit into its record", position
            end
            frame.size = 15 + length
        elseif kind == 4 then
            if cut(13) then
                return frames, "an ACK frame does not fit into its record", position
            end
            local connection, high, low = unpack(">I4I4I4", plain.get(position + 1, position + 12))
            frame.connection, frame.sequence, frame.size = connection, high * 4294967296 + low, 13
        elseif kind == 5 then
            if cut(34) then
                return frames, "a New Token frame does not fit into its record", position
            end
            frame.sequence, frame.size = plain.get(position + 1, position + 1):byte(), 34
            frame.token = plain.get(position + 2, position + 33)
        elseif kind == 6 then
            if cut(5) then
                return frames, "a Connection Reset frame does not fit into its record", position
            end
            frame.connection, frame.size = unpack(">I4", plain.get(position + 1, position + 4)), 5
        elseif kind ~= 1 then
            return frames, ("a frame of unknown type 0x%02x"):format(kind), position
        end
        frames[#frames + 1] = frame
        position = position + frame.size
    end
    return frames
end

-- The handshake messages of a record: type, place, size and, of a KeyUpdate, what it asks for; and what is wrong. A
-- message may go on in the next record: "left" bytes of one are still to come at the beginning, and at the end.
local function read_messages(plain, size, left)
    local messages = {}
    local position = 1
    if left > 0 then
        local part = math.min(left, size)
        messages[1] = { first = 1, size = part, continued = true }
        position, left = position + part, left - part
    end
    while position <= size do
        if position + 3 > size then
            return messages, "a handshake message ends within its header", left
        end
        local kind, high, low = unpack(">I1I1I2", plain.get(position, position + 3))
        local whole = 4 + high * 65536 + low
        local message = { type = kind, first = position, size = math.min(whole, size - position + 1) }
        if kind == KEY_UPDATE and message.size == 5 then
            message.request = plain.get(position + 4, position + 4):byte()
        elseif kind ~= NEW_SESSION_TICKET then
            return messages, ("a handshake message of type %d"):format(kind), left
        end
        left = whole - message.size
        messages[#messages + 1] = message
        position = position + message.size
    end
    return messages, nil, left
end

-- Takes a record apart under given keys. The result has "error" if its content is malformed, and is nil if it has no
-- valid content type at all, so that these are the wrong keys.
function parsing.take_apart(plain, left)
    local kind, size = content_of(plain)
    if not kind or kind < ALERT or kind > APPLICATION_DATA then
        return nil
    end
    local entry = { type = kind, size = size, zeros = plain.size - size - 1 }
    if kind == APPLICATION_DATA then
        entry.frames, entry.error, entry.error_at = read_frames(plain, size)
    elseif kind == HANDSHAKE then
        entry.messages, entry.error, entry.left = read_messages(plain, size, left)
        if size == 0 then
            entry.error = "an empty handshake record"
        end
    elseif size == 2 then
        entry.level, entry.description = unpack(">I1I1", plain.get(1, 2))
    else
        entry.error = "an alert that has not 2 bytes"
    end
    if kind == ALERT and not entry.error and entry.level ~= 1 and entry.level ~= 2 then
        entry.error = ("an alert of level %d"):format(entry.level)
    end
    return entry
end

return parsing

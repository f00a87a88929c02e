-- Opens the records of TCPLS sessions: which secrets, which Connection ID, which sequence number, and what is inside.
--
-- Knows nothing of Wireshark's packets and trees. A record is looked at once, in the order of the capture, and what was
-- found is kept under its authentication tag, which no other record of the connection has: so later passes show the
-- same, and what TCP sent twice counts once.

local folder = debug.getinfo(1, "S").source:match("^@(.*[/\\])") or ""
local crypto = dofile(folder .. "crypto.lua")
local parsing = dofile(folder .. "parsing.lua")

local records = {}

local unpack = Struct.unpack
local TAG_SIZE = 16
local ENCRYPTED_EXTENSIONS = 8
local CLIENT, SERVER = "client", "server"
local OTHER = { [CLIENT] = SERVER, [SERVER] = CLIENT }

-- How many records may be missing before one that still is recognized. Tags are not verified, so what decrypts is told
-- by its form, and each try adds to the odds of a mistake.
local WINDOW = 32

local Connection = {}
Connection.__index = Connection

-- All sessions of a capture. "lookup" gives the secrets of a client random, by label, or nil.
function records.sessions(lookup)
    return { lookup = lookup, suites = {}, tokens = {} }
end

-- A connection whose ClientHello was just seen. "join" is the extension's type, whose body is the token.
function records.connection(sessions, hello, join)
    local function direction()
        return {
            sequence = 0, -- of the next record, as ACK frames count
            generation = 0, -- KeyUpdates so far
            nonce_sequence = 0, -- of the next record, within the generation
            left = 0, -- bytes of a handshake message that the next record begins with
            opened = false, -- whether any record has been
            opaque = 0, -- records to come that only look like some
            keys = {}, -- by generation
            entries = {}, -- what was found, by tag
        }
    end
    local connection = setmetatable({
        sessions = sessions,
        random = hello.random,
        token = hello.extensions[join],
        joins = hello.extensions[join] ~= nil,
        [CLIENT] = direction(),
        [SERVER] = direction(),
    }, Connection)
    if connection.joins then
        -- The form of the join, which the client chooses: with a session ID its handshake looks like a complete one.
        connection.mode = #hello.session_id > 0 and "apparent" or "direct"
    else
        connection.id = 0
    end
    return connection
end

function Connection:server_hello(hello)
    self.suite = hello.suite
end

function Connection:change_cipher_spec(sender)
    if self.joins then
        self[sender].opaque = 1
    end
end

-- Counts a protected record that cannot be looked at.
function Connection:cut(sender)
    local direction = self[sender]
    if direction.opaque > 0 then
        direction.opaque = direction.opaque - 1
    elseif self.joins or direction.opened then
        direction.sequence = direction.sequence + 1
        direction.nonce_sequence = direction.nonce_sequence + 1
    end
end

-- Finds the Connection ID, if it is known by now: from the New Token frame, or else from the key log.
function Connection:identify()
    if not self.id then
        local issued = self.token and self.sessions.tokens[self.token]
        local logged = (self.sessions.lookup(self.random) or {}).TCPLS_CONNECTION
        if issued then
            self.id = issued.sequence
        elseif logged and #logged == 4 then
            self.id = unpack(">I4", logged)
        end
    end
end

-- Finds secrets, Connection ID and possible suites, as far as they are known by now; or the reason why not.
function Connection:find_keys()
    self:identify()
    local issued = self.token and self.sessions.tokens[self.token]
    local logged = self.sessions.lookup(self.random) or {}
    local client, server = logged.CLIENT_TRAFFIC_SECRET_0, logged.SERVER_TRAFFIC_SECRET_0
    if issued then
        client, server = issued.client, issued.server
    end
    if not client or not server then
        return "the key log has no secrets of this connection's client random " .. parsing.hex(self.random)
    end
    if not self.id then
        return "neither its New Token frame nor a line TCPLS_CONNECTION of the key log tells the Connection ID"
    end
    self.secrets = { [CLIENT] = { [0] = client }, [SERVER] = { [0] = server } }
    local known = self.sessions.suites[client] or (not self.joins and self.suite)
    if known then
        self.candidates = { known }
    elseif #client == 48 then
        self.candidates = { 0x1302 }
    else
        -- The first connection is in another capture. An apparent ServerHello names the session's suite.
        self.candidates = self.suite and { self.suite } or { 0x1301, 0x1303 }
    end
    if not crypto.SUITES[self.candidates[1]] or crypto.SUITES[self.candidates[1]].hash.size ~= #client then
        return ("the secrets of the key log do not fit cipher suite 0x%04x"):format(self.candidates[1])
    end
    return nil
end

function Connection:keys(sender, code, generation)
    local suite = crypto.SUITES[code]
    local secrets, cache = self.secrets[sender], self[sender].keys
    local name = code * 65536 + generation
    if not cache[name] then
        for i = 1, generation do
            secrets[i] = secrets[i] or crypto.next_secret(suite, secrets[i - 1])
        end
        cache[name] = crypto.traffic_keys(suite, secrets[generation])
    end
    return cache[name]
end

function Connection:inner(sender, code, generation, sequence, fragment)
    local keys = self:keys(sender, code, generation)
    return parsing.inner(keys, crypto.nonce(keys.iv, self.id, sequence), fragment)
end

-- Whether the server's EncryptedExtensions have the extension tcpls: true, false, or nil if that cannot be told.
function Connection:accepted(extension, fragment)
    local logged = self.sessions.lookup(self.random) or {}
    local secret, suite = logged.SERVER_HANDSHAKE_TRAFFIC_SECRET, crypto.SUITES[self.suite or 0]
    if not secret or not suite or suite.hash.size ~= #secret then
        return nil
    end
    local keys = crypto.traffic_keys(suite, secret)
    local plain = parsing.inner(keys, keys.iv, fragment)
    if plain.size < 7 or plain.get(1, 1):byte() ~= ENCRYPTED_EXTENSIONS then
        return nil
    end
    local last = 6 + unpack(">I2", plain.get(5, 6))
    if last > plain.size then
        return nil
    end
    local message = plain.get(1, last)
    local position = 7
    while position + 3 <= last do
        local found, size = unpack(">I2I2", message, position)
        if found == extension then
            return true
        end
        position = position + 4 + size
    end
    return false
end

-- Tries the next sequence numbers, in case records are missing; gives the entry, the suite, and how many are.
function Connection:search(sender, fragment)
    local direction = self[sender]
    local malformed, malformed_code
    for missing = 0, WINDOW do
        for _, code in ipairs(self.candidates) do
            local plain = self:inner(sender, code, direction.generation, direction.nonce_sequence + missing, fragment)
            local entry = parsing.take_apart(plain, missing == 0 and direction.left or 0)
            -- What is right by chance looks like a message that goes on: that is believed of a right key alone.
            if entry and not entry.error and (missing == 0 and direction.opened or (entry.left or 0) == 0) then
                return entry, code, missing
            end
            if entry and missing == 0 and not malformed then
                malformed, malformed_code = entry, code
            end
        end
    end
    -- One wrong key in 85 gives a valid content type: that is proof only where keys have proved to be right before.
    if malformed and (direction.opened or self.joins and self[OTHER[sender]].opened) then
        return malformed, malformed_code, 0
    end
    return nil
end

-- What a protected record is. The entry's "state" is
--   "open":      decrypted; see take_apart, and "sequence", "generation", "nonce_sequence", "missing";
--   "handshake": protected by the handshake keys of the first connection, which are not for TCPLS to open;
--   "opaque":    only looks like a record, for the sake of middleboxes;
--   "closed":    cannot be decrypted, for the "reason".
function Connection:open(sender, fragment)
    local direction = self[sender]
    local tag = fragment:sub(-TAG_SIZE)
    local entry = direction.entries[tag]
    if not entry then
        entry = self:look(sender, fragment)
        direction.entries[tag] = entry
    end
    return entry
end

function Connection:look(sender, fragment)
    local direction = self[sender]
    if direction.opaque > 0 then
        direction.opaque = direction.opaque - 1
        return { state = "opaque" }
    end
    if #fragment <= TAG_SIZE then
        return { state = "closed", reason = "it is too short for a protected record" }
    end
    if not self.secrets then
        local reason = self:find_keys()
        if reason then
            -- In a live capture the secrets may come later. Of the first connection they must come in time, since
            -- nothing but what they open tells where its handshake ends.
            if self.joins then
                direction.sequence = direction.sequence + 1
                direction.nonce_sequence = direction.nonce_sequence + 1
            end
            return { state = "closed", reason = reason, no_secret = true }
        end
    end
    local entry, code, missing = self:search(sender, fragment)
    if not entry then
        if not self.joins and not direction.opened then
            return { state = "handshake" }
        end
        direction.sequence = direction.sequence + 1
        direction.nonce_sequence = direction.nonce_sequence + 1
        return { state = "closed", reason = "it makes no sense when decrypted: the secrets are wrong, or records miss" }
    end
    self:learn(direction, entry, code, missing)
    return entry
end

function Connection:learn(direction, entry, code, missing)
    self.candidates = { code }
    self.sessions.suites[self.secrets[CLIENT][0]] = code
    direction.opened = true
    direction.left = entry.left or 0
    entry.state, entry.suite, entry.missing = "open", code, missing
    entry.sequence = direction.sequence + missing
    entry.nonce_sequence = direction.nonce_sequence + missing
    entry.generation = direction.generation
    direction.sequence = entry.sequence + 1
    direction.nonce_sequence = entry.nonce_sequence + 1
    for _, message in ipairs(entry.messages or {}) do
        if message.request then
            direction.generation = direction.generation + 1
            direction.nonce_sequence = 0
        end
    end
    for _, frame in ipairs(entry.frames or {}) do
        if frame.token then
            self.sessions.tokens[frame.token] =
                { sequence = frame.sequence, client = self.secrets[CLIENT][0], server = self.secrets[SERVER][0] }
        end
    end
end

-- The plaintext of an open record: the content, its type, and the zeros behind it. Without "data", the data of Stream
-- frames are zeros, which takes a hundredth of the time.
function Connection:plaintext(sender, fragment, entry, data)
    local plain = self:inner(sender, entry.suite, entry.generation, entry.nonce_sequence, fragment)
    if data or not entry.frames or entry.error then
        return plain.get(1, plain.size)
    end
    local parts = {}
    for _, frame in ipairs(entry.frames) do
        local header = frame.stream and 15 or frame.size
        parts[#parts + 1] = plain.get(frame.first, frame.first + header - 1)
        parts[#parts + 1] = ("\0"):rep(frame.size - header)
    end
    parts[#parts + 1] = string.char(entry.type)
    parts[#parts + 1] = ("\0"):rep(entry.zeros)
    return table.concat(parts)
end

return records

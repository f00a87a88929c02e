-- Reads a key log (SSLKEYLOGFILE, RFC 9850): secrets by the client random of a connection and by label.

local keylog = {}

local function unhex(text)
    return (text:gsub("..", function(digits)
        return string.char(tonumber(digits, 16))
    end))
end

local KeyLog = {}
KeyLog.__index = KeyLog

-- A key log that is read when it is first needed. "reason" says what is wrong with it, if anything is.
function keylog.open(path)
    local reason = path == "" and "no key log is given; set the preference tcpls.keylog" or nil
    return setmetatable({ path = path, reason = reason, secrets = {}, size = nil }, KeyLog)
end

-- The secrets of a client random, by label; nil if there are none. All are bytes.
function KeyLog:lookup(random)
    local found = self.secrets[random]
    if not (found and found.SERVER_TRAFFIC_SECRET_0) and self.path ~= "" then
        self:read()
    end
    return self.secrets[random]
end

-- Reads the file if there is more in it than before: in a live capture it grows.
function KeyLog:read()
    local file, reason = io.open(self.path, "r")
    if not file then
        self.reason = "the key log cannot be read: " .. reason
        return
    end
    local size = file:seek("end")
    if size ~= self.size then
        file:seek("set")
        local text
        text, reason = file:read("*a")
        self.size, self.reason = size, not text and "the key log cannot be read: " .. reason or nil
        for label, random, secret in (text or ""):gmatch("(%S+) (%x+) (%x+)%s*\n") do
            if #random == 64 and #secret % 2 == 0 then
                random = unhex(random)
                self.secrets[random] = self.secrets[random] or {}
                self.secrets[random][label] = unhex(secret)
            end
        end
    end
    file:close()
end

return keylog

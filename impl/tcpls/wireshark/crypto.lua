-- What TLS 1.3 needs to open records: SHA-2, HKDF-Expand-Label, and the key streams of AES-GCM and ChaCha20.
--
-- Tags are not verified: that would take as long again, and a capture is not there to be trusted. Key streams can be
-- made of any part of a record alone, so that headers of frames cost next to nothing, whatever lies between them.
--
-- Everything works on strings of bytes. "bit" and "Struct" are Wireshark's; "bit" gives signed integers of 32 bits.

local band, bor, bxor, bnot, tobit = bit.band, bit.bor, bit.bxor, bit.bnot, bit.tobit
local lshift, rshift, rol, ror = bit.lshift, bit.rshift, bit.rol, bit.ror
local pack, unpack = Struct.pack, Struct.unpack
local floor = math.floor
local concat = table.concat

local crypto = {}

local TWO_32 = 4294967296

-- FIPS 180-4, section 4.2: the fractional parts of the cube roots of the first 80 primes, in halves of 32 bits. The
-- upper halves of the first 64 are the constants of SHA-256.
local K_HIGH = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    0xca273ece, 0xd186b8c7, 0xeada7dd6, 0xf57d4f7f, 0x06f067aa, 0x0a637dc5, 0x113f9804, 0x1b710b35,
    0x28db77f5, 0x32caab7b, 0x3c9ebe0a, 0x431d67c4, 0x4cc5d4be, 0x597f299c, 0x5fcb6fab, 0x6c44198c,
}
local K_LOW = {
    0xd728ae22, 0x23ef65cd, 0xec4d3b2f, 0x8189dbbc, 0xf348b538, 0xb605d019, 0xaf194f9b, 0xda6d8118,
    0xa3030242, 0x45706fbe, 0x4ee4b28c, 0xd5ffb4e2, 0xf27b896f, 0x3b1696b1, 0x25c71235, 0xcf692694,
    0x9ef14ad2, 0x384f25e3, 0x8b8cd5b5, 0x77ac9c65, 0x592b0275, 0x6ea6e483, 0xbd41fbd4, 0x831153b5,
    0xee66dfab, 0x2db43210, 0x98fb213f, 0xbeef0ee4, 0x3da88fc2, 0x930aa725, 0xe003826f, 0x0a0e6e70,
    0x46d22ffc, 0x5c26c926, 0x5ac42aed, 0x9d95b3df, 0x8baf63de, 0x3c77b2a8, 0x47edaee6, 0x1482353b,
    0x4cf10364, 0xbc423001, 0xd0f89791, 0x0654be30, 0xd6ef5218, 0x5565a910, 0x5771202a, 0x32bbd1b8,
    0xb8d2d0c8, 0x5141ab53, 0xdf8eeb99, 0xe19b48a8, 0xc5c95a63, 0xe3418acb, 0x7763e373, 0xd6b2b8a3,
    0x5defb2fc, 0x43172f60, 0xa1f0ab72, 0x1a6439ec, 0x23631e28, 0xde82bde9, 0xb2c67915, 0xe372532b,
    0xea26619c, 0x21c0c207, 0xcde0eb1e, 0xee6ed178, 0x72176fba, 0xa2c898a6, 0xbef90dae, 0x131c471b,
    0x23047d84, 0x40c72493, 0x15c9bebc, 0x9c100d4c, 0xcb3e42b6, 0xfc657e2a, 0x3ad6faec, 0x4a475817,
}

-- The message with its padding (FIPS 180-4, section 5.1), for blocks of 64 or 128 bytes.
local function padded(message, block)
    local length_size = block / 8
    local zeros = (-(#message + 1 + length_size)) % block
    local bits = #message * 8
    local length = pack(">I4I4", floor(bits / TWO_32), bits % TWO_32)
    return message .. "\128" .. ("\0"):rep(zeros + length_size - 8) .. length
end

function crypto.sha256(message)
    local h0, h1, h2, h3, h4, h5, h6, h7 =
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
    local data = padded(message, 64)
    local w = {}
    for position = 1, #data, 64 do
        for i = 0, 15 do
            w[i] = unpack(">i4", data, position + 4 * i)
        end
        for i = 16, 63 do
            local x, y = w[i - 15], w[i - 2]
            local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
            local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
            w[i] = tobit(w[i - 16] + s0 + w[i - 7] + s1)
        end
        local a, b, c, d, e, f, g, h = h0, h1, h2, h3, h4, h5, h6, h7
        for i = 0, 63 do
            local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
            local t1 = h + s1 + bxor(band(e, f), band(bnot(e), g)) + K_HIGH[i + 1] + w[i]
            local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
            local t2 = s0 + bxor(band(a, b), band(a, c), band(b, c))
            h, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
        end
        h0, h1, h2, h3 = tobit(h0 + a), tobit(h1 + b), tobit(h2 + c), tobit(h3 + d)
        h4, h5, h6, h7 = tobit(h4 + e), tobit(h5 + f), tobit(h6 + g), tobit(h7 + h)
    end
    return pack(">i4i4i4i4i4i4i4i4", h0, h1, h2, h3, h4, h5, h6, h7)
end

-- Adds numbers of 64 bits, each given as two halves: two, and up to five.
local function add(...)
    local numbers = { ... }
    local high, low = 0, 0
    for i = 1, #numbers, 2 do
        high = high + numbers[i] % TWO_32
        low = low + numbers[i + 1] % TWO_32
    end
    return tobit((high + floor(low / TWO_32)) % TWO_32), tobit(low % TWO_32)
end

-- Rotates or shifts 64 bits to the right; from 32 bits on the halves change places.
local function rotate(high, low, n)
    if n >= 32 then
        high, low, n = low, high, n - 32
    end
    if n == 0 then
        return high, low
    end
    return bor(rshift(high, n), lshift(low, 32 - n)), bor(rshift(low, n), lshift(high, 32 - n))
end

local function shift(high, low, n)
    return rshift(high, n), bor(rshift(low, n), lshift(high, 32 - n))
end

-- The XOR of three rotations; the last one is a shift if "shifts".
local function sigma(high, low, i, j, k, shifts)
    local h1, l1 = rotate(high, low, i)
    local h2, l2 = rotate(high, low, j)
    local h3, l3 = (shifts and shift or rotate)(high, low, k)
    return bxor(h1, h2, h3), bxor(l1, l2, l3)
end

local SHA384_START = {
    0xcbbb9d5d, 0xc1059ed8, 0x629a292a, 0x367cd507, 0x9159015a, 0x3070dd17, 0x152fecd8, 0xf70e5939,
    0x67332667, 0xffc00b31, 0x8eb44a87, 0x68581511, 0xdb0c2e0d, 0x64f98fa7, 0x47b5481d, 0xbefa4fa4,
}

function crypto.sha384(message)
    local data = padded(message, 128)
    local state = {}
    for i = 1, 16 do
        state[i] = tobit(SHA384_START[i])
    end
    local high, low = {}, {}
    for position = 1, #data, 128 do
        for i = 0, 15 do
            high[i], low[i] = unpack(">i4i4", data, position + 8 * i)
        end
        for i = 16, 79 do
            local h0, l0 = sigma(high[i - 15], low[i - 15], 1, 8, 7, true)
            local h1, l1 = sigma(high[i - 2], low[i - 2], 19, 61, 6, true)
            high[i], low[i] = add(high[i - 16], low[i - 16], h0, l0, high[i - 7], low[i - 7], h1, l1)
        end
        local v = {}
        for i = 1, 16 do
            v[i] = state[i]
        end
        for i = 0, 79 do
            local h1, l1 = sigma(v[9], v[10], 14, 18, 41)
            local choice_high = bxor(band(v[9], v[11]), band(bnot(v[9]), v[13]))
            local choice_low = bxor(band(v[10], v[12]), band(bnot(v[10]), v[14]))
            local t1h, t1l =
                add(v[15], v[16], h1, l1, choice_high, choice_low, K_HIGH[i + 1], K_LOW[i + 1], high[i], low[i])
            local h0, l0 = sigma(v[1], v[2], 28, 34, 39)
            local majority_high = bxor(band(v[1], v[3]), band(v[1], v[5]), band(v[3], v[5]))
            local majority_low = bxor(band(v[2], v[4]), band(v[2], v[6]), band(v[4], v[6]))
            local eh, el = add(v[7], v[8], t1h, t1l)
            local ah, al = add(t1h, t1l, h0, l0, majority_high, majority_low)
            for j = 16, 3, -1 do
                v[j] = v[j - 2]
            end
            v[1], v[2], v[9], v[10] = ah, al, eh, el
        end
        for i = 1, 16, 2 do
            state[i], state[i + 1] = add(state[i], state[i + 1], v[i], v[i + 1])
        end
    end
    local out = {}
    for i = 1, 12 do
        out[i] = pack(">i4", state[i])
    end
    return concat(out)
end

-- A hash with what HMAC has to know of it.
crypto.SHA256 = { digest = crypto.sha256, size = 32, block = 64 }
crypto.SHA384 = { digest = crypto.sha384, size = 48, block = 128 }

-- HMAC (RFC 2104); keys are no longer than a block here.
function crypto.hmac(hash, key, message)
    local inner, outer = {}, {}
    for i = 1, hash.block do
        local byte = key:byte(i) or 0
        inner[i] = string.char(bxor(byte, 0x36))
        outer[i] = string.char(bxor(byte, 0x5c))
    end
    return hash.digest(concat(outer) .. hash.digest(concat(inner) .. message))
end

-- HKDF-Expand-Label (RFC 8446, section 7.1) without context, of at most the hash's size.
function crypto.expand_label(hash, secret, label, length)
    local info = pack(">I2", length) .. string.char(6 + #label) .. "tls13 " .. label .. "\0"
    return crypto.hmac(hash, secret, info .. "\1"):sub(1, length)
end

-- AES (FIPS 197): the S-box out of inverses in GF(2^8), and four tables that do SubBytes, ShiftRows and MixColumns at
-- once.
local SBOX, T0, T1, T2, T3 = {}, {}, {}, {}, {}
do
    local function double(x)
        return x >= 128 and bxor(x * 2 - 256, 0x1b) or x * 2
    end
    local power, logarithm = {}, {}
    local x = 1
    for i = 0, 254 do
        power[i], logarithm[x] = x, i
        x = bxor(x, double(x))
    end
    for i = 0, 255 do
        local inverse = i == 0 and 0 or power[(255 - logarithm[i]) % 255]
        local s, turning = inverse, inverse
        for _ = 1, 4 do
            turning = band(bor(lshift(turning, 1), rshift(turning, 7)), 255)
            s = bxor(s, turning)
        end
        s = bxor(s, 0x63)
        SBOX[i] = s
        local s2 = double(s)
        T0[i] = bor(lshift(s2, 24), lshift(s, 16), lshift(s, 8), bxor(s, s2))
        T1[i], T2[i], T3[i] = ror(T0[i], 8), ror(T0[i], 16), ror(T0[i], 24)
    end
end

local function substitute(word)
    return bor(
        lshift(SBOX[rshift(word, 24)], 24),
        lshift(SBOX[band(rshift(word, 16), 255)], 16),
        lshift(SBOX[band(rshift(word, 8), 255)], 8),
        SBOX[band(word, 255)]
    )
end

-- The round keys: words from index 0 on, and how many rounds there are.
local function expand_key(key)
    local words = #key / 4
    local rounds = words + 6
    local w = {}
    for i = 0, words - 1 do
        w[i] = unpack(">i4", key, 4 * i + 1)
    end
    local constant = 1
    for i = words, 4 * rounds + 3 do
        local word = w[i - 1]
        if i % words == 0 then
            word = bxor(substitute(rol(word, 8)), lshift(constant, 24))
            constant = constant >= 128 and bxor(constant * 2 - 256, 0x1b) or constant * 2
        elseif words > 6 and i % words == 4 then
            word = substitute(word)
        end
        w[i] = bxor(w[i - words], word)
    end
    return w, rounds
end

local function aes_block(w, rounds, a, b, c, d)
    a, b, c, d = bxor(a, w[0]), bxor(b, w[1]), bxor(c, w[2]), bxor(d, w[3])
    local k = 4
    for _ = 2, rounds do
        local e, f, g, h = w[k], w[k + 1], w[k + 2], w[k + 3]
        a, b, c, d =
            bxor(T0[rshift(a, 24)], T1[band(rshift(b, 16), 255)], T2[band(rshift(c, 8), 255)], T3[band(d, 255)], e),
            bxor(T0[rshift(b, 24)], T1[band(rshift(c, 16), 255)], T2[band(rshift(d, 8), 255)], T3[band(a, 255)], f),
            bxor(T0[rshift(c, 24)], T1[band(rshift(d, 16), 255)], T2[band(rshift(a, 8), 255)], T3[band(b, 255)], g),
            bxor(T0[rshift(d, 24)], T1[band(rshift(a, 16), 255)], T2[band(rshift(b, 8), 255)], T3[band(c, 255)], h)
        k = k + 4
    end
    local function last(p, q, r, s, key)
        return bxor(
            lshift(SBOX[rshift(p, 24)], 24),
            lshift(SBOX[band(rshift(q, 16), 255)], 16),
            lshift(SBOX[band(rshift(r, 8), 255)], 8),
            SBOX[band(s, 255)],
            key
        )
    end
    return last(a, b, c, d, w[k]), last(b, c, d, a, w[k + 1]), last(c, d, a, b, w[k + 2]), last(d, a, b, c, w[k + 3])
end

-- A cipher is a function (nonce, data, first, last) that gives the plaintext of the bytes "first" to "last" of the
-- ciphertext "data", both counted from 1, by making no more of the key stream than it needs.

-- AES in the counter mode of GCM: the counter's block 1 is for the tag, 2 is the first one of the data (SP 800-38D).
local function aes_gcm(key)
    local w, rounds = expand_key(key)
    return function(nonce, data, first, last)
        local n0, n1, n2 = unpack(">i4i4i4", nonce)
        local out = {}
        local from, to = floor((first - 1) / 16), floor((last - 1) / 16)
        if #data < 16 * (to + 1) then
            data = data .. ("\0"):rep(16)
        end
        for block = from, to do
            local a, b, c, d = aes_block(w, rounds, n0, n1, n2, block + 2)
            local e, f, g, h = unpack(">i4i4i4i4", data, 16 * block + 1)
            out[#out + 1] = pack(">i4i4i4i4", bxor(a, e), bxor(b, f), bxor(c, g), bxor(d, h))
        end
        return concat(out):sub(first - 16 * from, last - 16 * from)
    end
end

-- ChaCha20 (RFC 8439, sections 2.3 and 2.8): block 0 is for the tag, 1 is the first one of the data.
local function chacha20(key)
    local start = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }
    for i = 0, 7 do
        start[5 + i] = unpack("<i4", key, 4 * i + 1)
    end
    local x = {}
    local function quarter(a, b, c, d)
        local p, q, r, s = x[a], x[b], x[c], x[d]
        p = tobit(p + q); s = rol(bxor(s, p), 16)
        r = tobit(r + s); q = rol(bxor(q, r), 12)
        p = tobit(p + q); s = rol(bxor(s, p), 8)
        r = tobit(r + s); q = rol(bxor(q, r), 7)
        x[a], x[b], x[c], x[d] = p, q, r, s
    end
    return function(nonce, data, first, last)
        start[14], start[15], start[16] = unpack("<i4i4i4", nonce)
        local out = {}
        local from, to = floor((first - 1) / 64), floor((last - 1) / 64)
        if #data < 64 * (to + 1) then
            data = data .. ("\0"):rep(64)
        end
        for block = from, to do
            start[13] = block + 1
            for i = 1, 16 do
                x[i] = start[i]
            end
            for _ = 1, 10 do
                quarter(1, 5, 9, 13); quarter(2, 6, 10, 14); quarter(3, 7, 11, 15); quarter(4, 8, 12, 16)
                quarter(1, 6, 11, 16); quarter(2, 7, 12, 13); quarter(3, 8, 9, 14); quarter(4, 5, 10, 15)
            end
            for i = 1, 16 do
                out[#out + 1] = pack("<i4", bxor(tobit(x[i] + start[i]), (unpack("<i4", data, 64 * block + 4 * i - 3))))
            end
        end
        return concat(out):sub(first - 64 * from, last - 64 * from)
    end
end

-- The cipher suites (RFC 8446, section B.4).
crypto.SUITES = {
    [0x1301] = { name = "TLS_AES_128_GCM_SHA256", hash = crypto.SHA256, key_size = 16, cipher = aes_gcm },
    [0x1302] = { name = "TLS_AES_256_GCM_SHA384", hash = crypto.SHA384, key_size = 32, cipher = aes_gcm },
    [0x1303] = { name = "TLS_CHACHA20_POLY1305_SHA256", hash = crypto.SHA256, key_size = 32, cipher = chacha20 },
}

-- The keys of a traffic secret (RFC 8446, section 7.3): a cipher, and the write IV.
function crypto.traffic_keys(suite, secret)
    return {
        cipher = suite.cipher(crypto.expand_label(suite.hash, secret, "key", suite.key_size)),
        iv = crypto.expand_label(suite.hash, secret, "iv", 12),
    }
end

-- The next secret after a KeyUpdate (section 7.2).
function crypto.next_secret(suite, secret)
    return crypto.expand_label(suite.hash, secret, "traffic upd", suite.hash.size)
end

-- write_iv XOR (connection_id of 32 bits || sequence of 64 bits), figure 8 of the draft; connection 0 is TLS 1.3.
function crypto.nonce(iv, connection_id, sequence)
    local a, b, c = unpack(">i4i4i4", iv)
    local high, low = floor(sequence / TWO_32), sequence % TWO_32
    return pack(">i4i4i4", bxor(a, connection_id), bxor(b, high), bxor(c, low))
end

return crypto

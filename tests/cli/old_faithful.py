"""Writes an Old Faithful archive by its schema, from getBlock answers: an encoder that shares nothing with the reader.

Old statuses (of transactions without token balances or lookups) are bincode, as in mainnet's first epochs; the
others are protobuf. Data of more than FRAME bytes is spread over frames as the schema shows it: the first links to
five, the last of which links to five more. Statuses and rewards are zstd frames of one stored block.
"""
import base64
import hashlib
import struct

DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
FRAME, LINKS, STORED_LIMIT = 150, 5, 1 << 17


def base58(text):
    number = 0
    for c in text:
        number = number * 58 + DIGITS.index(c)
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def varint(n):
    out = b""
    while n >= 0x80:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


# CBOR

def head(kind, n):
    if n < 24:
        return bytes([kind << 5 | n])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << 8 * size:
            return bytes([kind << 5 | code]) + n.to_bytes(size, "big")
    raise ValueError(n)


def number(n):
    return b"\xf6" if n is None else head(0, n) if n >= 0 else head(1, -1 - n)


def data(b):
    return head(2, len(b)) + b


def array(*items):
    return head(4, len(items)) + b"".join(items)


def link(cid):
    return head(6, 42) + data(b"\0" + cid)


# zstd: one frame of one stored block

def stored(b):
    assert len(b) < STORED_LIMIT
    size = struct.pack("<I", len(b))  # descriptor: 4 bytes of content size, one segment
    return b"\x28\xb5\x2f\xfd\xa0" + size + (len(b) << 3 | 1).to_bytes(3, "little") + b


# bincode and protobuf

def bincode_error(err):
    if err is None:
        return struct.pack("<I", 0)
    index, what = err["InstructionError"]
    return struct.pack("<IIBII", 1, 8, index, 25, what["Custom"])


def vector(items):
    return struct.pack("<Q", len(items)) + b"".join(items)


def option(item):
    return b"\0" if item is None else b"\1" + item


def old_status(m):
    inner = [struct.pack("<B", g["index"]) + vector([
        struct.pack("<B", i["programIdIndex"]) + bytes([len(i["accounts"])]) + bytes(i["accounts"]) +
        varint(len(base58(i["data"]))) + base58(i["data"]) + option(
            None if i.get("stackHeight") is None else struct.pack("<I", i["stackHeight"]))
        for i in g["instructions"]]) for g in m["innerInstructions"]]
    logs = [struct.pack("<Q", len(line.encode())) + line.encode() for line in m["logMessages"]]
    numbers = [vector([struct.pack("<Q", v) for v in m[name]]) for name in ("preBalances", "postBalances")]
    return (bincode_error(m["err"]) + struct.pack("<Q", m["fee"]) + b"".join(numbers) + option(vector(inner)) +
            option(vector(logs)) + option(vector([])) + option(vector([])) + option(vector([])) + option(None) +
            option(struct.pack("<Q", m["computeUnitsConsumed"])))


def field(n, value):
    if isinstance(value, int):
        return varint(n << 3) + varint(value % (1 << 64)) if value else b""
    return varint(n << 3 | 2) + varint(len(value)) + value


def real(n, value):
    return varint(n << 3 | 1) + struct.pack("<d", value) if value else b""


def token_balance(t):
    a = t["uiTokenAmount"]
    amount = (real(1, a["uiAmount"] or 0) + field(2, a["decimals"]) + field(3, a["amount"].encode()) +
              field(4, a["uiAmountString"].encode()))
    return (field(1, t["accountIndex"]) + field(2, t["mint"].encode()) + field(3, amount) +
            field(4, t["owner"].encode()) + field(5, t["programId"].encode()))


def status(m):
    out = b""
    if m["err"] is not None:
        out += field(1, field(1, bincode_error(m["err"])[4:]))
    out += field(2, m["fee"])
    for n, name in ((3, "preBalances"), (4, "postBalances")):
        out += field(n, b"".join(varint(v) for v in m[name]))
    for g in m["innerInstructions"]:
        group = field(1, g["index"])
        for i in g["instructions"]:
            group += field(2, field(1, i["programIdIndex"]) + field(2, bytes(i["accounts"])) +
                           field(3, base58(i["data"])) + field(4, i["stackHeight"] or 0))
        out += field(5, group)
    out += b"".join(field(6, line.encode()) for line in m["logMessages"])
    for n, name in ((7, "preTokenBalances"), (8, "postTokenBalances")):
        out += b"".join(field(n, token_balance(t)) for t in m[name])
    for n, name in ((12, "writable"), (13, "readonly")):
        out += b"".join(field(n, base58(k)) for k in m["loadedAddresses"][name])
    return out + field(15, 1) + field(16, m["computeUnitsConsumed"])


KINDS = ["Fee", "Rent", "Staking", "Voting"]


def old_rewards(list_):
    def one(r):
        kind = None if r["rewardType"] is None else struct.pack("<I", KINDS.index(r["rewardType"]))
        commission = None if r.get("commission") is None else bytes([r["commission"]])
        key = r["pubkey"].encode()
        return (struct.pack("<Q", len(key)) + key + struct.pack("<qQ", r["lamports"], r["postBalance"]) +
                option(kind) + option(commission))
    return vector([one(r) for r in list_])


class Archive:
    def __init__(self, epoch=0):
        self.epoch, self.blocks, self.old, self.new, self.frames = epoch, [], 0, 0, 0
        self.bytes = b""
        self.section(head(5, 2) + head(3, 5) + b"roots" + array() + head(3, 7) + b"version" + number(1))

    def section(self, body):
        self.bytes += varint(len(body)) + body

    def add(self, node):
        cid = b"\x01\x71\x12\x20" + hashlib.sha256(node).digest()
        self.section(cid + node)
        return cid

    def frame(self, content):
        parts = [content[i:i + FRAME] for i in range(0, len(content), FRAME)] or [b""]
        if len(parts) == 1:
            return array(number(6), number(None), number(None), number(None), data(content), array())
        self.frames += len(parts)
        links = {i: [] for i in range(len(parts))}
        parent = 0
        for i in range(1, len(parts)):
            links[parent].append(i)
            if len(links[parent]) == LINKS:
                parent = i
        cids = {}
        for i in reversed(range(len(parts))):
            node = array(number(6), number(-1), number(i), number(len(parts)), data(parts[i]),
                         array(*[link(cids[j]) for j in links[i]]))
            if i == 0:
                return node
            cids[i] = self.add(node)

    def status_of(self, m):
        old = not m["preTokenBalances"] and not m["postTokenBalances"] and not any(m["loadedAddresses"].values())
        self.old, self.new = self.old + old, self.new + (not old)
        return stored(old_status(m) if old else status(m))

    def transaction(self, t, slot, index):
        return self.add(array(number(0), self.frame(base64.b64decode(t["transaction"][0])),
                              self.frame(self.status_of(t["meta"])), number(slot), number(index)))

    def block(self, line):
        slot, block = line["slot"], line["block"]
        transactions = [self.transaction(t, slot, i) for i, t in enumerate(block["transactions"])]
        entries = []
        for hashes, name, count in line["entries"]:
            mine, transactions = transactions[:count], transactions[count:]
            entries.append(self.add(array(number(1), number(hashes), data(base58(name)), array(*map(link, mine)))))
        rewards = self.add(array(number(5), number(slot), self.frame(stored(old_rewards(block["rewards"])))))
        self.blocks.append((slot, self.add(array(
            number(2), number(slot), array(array(number(0), number(0))), array(*map(link, entries)),
            array(number(block["parentSlot"]), number(block["blockTime"] or 0), number(block["blockHeight"])),
            link(rewards)))))

    def finish(self):
        slots = [s for s, _ in self.blocks]
        subset = self.add(array(number(3), number(min(slots)), number(max(slots)),
                                array(*[link(c) for _, c in self.blocks])))
        self.add(array(number(4), number(self.epoch), array(link(subset))))
        return self.bytes

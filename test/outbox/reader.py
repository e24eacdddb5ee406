"""Reads an outbox as FORMAT.md describes it, and nothing but that. Prints one JSON line for each entry."""

import json
import struct
import sys
import zlib
from pathlib import Path


def slots(path, magic, layout):
    """The fields of the newest intact slot of a small file; None: there is none."""
    data = path.read_bytes() if path.exists() else b""
    size = 16 + struct.calcsize(layout)
    newest = None
    for slot in (data[0:4096], data[4096:8192]):
        if len(slot) < size + 4 or slot[:8] != magic:
            continue
        if zlib.crc32(slot[:size]) != struct.unpack_from("<I", slot, size)[0]:
            continue
        counter = struct.unpack_from("<Q", slot, 8)[0]
        if newest is None or counter > newest[0]:
            newest = (counter, struct.unpack_from(layout, slot, 16))
    return newest and newest[1]


def segment(path):
    """(generation, first number, stream, CRC, bytes) of a segment; None where its header is not intact."""
    data = path.read_bytes()
    if len(data) < 64 or data[:8] != b"fpoutbox" or struct.unpack_from("<I", data, 8)[0] != 1:
        return None
    crc = struct.unpack_from("<I", data, 60)[0]
    generation, first, stream = struct.unpack_from("<QQ8s", data, 16)
    return (generation, first, stream, crc, data) if zlib.crc32(data[:60]) == crc else None


def entries(first, limit, start, data):
    """(kind, first number, last number, wall time, payload) of the intact entries with numbers below a limit."""
    at, last = 64, first - 1
    while at + 20 <= len(data):
        crc, length, distance, kind = struct.unpack_from("<IIIH", data, at)
        end, number = at + 20 + length, first + distance
        intact = end <= len(data) and kind <= 3 and last < number < limit
        if intact and zlib.crc32(data[at + 4 : end], start) == crc:
            payload = data[at + 20 : end]
            from_number = number if kind == 0 else struct.unpack("<Q", payload)[0]
            yield kind, from_number, number, int.from_bytes(data[at + 14 : at + 20], "little"), payload
            at, last = (end + 3) // 4 * 4, number
        else:
            at += 4


def read(folder):
    state = slots(folder / "state", b"fpstate1", "<8s8sIIQQQQ")
    ack = slots(folder / "ack", b"fpacked2", "<8sIIQQQQ64Q")
    found = sorted(filter(None, map(segment, sorted(folder.glob("[0-9]" * 8 + ".seg")))))
    stream = state[0] if state else found[-1][2]
    found = [each for each in found if each[2] == stream]
    acknowledged = max(state[6] if state else 0, ack[3] if ack else 0)
    ahead = list(zip(ack[7::2], ack[8::2])) if ack else []
    for index, (_, first, _, crc, data) in enumerate(found):
        limit = min((later[1] for later in found[index + 1 :]), default=1 << 64)
        for kind, from_number, number, wall, payload in entries(first, limit, crc, data):
            yield {"kind": kind, "from": from_number, "seq": number, "time": wall,
                   "acknowledged": number <= acknowledged or any(a <= number <= b for a, b in ahead), "payload": payload.hex()}


if __name__ == "__main__":
    for line in read(Path(sys.argv[1])):
        print(json.dumps(line))

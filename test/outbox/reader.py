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
    if len(data) < 64 or data[:8] != b"fpoutbox" or struct.unpack_from("<I", data, 8)[0] != 2:
        return None
    crc = struct.unpack_from("<I", data, 60)[0]
    generation, first, stream = struct.unpack_from("<QQ8s", data, 16)
    return (generation, first, stream, crc, data) if zlib.crc32(data[:60]) == crc else None


def block(payload, first, last):
    """The records of a compressed block: (0, number, number, wall time, payload) each."""
    plain, count = zlib.decompress(payload[12:], wbits=-15), last - first + 1
    at = 10 * count
    for nth in range(count):
        length = struct.unpack_from("<I", plain, 10 * nth)[0]
        wall = int.from_bytes(plain[10 * nth + 4 : 10 * nth + 10], "little")
        yield 0, first + nth, first + nth, wall, plain[at : at + length]
        at += length


def entries(first, limit, start, data):
    """(kind, first number, last number, wall time, payload) of the intact entries with numbers below a limit."""
    at, last = 64, first - 1
    while at + 20 <= len(data):
        crc, length, distance, kind = struct.unpack_from("<IIIH", data, at)
        end, number = at + 20 + length, first + distance
        intact = end <= len(data) and kind <= 4 and last < number < limit
        if intact and zlib.crc32(data[at + 4 : end], start) == crc:
            payload, wall = data[at + 20 : end], int.from_bytes(data[at + 14 : at + 20], "little")
            from_number = number if kind == 0 else struct.unpack_from("<Q", payload)[0]
            yield from block(payload, from_number, number) if kind == 4 else [(kind, from_number, number, wall, payload)]
            at, last = (end + 3) // 4 * 4, number
        else:
            at += 4


def segments(folder, stream):
    """The entries of all segments of a stream in a folder, oldest first."""
    found = sorted(filter(None, map(segment, sorted(folder.glob("[0-9]" * 8 + ".seg")))))
    stream = stream or found[-1][2]
    found = [each for each in found if each[2] == stream]
    for index, (_, first, _, crc, data) in enumerate(found):
        limit = min((later[1] for later in found[index + 1 :]), default=1 << 64)
        yield from entries(first, limit, crc, data)


def read(folder, tail):
    """All entries of an outbox; `tail` is what the configuration says, of a node that runs or was killed, or None."""
    state = slots(folder / "state", b"fpstate1", "<8s8sIIQQQQ")
    tail = tail / f"outbox-{state[0].decode()}" if tail and state and state[3] & 5 == 4 else None
    acks = [slots(each / "ack", b"fpacked2", "<8sIIQQQQ54Q") for each in (tail, folder) if each]
    ack = next(filter(None, acks), None)
    acknowledged = max(state[6] if state else 0, ack[3] if ack else 0)
    ahead = list(zip(ack[7::2], ack[8::2])) if ack else []
    last = 0
    for part in filter(None, (folder, tail)):
        for kind, from_number, number, wall, payload in segments(part, state and state[0]):
            if number > last:
                done = number <= acknowledged or any(a <= number <= b for a, b in ahead)
                yield {"kind": kind, "from": from_number, "seq": number, "time": wall,
                       "acknowledged": done, "payload": payload.hex()}
                last = number


if __name__ == "__main__":
    for line in read(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None):
        print(json.dumps(line))

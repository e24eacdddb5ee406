"""Reads an outbox as FORMAT.md describes it, and nothing but that. Prints one JSON line for each record and each gap."""

import json
import struct
import sys
import zlib
from pathlib import Path


def uint(data):
    return int.from_bytes(data, "little")


def slot(path, magic, layout):
    """The fields of the newest intact slot of a small file; None: there is none."""
    data, size = path.read_bytes() if path.exists() else b"", 16 + struct.calcsize(layout)
    slots = [each for each in (data[:4096], data[4096:]) if each[:8] == magic]
    intact = [each for each in slots if zlib.crc32(each[:size]) == uint(each[size : size + 4])]
    newest = max(intact, key=lambda each: uint(each[8:16]), default=None)
    return newest and struct.unpack_from(layout, newest, 16)


class Segment:
    def __init__(self, path):
        self.data = path.read_bytes()
        version = uint(self.data[8:12])
        self.begin = 96 if version == 3 else 64
        self.crc = zlib.crc32(self.data[: self.begin - 4])
        known = self.data[:8] == b"fpoutbox" and version in (2, 3)
        self.intact = known and self.crc == uint(self.data[self.begin - 4 : self.begin])
        if self.intact:
            self.generation, self.first, self.stream = struct.unpack_from("<QQ8s", self.data, 16)
            fields = struct.unpack_from("<IQ16xI", self.data, 60) if version == 3 else (0, 1 << 64, len(self.data))
            self.sources, self.last, self.end = fields

    def entries(self):
        """(kind, first number, last number, wall time, payload) of each intact entry, blocks as they are."""
        at, last = self.begin, self.first - 1
        while at + 20 <= min(self.end, len(self.data)):
            crc, length, distance, kind = struct.unpack_from("<IIIH", self.data, at)
            end, number = at + 20 + length, self.first + distance
            plausible = kind <= 5 and end <= self.end and last < number <= self.last
            if plausible and zlib.crc32(self.data[at + 4 : end], self.crc) == crc:
                wall, payload = uint(self.data[at + 14 : at + 20]), self.data[at + 20 : end]
                yield kind, uint(payload[:8]) if kind else number, number, wall, payload
                at, last = (end + 3) // 4 * 4, number
            else:
                at += 4


def unpack(kind, first, last, wall, payload):
    """An entry as it is; of a block its records, and the holes of a sparse one as gaps of its kind."""
    if kind < 4:
        return [(kind, first, last, wall, payload)]
    head, row, count = (12, 10, last - first + 1) if kind == 4 else (16, 14, uint(payload[12:16]))
    plain, at, following, found = zlib.decompress(payload[head:], wbits=-15), row * count, first, []
    for fields in (plain[nth * row : (nth + 1) * row] for nth in range(count)):
        end, number = at + uint(fields[:4]), first + uint(fields[10:]) if kind == 5 else following
        found += [(kind, following, number - 1, 0, b"")] if following < number else []
        found += [(0, number, number, uint(fields[4:10]), plain[at:end])]
        at, following = end, number + 1
    return found + ([(kind, following, last, 0, b"")] if following <= last else [])


def told(some, first, last, kinds=range(6)):
    """Of how many numbers of a range entries of these kinds tell."""
    count = 0
    for kind, begin, end, _, _ in (entry for each in some for entry in each.entries()):
        count += max(0, min(end, last) - max(begin, first) + 1) if kind in kinds else 0
        first = max(first, end + 1)
    return count


def segments(folder, stream):
    """The segments that count, in order of their numbers."""
    found = [each for each in map(Segment, folder.glob("[0-9]" * 8 + ".seg")) if each.intact]
    found.sort(key=lambda each: (each.generation, -told([each], 0, each.last)))
    found = [each for each in found if each.stream == (stream or found[-1].stream)]
    found = [each for nth, each in enumerate(found) if each.generation not in (before.generation for before in found[:nth])]
    for nth, each in enumerate(found):
        younger = [other.first for other in found[nth + 1 :] if not other.sources or other.first > each.first]
        each.last = each.last if each.sources else min(younger, default=1 << 64) - 1
    counting, known = [], (0, 1, 2, 4, 5)
    for nth, each in enumerate(found):
        end = each.last
        later = [other for other in found[nth + 1 :] if each.sources and other.sources]
        met = [other for other in later if other.first <= each.last and other.last >= each.first]
        overtaking = [other.first for other in met if other.first > each.first or other.last < each.last]
        each.last = min([each.last] + [first - 1 for first in overtaking])
        replaced = [other for other in counting if each.sources and each.first <= other.first <= each.last]
        first = min((other.first for other in replaced), default=0)
        replaced.sort(key=lambda other: other.first)
        if replaced and told([each], first, each.last) <= end - first:
            more = told([each], first, each.last, known) > told(replaced, first, each.last, known)
            each.last, replaced = (each.last, replaced) if more else (first - 1, [])
        if not each.sources or each.last >= each.first:
            counting = [other for other in counting if other not in replaced] + [each]
    return sorted(counting, key=lambda each: each.first)


def read(folder, tail):
    """All that an outbox tells; `tail` is what the configuration says, of a node that runs or was killed, or None."""
    stream, flags, acknowledged = slot(folder / "state", b"fpstate2", "<8s12xI16xQ424x") or (None, 0, 0)
    folders = [folder, tail / f"outbox-{stream.decode()}"] if tail and flags & 5 == 4 else [folder]
    acks = [slot(each / "ack", b"fpacked2", "<8s8xQ24x54Q") for each in reversed(folders)]
    ack = next((each for each in acks if each and each[0] == (stream or each[0])), (stream, 0))
    ahead, last = list(zip(ack[2::2], ack[3::2])), 0
    for one in (one for each in folders for one in segments(each, stream)):
        for kind, first, number, wall, payload in (part for entry in one.entries() for part in unpack(*entry)):
            if number > last:
                done = number <= max(acknowledged, ack[1]) or any(a <= number <= b for a, b in ahead)
                yield {"kind": kind, "from": max(first, last + 1), "seq": number, "time": wall,
                       "acknowledged": done, "payload": payload.hex()}
                last = number


if __name__ == "__main__":
    for line in read(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None):
        print(json.dumps(line))

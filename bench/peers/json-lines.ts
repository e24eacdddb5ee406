import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Peer } from "./peer.ts";

const CHUNK_BYTES = 64 * 1024;
const OFFSET_BYTES = 6;

/** What many programs do by hand: one line a record, and how far it was read in a second file. */
export const jsonLines: Peer = {
  name: "JSON lines",
  how: "write for one, one write for many, fdatasync where durable; records in base64; the offset that was read up to in a file beside it; emptied when everything was read",
  isDatabase: false,
  canSync: true,
  isUnbounded: true,
  async open(folder, { durable }) {
    mkdirSync(folder, { recursive: true });
    const fd = openSync(join(folder, "records.jsonl"), "a+");
    closeSync(openSync(join(folder, "offset"), "a"));
    const offsetBytes = Buffer.alloc(OFFSET_BYTES);
    const offsets = openSync(join(folder, "offset"), "r+");
    readSync(offsets, offsetBytes, 0, OFFSET_BYTES, 0);
    let doneAt = offsetBytes.readUIntLE(0, OFFSET_BYTES);
    /** The ends of the lines peeked. */
    let ends: number[] = [];
    let chunk = Buffer.alloc(0);
    let chunkAt = doneAt;
    return {
      async appendEach(records) {
        for (const record of records) writeSync(fd, lineOf(record));
      },
      async appendGroup(records) {
        writeSync(fd, records.map(lineOf).join(""));
        if (durable) fdatasyncSync(fd);
      },
      async peek(count) {
        ends = [];
        const records: Uint8Array[] = [];
        for (let at = doneAt; records.length < count; at = ends.at(-1)!) {
          let end = chunk.indexOf("\n", at - chunkAt);
          if (end < 0) {
            const more = Buffer.allocUnsafe(CHUNK_BYTES);
            chunk = more.subarray(0, readSync(fd, more, 0, CHUNK_BYTES, at));
            chunkAt = at;
            end = chunk.indexOf("\n");
            if (end < 0) break;
          }
          const line = chunk.toString("latin1", at - chunkAt, end);
          records.push(Buffer.from((JSON.parse(line) as { record: string }).record, "base64"));
          ends.push(chunkAt + end + 1);
        }
        return records;
      },
      async remove(count) {
        // Removed unread: everything that there is.
        const { size } = fstatSync(fd);
        doneAt = ends[count - 1] ?? size;
        if (doneAt === size) {
          ftruncateSync(fd, 0);
          doneAt = 0;
          ends = [];
          chunk = Buffer.alloc(0);
        }
        offsetBytes.writeUIntLE(doneAt, 0, OFFSET_BYTES);
        writeSync(offsets, offsetBytes, 0, OFFSET_BYTES, 0);
      },
      async close() {
        closeSync(fd);
        closeSync(offsets);
      },
    };
  },
};

function lineOf(record: Uint8Array): string {
  const base64 = Buffer.from(record.buffer, record.byteOffset, record.length).toString("base64");
  return `${JSON.stringify({ record: base64 })}\n`;
}

import type { FileLayer } from "./files/files.ts";
import { type Segment, SegmentCursor } from "./segment.ts";

/** Records in the stream up to an end of the log, and their payload bytes. */
export interface LogTotals {
  readonly records: number;
  readonly bytes: number;
}

/** Finds where the newest segment ends, the only one that must be read for it, and notes that in the segment. */
export function findEnd(files: FileLayer, segment: Segment): LogTotals {
  const cursor = new SegmentCursor(files, segment);
  let { recordsBefore: records, bytesBefore: bytes } = segment.header;
  let endOffset = cursor.offset;
  let lastSeq = segment.header.firstSeq - 1;
  try {
    for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) {
      endOffset = cursor.offset;
      lastSeq = entry.seq;
      if (entry.kind !== "record") continue;
      records++;
      bytes += entry.payload.length;
    }
  } finally {
    cursor.close();
  }
  segment.endOffset = endOffset;
  segment.lastSeq = lastSeq;
  return { records, bytes };
}

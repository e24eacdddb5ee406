import type { FileLayer } from "../files/files.ts";
import { weigh } from "./block.ts";
import { type Segment, SegmentCursor } from "./segment.ts";

/** Records in the stream up to an end of the log, and their payload bytes. */
export interface LogTotals {
  readonly records: number;
  readonly bytes: number;
}

/** Finds where the newest segment ends, the only one that must be read for it, and notes that in the segment. */
export function findEnd(files: FileLayer, segment: Segment): LogTotals {
  const { rewritten, recordsBefore, bytesBefore } = segment.header;
  if (rewritten !== undefined)
    return { records: recordsBefore + rewritten.records, bytes: bytesBefore + rewritten.payloadBytes };
  const cursor = new SegmentCursor(files, segment);
  let records = recordsBefore;
  let bytes = bytesBefore;
  let endOffset = cursor.offset;
  let lastSeq = segment.header.firstSeq - 1;
  try {
    for (let entry = cursor.next(Infinity); entry !== undefined; entry = cursor.next(Infinity)) {
      endOffset = cursor.offset;
      lastSeq = entry.seq;
      const weight = weigh(entry);
      records += weight.records;
      bytes += weight.payloadBytes;
    }
  } finally {
    cursor.close();
  }
  segment.endOffset = endOffset;
  segment.lastSeq = lastSeq;
  return { records, bytes };
}

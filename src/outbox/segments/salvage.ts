import { type FileLayer, isFileError } from "../files/files.ts";
import { type Segment, SegmentCursor } from "./segment.ts";
import { gap, type LogEntry } from "./segment-format.ts";

/**
 * Everything after `seq` in the log, without a hole: what cannot be read is a corrupt gap.
 *
 * After a failed fdatasync(2) Linux counts the pages as written and may drop them at any time, but until then reading
 * gives back what was lost on its way to the disk.
 */
export function entriesAfter(files: FileLayer, segments: readonly Segment[], seq: number): LogEntry[] {
  const entries: LogEntry[] = [];
  let nextSeq = seq + 1;
  const fill = (untilSeq: number) => {
    if (untilSeq > nextSeq) entries.push(gap("corrupt", nextSeq, untilSeq - 1));
    nextSeq = Math.max(nextSeq, untilSeq);
  };
  for (const segment of segments) {
    if (segment.lastSeq <= seq) continue;
    for (const entry of readable(files, segment)) {
      if (entry.seq < nextSeq) continue;
      fill(entry.fromSeq);
      entries.push(entry);
      nextSeq = entry.seq + 1;
    }
    fill(segment.lastSeq + 1);
  }
  return entries;
}

function readable(files: FileLayer, segment: Segment): LogEntry[] {
  const entries: LogEntry[] = [];
  const cursor = new SegmentCursor(files, segment);
  try {
    for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) entries.push(entry);
  } catch (error) {
    if (!isFileError(error)) throw error;
  } finally {
    cursor.close();
  }
  return entries;
}

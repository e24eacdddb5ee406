import { type FileLayer, isFileError } from "../files/files.ts";
import { entriesOf, type Segment } from "./segment.ts";
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
    try {
      for (const entry of entriesOf(files, segment)) {
        if (entry.seq < nextSeq) continue;
        fill(entry.fromSeq);
        entries.push(entry);
        nextSeq = entry.seq + 1;
      }
    } catch (error) {
      if (!isFileError(error)) throw error;
    }
    fill(segment.lastSeq + 1);
  }
  return entries;
}

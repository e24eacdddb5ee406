import type { FileLayer } from "../files/files.ts";
import type { NumberRange } from "../state/number-set.ts";
import { LogReader } from "./log-reader.ts";
import type { Segment } from "./segment.ts";
import type { LogEntry } from "./segment-format.ts";

/** Records that segments still hold, in order, whatever became of them. Throws where the disk does. */
export function* readRange(
  files: FileLayer,
  segments: readonly Segment[],
  { fromSeq, toSeq }: NumberRange,
): IterableIterator<LogEntry> {
  const reader = new LogReader(files, segments, () => {});
  try {
    reader.seek(fromSeq);
    for (let entry = reader.next(); entry && entry.seq <= toSeq; entry = reader.next()) yield entry;
  } finally {
    reader.close();
  }
}

/** The records of both, in order; one that both have comes once. */
export function* merged(
  one: IterableIterator<LogEntry>,
  other: IterableIterator<LogEntry>,
): IterableIterator<LogEntry> {
  try {
    let left = one.next();
    let right = other.next();
    while (!left.done || !right.done) {
      const seq = Math.min(left.done ? Infinity : left.value.seq, right.done ? Infinity : right.value.seq);
      const entry: LogEntry = !left.done && left.value.seq === seq ? left.value : right.value;
      yield entry;
      if (!left.done && left.value.seq === seq) left = one.next();
      if (!right.done && right.value.seq === seq) right = other.next();
    }
  } finally {
    one.return?.();
    other.return?.();
  }
}

/** Which segments count where some were rewritten. FORMAT.md has the rules. */
import { type FileLayer, isMediumError } from "../files/files.ts";
import { type Segment, SegmentCursor } from "./segment.ts";
import type { LogEntry } from "./segment-format.ts";

/** Segments that tell of the stream, in order of their numbers, and those whose files are there to be used. */
export interface Counting {
  readonly segments: Segment[];
  readonly unused: Segment[];
}

/**
 * A rewritten segment takes the place of its sources once it is whole, and from then on their files may be used for
 * others. So where one is not whole, either all of its sources are still there, and tell of more, or it was whole once and
 * has been damaged since. `found`: of one stream, oldest generation first, each one's end known as far as younger segments
 * tell.
 */
export function countingSegments(files: FileLayer, found: readonly Segment[]): Counting {
  const counting = new Set<Segment>();
  for (const segment of found) {
    const replaced = byNumber([...counting].filter((other) => isReplacedBy(segment, other)));
    if (isOvertaken(segment, found) || !isWorthMore(files, segment, replaced)) continue;
    for (const other of replaced) counting.delete(other);
    counting.add(segment);
  }
  return {
    segments: byNumber([...counting]),
    unused: found.filter((segment) => !counting.has(segment)),
  };
}

function byNumber(segments: Segment[]): Segment[] {
  return segments.sort((a, b) => a.header.firstSeq - b.header.firstSeq);
}

function isReplacedBy({ header }: Segment, other: Segment): boolean {
  if (header.rewritten === undefined || other.header.generation >= header.generation) return false;
  return other.header.firstSeq >= header.firstSeq && other.header.firstSeq <= header.rewritten.lastSeq;
}

/**
 * Whether a segment was never to stand for its sources: the disk refused it and kept it all the same, for some of them
 * were written anew again, and not others.
 */
function isOvertaken({ header }: Segment, found: readonly Segment[]): boolean {
  const { firstSeq, generation, rewritten } = header;
  if (rewritten === undefined) return false;
  return found.some(({ header: other }) => {
    if (other.rewritten === undefined || other.generation <= generation) return false;
    const apart = other.firstSeq > rewritten.lastSeq || other.rewritten.lastSeq < firstSeq;
    return !apart && (other.firstSeq > firstSeq || other.rewritten.lastSeq < rewritten.lastSeq);
  });
}

function isWorthMore(files: FileLayer, segment: Segment, replaced: readonly Segment[]): boolean {
  const { firstSeq } = segment.header;
  const told = (segments: readonly Segment[], isTold: (entry: LogEntry) => boolean) =>
    numbersTold(files, segments, segment.lastSeq, isTold);
  const isWhole = () => told([segment], () => true) === segment.lastSeq - firstSeq + 1;
  const isKnown = ({ kind }: LogEntry) => kind !== "corrupt";
  return replaced.length === 0 || isWhole() || told([segment], isKnown) > told(replaced, isKnown);
}

/** Of how many numbers up to `untilSeq` intact entries tell. */
function numbersTold(
  files: FileLayer,
  segments: readonly Segment[],
  untilSeq: number,
  isTold: (entry: LogEntry) => boolean,
): number {
  let told = 0;
  let nextSeq = 0;
  for (const entry of segments.flatMap((segment) => readable(files, segment))) {
    const missing = Math.min(entry.seq, untilSeq) - Math.max(entry.fromSeq, nextSeq) + 1;
    if (isTold(entry)) told += Math.max(0, missing);
    nextSeq = Math.max(nextSeq, entry.seq + 1);
  }
  return told;
}

function readable(files: FileLayer, segment: Segment): LogEntry[] {
  const entries: LogEntry[] = [];
  const cursor = new SegmentCursor(files, segment);
  try {
    for (let entry = cursor.next(Infinity); entry; entry = cursor.next(Infinity)) entries.push(entry);
  } catch (error) {
    if (!isMediumError(error)) throw error;
  } finally {
    cursor.close();
  }
  return entries;
}

/**
 * Has on flash what was written anew: a process that was killed before its sync left it whole in the kernel alone, and the
 * files of its sources are there to be used.
 */
export function secureRewritten(files: FileLayer, segments: readonly Segment[]): void {
  for (const { header, path } of segments) {
    if (header.rewritten === undefined) continue;
    const file = files.open(path, "write");
    try {
      file.syncNow();
    } finally {
      file.close();
    }
  }
}

/** Which segments count where some were rewritten. FORMAT.md has the rules. */
import { type FileLayer, isMediumError } from "../files/files.ts";
import type { NumberRange } from "../state/number-set.ts";
import { entriesOf, type Segment } from "./segment.ts";
import type { LogEntry } from "./segment-format.ts";

/** Segments that tell of the stream, in order of their numbers, and those whose files are there to be used. */
export interface Counting {
  readonly segments: Segment[];
  readonly unused: Segment[];
}

/**
 * A rewritten segment takes the place of its sources once it is whole, and from then on their files may be used for
 * others. So where one is not whole, either all of its sources are still there, and tell of more, or it was whole once and
 * has been damaged since: then it ends where those begin that are left of them and tell of as much. `found`: of one stream,
 * oldest generation first, each one's end known as far as younger segments tell.
 */
export function countingSegments(files: FileLayer, found: readonly Segment[]): Counting {
  const counting = new Set<Segment>();
  for (const segment of found) {
    endBeforeOvertaking(segment, found);
    const replaced = byNumber([...counting].filter((other) => isReplacedBy(segment, other)));
    const [oldest] = replaced;
    if (oldest === undefined || isWorthMore(files, segment, replaced))
      for (const other of replaced) counting.delete(other);
    else segment.lastSeq = oldest.header.firstSeq - 1;
    if (segment.lastSeq < segment.header.firstSeq) continue;
    counting.add(segment);
    for (const other of replaced) other.makesUp = true;
  }
  return {
    segments: byNumber([...counting]),
    unused: found.filter((segment) => !counting.has(segment)),
  };
}

/** Of segments of one generation, of which somebody has put one in the place of another, the one that tells of most. */
export function withoutCopies(files: FileLayer, found: readonly Segment[]): Segment[] {
  const originals = new Map<number, Segment>();
  const told = (segment: Segment) => numbersTold(files, [segment], { fromSeq: 0, toSeq: segment.lastSeq });
  for (const segment of found) {
    const { generation } = segment.header;
    const other = originals.get(generation);
    if (other === undefined || told(segment) > told(other)) originals.set(generation, segment);
  }
  return [...originals.values()];
}

function byNumber(segments: Segment[]): Segment[] {
  return segments.sort((a, b) => a.header.firstSeq - b.header.firstSeq);
}

function isReplacedBy({ header, lastSeq }: Segment, { header: other }: Segment): boolean {
  if (header.rewritten === undefined || other.generation >= header.generation) return false;
  return other.firstSeq >= header.firstSeq && other.firstSeq <= lastSeq;
}

/**
 * A segment does not stand for sources that were written anew again while others were not, and ends before them: the disk
 * refused it and kept it all the same, or it was damaged.
 */
function endBeforeOvertaking(segment: Segment, found: readonly Segment[]): void {
  const { firstSeq, generation, rewritten } = segment.header;
  if (rewritten === undefined) return;
  for (const { header: other } of found) {
    if (other.rewritten === undefined || other.generation <= generation) continue;
    const apart = other.firstSeq > rewritten.lastSeq || other.rewritten.lastSeq < firstSeq;
    const whole = other.firstSeq <= firstSeq && other.rewritten.lastSeq >= rewritten.lastSeq;
    if (!apart && !whole) segment.lastSeq = Math.min(segment.lastSeq, other.firstSeq - 1);
  }
}

/** Whether a segment is whole from the first number of what is left of its sources on, or tells of more than they do. */
function isWorthMore(files: FileLayer, segment: Segment, replaced: readonly Segment[]): boolean {
  const shared = { fromSeq: replaced[0]!.header.firstSeq, toSeq: segment.lastSeq };
  if (numbersTold(files, [segment], shared) > segment.header.rewritten!.lastSeq - shared.fromSeq) return true;
  const isKnown = ({ kind }: LogEntry) => kind !== "corrupt";
  return numbersTold(files, [segment], shared, isKnown) > numbersTold(files, replaced, shared, isKnown);
}

/** Of how many numbers of a range intact entries tell. */
function numbersTold(
  files: FileLayer,
  segments: readonly Segment[],
  { fromSeq, toSeq }: NumberRange,
  isTold: (entry: LogEntry) => boolean = () => true,
): number {
  let told = 0;
  let nextSeq = fromSeq;
  for (const segment of segments)
    try {
      for (const entry of entriesOf(files, segment, Infinity)) {
        const missing = Math.min(entry.seq, toSeq) - Math.max(entry.fromSeq, nextSeq) + 1;
        if (isTold(entry)) told += Math.max(0, missing);
        nextSeq = Math.max(nextSeq, entry.seq + 1);
      }
    } catch (error) {
      if (!isMediumError(error)) throw error;
    }
  return told;
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

/** Which segments count where some were rewritten. FORMAT.md has the rules. */
import type { FileLayer } from "../files/files.ts";
import { type Segment, SegmentCursor } from "./segment.ts";

/** Segments that tell of the stream, in order of their numbers, and those whose files are there to be used. */
export interface Counting {
  readonly segments: Segment[];
  readonly unused: Segment[];
}

/**
 * A rewritten segment takes the place of its sources once it is whole, and from then on their files may be used for
 * others. So where one is not whole, either all of its sources are still there, and count, or it was whole once and has
 * been damaged since. `found`: of one stream, oldest generation first, each one's end known as far as younger segments tell.
 */
export function countingSegments(files: FileLayer, found: readonly Segment[]): Counting {
  const unused = new Set<Segment>();
  for (const rewritten of found.toReversed()) {
    const { header } = rewritten;
    if (header.rewritten === undefined || unused.has(rewritten)) continue;
    const { sources, lastSeq } = header.rewritten;
    const replaced = found.filter(
      (other) =>
        other.header.generation < header.generation &&
        other.header.firstSeq >= header.firstSeq &&
        other.header.firstSeq <= lastSeq,
    );
    if (replaced.length >= sources && !isWhole(files, rewritten)) unused.add(rewritten);
    else for (const source of replaced) unused.add(source);
  }
  const segments = found.filter((segment) => !unused.has(segment));
  return { segments: segments.sort((a, b) => a.header.firstSeq - b.header.firstSeq), unused: [...unused] };
}

/** Whether every entry is there. */
function isWhole(files: FileLayer, segment: Segment): boolean {
  const { firstSeq, rewritten } = segment.header;
  const cursor = new SegmentCursor(files, segment);
  let nextSeq = firstSeq;
  try {
    for (let entry = cursor.next(Infinity); entry !== undefined; entry = cursor.next(Infinity)) {
      if (entry.fromSeq !== nextSeq) return false;
      nextSeq = entry.seq + 1;
    }
  } finally {
    cursor.close();
  }
  return nextSeq - 1 === rewritten?.lastSeq;
}

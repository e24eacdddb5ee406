import type { FileLayer } from "../files/files.ts";
import { entriesOf, type Segment } from "../segments/segment.ts";
import type { NumberRange, NumberSet } from "../state/number-set.ts";

/** What rewritten segments left out because it was acknowledged ahead: it is neither waiting nor given up. */
export class LeftOut {
  readonly #files: FileLayer;
  /** By segment, which never changes: its gaps that need no word. */
  readonly #gaps = new WeakMap<Segment, readonly NumberRange[]>();

  constructor(files: FileLayer) {
    this.#files = files;
  }

  /** How many of the numbers acknowledged ahead. Reads segments that it has not seen yet; throws where the disk does. */
  count(segments: readonly Segment[], ahead: NumberSet): number {
    let count = 0;
    for (const segment of segments) {
      const { firstSeq, rewritten } = segment.header;
      if (rewritten === undefined || ahead.count({ fromSeq: firstSeq, toSeq: rewritten.lastSeq }) === 0)
        continue;
      for (const gap of this.#gapsOf(segment)) count += ahead.count(gap);
    }
    return count;
  }

  #gapsOf(segment: Segment): readonly NumberRange[] {
    const known = this.#gaps.get(segment);
    if (known !== undefined) return known;
    const gaps: NumberRange[] = [];
    for (const { kind, fromSeq, seq } of entriesOf(this.#files, segment, Infinity))
      if (kind === "accounted") gaps.push({ fromSeq, toSeq: seq });
    this.#gaps.set(segment, gaps);
    return gaps;
  }
}

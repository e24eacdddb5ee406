import { type FileLayer, isMediumError } from "../files/files.ts";
import { PROGRESS, STATE, segmentNumber, segmentPath } from "../state/folder.ts";
import { type Progress, progressCodec } from "../state/progress.ts";
import { readSlots, type SlotContent } from "../state/slots.ts";
import { type State, stateCodec } from "../state/state.ts";
import { countingSegments, withoutCopies } from "./rewritten.ts";
import { readHeader, type Segment } from "./segment.ts";

/** What a folder holds, read without changing anything: the two small files and each segment's header. */
export interface Survey {
  readonly state: SlotContent<State>;
  readonly progress: SlotContent<Progress>;
  /** Of the stream, in order of their numbers. The newest one's end is not known yet: it reaches to the end of the file. */
  readonly segments: Segment[];
  /** Others of the stream, whose records were written anew elsewhere: their files may be used. */
  readonly unused: Segment[];
  /** Absent: nothing here tells. */
  readonly stream: string | undefined;
  /** Names of files that cannot be read, belong to another stream, or pretend to be another file. */
  readonly damaged: readonly string[];
  /** Numbers of segments that were being made when the power was cut. */
  readonly unfinished: readonly number[];
}

/** `expected` is the stream that the files must be of, where something else tells. */
export function survey(files: FileLayer, folder: string, expected?: string): Survey {
  const state = readSlots(files, `${folder}/${STATE}`, stateCodec);
  const progress = readSlots(files, `${folder}/${PROGRESS}`, progressCodec);
  const damaged: string[] = [];
  const unfinished: number[] = [];
  const found: Segment[] = [];
  for (const name of files.list(folder)) {
    const number = segmentNumber(name);
    if (number === undefined) continue;
    const segment = readSegment(files, folder, number);
    if (segment === "empty") unfinished.push(number);
    else if (segment === undefined) damaged.push(name);
    else found.push(segment);
  }
  found.sort((a, b) => a.header.generation - b.header.generation);
  const stream = expected ?? intact(state)?.stream ?? found.at(-1)?.header.stream ?? intact(progress)?.stream;
  const ofStream = found.filter(({ header }) => header.stream === stream);
  const ours = withoutCopies(files, ofStream);
  for (const segment of found) if (!ours.includes(segment)) damaged.push(nameOf(segment));
  limit(ours);
  if (state.found === "damaged") damaged.push(STATE);
  if (progress.found === "damaged" || (intact(progress)?.stream ?? stream) !== stream) damaged.push(PROGRESS);
  return {
    state,
    progress: damaged.includes(PROGRESS) ? { found: "damaged" } : progress,
    ...countingSegments(files, ours),
    stream,
    damaged,
    unfinished,
  };
}

export function intact<T>(content: SlotContent<T>): T | undefined {
  return content.found === "intact" ? content.value : undefined;
}

function nameOf(segment: Segment): string {
  return segment.path.slice(segment.path.lastIndexOf("/") + 1);
}

function readSegment(files: FileLayer, folder: string, number: number): Segment | "empty" | undefined {
  const path = segmentPath(folder, number);
  try {
    const file = files.open(path, "read");
    try {
      const header = readHeader(file);
      if (header === undefined || header === "empty") return header;
      const sizeBytes = file.sizeBytes();
      const { endOffset, lastSeq } = header.rewritten ?? { endOffset: sizeBytes, lastSeq: Infinity };
      return { number, path, sizeBytes, header, endOffset, lastSeq, retired: false };
    } finally {
      file.close();
    }
  } catch (error) {
    if (!isMediumError(error)) throw error;
    return undefined;
  }
}

/**
 * A segment's entries end where a younger one begins: what a failed sync left behind was written again there. One that was
 * rewritten tells where it ends, and is younger than what follows it.
 */
function limit(segments: readonly Segment[]): void {
  let followingSeq = Infinity;
  const rewrittenSeqs: number[] = [];
  for (const segment of segments.toReversed()) {
    const { firstSeq, rewritten } = segment.header;
    if (rewritten !== undefined) {
      rewrittenSeqs.push(firstSeq);
      continue;
    }
    const behind = rewrittenSeqs.filter((seq) => seq > firstSeq);
    segment.lastSeq = Math.min(followingSeq, ...behind) - 1;
    followingSeq = Math.min(followingSeq, firstSeq);
  }
}

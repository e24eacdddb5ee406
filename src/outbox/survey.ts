import { type FileLayer, isMediumError } from "./files/files.ts";
import { PROGRESS, STATE, segmentNumber, segmentPath } from "./folder.ts";
import { type Progress, progressCodec } from "./progress.ts";
import { readHeader, type Segment } from "./segment.ts";
import { readSlots, type SlotContent } from "./slots.ts";
import { type State, stateCodec } from "./state.ts";

/** What a folder holds, read without changing anything: the two small files and each segment's header. */
export interface Survey {
  readonly state: SlotContent<State>;
  readonly progress: SlotContent<Progress>;
  /** Of the stream, oldest generation first. The newest one's end is not known yet: it reaches to the end of the file. */
  readonly segments: Segment[];
  /** Absent: nothing here tells. */
  readonly stream: string | undefined;
  /** Names of files that cannot be read, or belong to another stream. */
  readonly damaged: readonly string[];
  /** Two segments of one generation: somebody has put one in the place of another. */
  readonly copied: boolean;
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
  const segments = found.filter(({ header }) => header.stream === stream);
  for (const segment of found) if (segment.header.stream !== stream) damaged.push(nameOf(segment));
  limit(segments);
  if (state.found === "damaged") damaged.push(STATE);
  if (progress.found === "damaged" || (intact(progress)?.stream ?? stream) !== stream) damaged.push(PROGRESS);
  return {
    state,
    progress: damaged.includes(PROGRESS) ? { found: "damaged" } : progress,
    segments,
    stream,
    damaged,
    copied: segments.some(
      ({ header }, index) => header.generation === segments[index + 1]?.header.generation,
    ),
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
      return { number, path, sizeBytes, header, endOffset: sizeBytes, lastSeq: Infinity, retired: false };
    } finally {
      file.close();
    }
  } catch (error) {
    if (!isMediumError(error)) throw error;
    return undefined;
  }
}

/** A segment's entries end where a younger one begins: what a failed sync left behind was written again there. */
function limit(segments: readonly Segment[]): void {
  let followingSeq = Infinity;
  for (const segment of segments.toReversed()) {
    segment.lastSeq = followingSeq - 1;
    followingSeq = Math.min(followingSeq, segment.header.firstSeq);
  }
}
